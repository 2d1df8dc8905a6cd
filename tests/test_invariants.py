"""What holds whatever happens: counters rise, caps keep totals, clocks may jump."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

from hypothesis import HealthCheck, given
from hypothesis import strategies as st

from llm_trace_exporter.config import Settings
from llm_trace_exporter.config.settings import LabelSettings, SeriesSettings
from llm_trace_exporter.engine.engine import Engine
from llm_trace_exporter.metrics.catalogue import FAMILIES
from tests.draws import draws
from tests.facts import COMPARED, Samples, facts
from tests.test_order import MERGED, split

YEAR_S = 366 * 86_400
RISING = tuple(f.name for f in FAMILIES if f.type != "gauge")
AT_OWN_PACE = ("llm_exporter_scrape_", "llm_exporter_ingest_", "llm_exporter_series")


@dataclass
class Clock:
    """Two clocks that go as the test says."""

    monotonic_s: float = 1_000.0
    wall_ns: int = 1_790_000_000_000_000_000

    def engine(self, configuration: Settings) -> Engine:
        return Engine(
            configuration, clock=lambda: self.monotonic_s, wall_clock_ns=lambda: self.wall_ns
        )


@cache
def requests() -> tuple[tuple[str, bytes], ...]:
    """Single records of calls, steps and verdicts, of several emitters."""
    return tuple(request for source in MERGED for request in split(source)[:25])


def page(engine: Engine) -> Samples:
    return Samples(engine.exposition.render().body.decode())


def lines(engine: Engine) -> dict[str, float]:
    """Samples that may never fall, by what stands before the value."""
    found = {}
    for line in engine.exposition.render().body.decode().splitlines():
        if line.startswith(RISING):
            series, _, value = line.rpartition(" ")
            found[series] = float(value)
    return found


def rising(at: Samples) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    """Samples that may never fall: counters, and every part of a histogram."""
    return {
        (name, frozenset(sample.labels.items())): sample.value
        for name, samples in at.by_name.items()
        if name.startswith(RISING)
        for sample in samples
    }


CAPS = st.fixed_dictionaries(
    {name: st.integers(1, 4) for name in ("service", "model", "tool", "judge", "provider")}
)
REQUEST = st.integers(0, 10_000)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("send"), st.lists(REQUEST, min_size=1, max_size=12)),
        st.tuples(st.just("wait"), st.floats(0, 40) | st.floats(0, 200_000)),
        st.tuples(st.just("jump"), st.integers(-60 * YEAR_S, 60 * YEAR_S)),
        st.tuples(st.just("reload"), CAPS),
    ),
    min_size=3,
    max_size=20,
)


def take(engine: Engine, clock: Clock, step: tuple[str, Any]) -> None:
    """Do one thing, and what the clockwork does twice a second."""
    kind, what = step
    if kind == "send":
        for number in what:
            signal, body = requests()[number % len(requests())]
            engine.ingester.ingest_request(signal, "protobuf", body, "file")
    elif kind == "wait":
        clock.monotonic_s += what
    elif kind == "jump":
        clock.wall_ns += what * 10**9
    else:
        engine.apply(replace(engine.settings, labels=LabelSettings(caps=what, default_cap=3)))
    engine.ingester.settle()
    engine.store.expire()


@draws(40, suppress_health_check=[HealthCheck.too_slow])
@given(STEPS, st.sampled_from([0.0, 35.0]), st.sampled_from([5, 20_000]))
def test_no_scrape_sees_a_counter_fall(
    steps: list[tuple[str, Any]], zero_hold_s: float, max_series: int
) -> None:
    """Requests, settling, expiry, other limits, clocks that jump: in any order."""
    clock = Clock()
    engine = clock.engine(
        Settings(zero_hold_s=zero_hold_s, series=SeriesSettings(max_per_family=max_series))
    )
    before: dict[str, float] = {}
    for step in steps:
        take(engine, clock, step)
        now = lines(engine)
        fallen = {key for key, value in before.items() if now.get(key, value) < value}
        assert not fallen
        assert all(value >= 0 for value in now.values())
        before = now


@draws(15, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(REQUEST, min_size=1, max_size=120), CAPS, st.integers(1, 3), st.integers(1, 6))
def test_limits_on_labels_and_series_keep_totals(
    numbers: list[int], caps: dict[str, int], default_cap: int, max_series: int
) -> None:
    def totals(configuration: Settings) -> dict[str, float]:
        clock = Clock()
        engine = clock.engine(configuration)
        take(engine, clock, ("send", numbers))
        engine.ingester.settle_all()
        found: dict[str, float] = defaultdict(float)
        for (name, labels), value in rising(page(engine)).items():
            if not name.startswith((*AT_OWN_PACE, "llm_exporter_label_overflow")):
                found[f"{name} {dict(labels).get('le', '')}"] += value
        return {name: round(value, 9) for name, value in found.items() if value}

    limited = Settings(
        zero_hold_s=0,
        labels=LabelSettings(caps=caps, default_cap=default_cap),
        series=SeriesSettings(max_per_family=max_series),
    )
    assert totals(limited) == totals(Settings(zero_hold_s=0))


@draws(25, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.lists(REQUEST, min_size=1, max_size=60),
    st.lists(st.integers(-60 * YEAR_S, 300 * YEAR_S), min_size=1, max_size=5),
)
def test_a_wall_clock_that_jumps_moves_no_number(numbers: list[int], jumps: list[int]) -> None:
    def counted(jumps: list[int]) -> dict[str, object]:
        clock = Clock()
        engine = clock.engine(Settings(zero_hold_s=0))
        for at, number in enumerate(numbers):
            take(engine, clock, ("jump", jumps[at % len(jumps)] * (-1) ** at))
            take(engine, clock, ("send", [number]))
        engine.ingester.settle_all()
        at_end = page(engine)
        assert all(value >= 0 for value in rising(at_end).values())
        found = facts(engine.exposition.render().body.decode())
        return {name: write(found[name]) for name, write in COMPARED.items()}

    assert counted(jumps) == counted([0])
