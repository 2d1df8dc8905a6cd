"""A history of three replicas that share a traffic, one of which starts anew from nothing."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

from dashboards.draw import rules
from llm_trace_exporter.config import Settings, load_config
from llm_trace_exporter.engine.engine import Engine
from llm_trace_exporter.simulate.archive import Archive
from llm_trace_exporter.simulate.history import BATCH_S, VirtualClock
from llm_trace_exporter.simulate.incidents import Plan, parse_incident
from llm_trace_exporter.simulate.traffic import Sent, Traffic
from llm_trace_exporter.simulate.world import PROFILES

CONFIG = Path(__file__).with_name("fleet.yml")
REPLICAS = 3
STEP_S = 60
SPAN_S = 5_400
END_S = 1_772_625_600
START_S = END_S - SPAN_S
"""Before it there was nothing."""
RANGE_S = SPAN_S + STEP_S
"""A range that holds all of it, the first scrape too."""
RESTART_S = START_S + 4_500
"""When the last replica starts anew, without a state file: its counters fall to 0.

Late, as Prometheus takes a series that is no more to have risen for half an interval after its last
sample: of one that was short that is a part that can be seen.
"""
_HOUR = START_S // 3_600
WEEK_BEFORE = {
    "since_s": START_S - 8 * 86_400.0,
    "hours": [(hour, 0.25) for hour in range(_HOUR - 8 * 24, _HOUR)],
}
"""What each replica knows of its budgets at first, but the one that starts anew: without a week
nothing is forecast."""
_PROFILE = replace(PROFILES["steady"], environments=(("production", 0.75), ("staging", 0.25)))
_INCIDENTS = ("provider-errors@-70m+20m", "tool-failure@-60m+30m", "retrieval-empty@-50m+30m")


@dataclass(slots=True)
class Replica:
    """One exporter, its own share of the traffic, and what is scraped of it."""

    engine: Engine
    clock: VirtualClock
    archive: Archive
    waiting: list[Sent]


def traffic() -> list[Sent]:
    """All that applications send, in order of time."""
    plan = Plan([parse_incident(written, START_S, END_S) for written in _INCIDENTS])
    source = Traffic(_PROFILE, plan, seed=7, start_s=START_S, rate=0.3)
    # What is sent in the last moments has no time to settle.
    return list(source.until(END_S - 2 * STEP_S))


def write_blocks(folder: Path, sent: Iterable[Sent]) -> tuple[Path, list[Engine]]:
    """A Prometheus' data, and the exporters as they are at the end: to be closed."""
    blocks = folder / "blocks"
    settings = replace(load_config(CONFIG), zero_hold_s=1.1 * STEP_S)
    shares = _shares(sent)
    files = [folder / f"replica-{number}.om" for number in range(REPLICAS)]
    with ExitStack() as stack:
        replicas = [
            _started(settings, stack.enter_context(Archive(file, _labels(number))), share)
            for number, (file, share) in enumerate(zip(files, shares, strict=True))
        ]
        for at_s in range(START_S, END_S + 1, STEP_S):
            for one in replicas:
                _feed(one, at_s)
                _scrape(one, at_s, is_last=at_s == END_S)
            if at_s == RESTART_S:
                _start_anew(replicas[-1], settings)
        for one in replicas:
            one.archive.write()
    for file in files:
        rules.write_blocks(file, blocks)
    return blocks, [one.engine for one in replicas]


def replica_of(sent: Sent) -> int:
    """Whose it is: a balancer by trace id keeps a trace and what is said of it together."""
    ids = [span.trace_id for span in sent.spans] + [log.trace_id for log in sent.logs]
    return ids[0][0] % REPLICAS if ids else 0


def _shares(sent: Iterable[Sent]) -> list[list[Sent]]:
    shares: list[list[Sent]] = [[] for _ in range(REPLICAS)]
    for one in sent:
        shares[replica_of(one)].append(one)
    return shares


def _labels(number: int) -> dict[str, str]:
    return {"job": "llm-trace-exporter", "instance": f"exporter-{number}:9891"}


def _started(settings: Settings, archive: Archive, share: Sequence[Sent]) -> Replica:
    clock = VirtualClock(float(START_S))
    engine = clock.engine(settings)
    budgets = engine.ingester.budgets
    budgets.restore([one | WEEK_BEFORE for one in budgets.saved()])
    return Replica(engine, clock, archive, list(share))


def _start_anew(replica: Replica, settings: Settings) -> None:
    replica.engine.close()
    replica.engine = replica.clock.engine(settings)


def _feed(replica: Replica, until_s: float) -> None:
    for now_s in _batches(replica.clock.unix_s, until_s):
        due = [one for one in replica.waiting if one.at_s < now_s]
        replica.waiting = replica.waiting[len(due) :]
        replica.clock.unix_s = now_s
        spans = [span for one in due for span in one.spans]
        logs = [log for one in due for log in one.logs]
        if spans or logs:
            replica.engine.ingester.ingest_records(spans, logs, "otlp_http")
        else:
            replica.engine.ingester.settle()


def _batches(from_s: float, until_s: float) -> Iterator[float]:
    while from_s < until_s:
        from_s = min(until_s, from_s + BATCH_S)
        yield from_s


def _scrape(replica: Replica, at_s: int, *, is_last: bool) -> None:
    # So that nothing is lost with the replica that starts anew, nor at the end.
    if is_last or at_s == RESTART_S:
        replica.engine.ingester.settle_all()
    replica.engine.refresh()
    replica.engine.store.expire()
    replica.engine.store.update_limits()
    replica.archive.scrape(at_s, replica.engine.store)
