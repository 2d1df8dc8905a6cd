"""Checks of whether the numbers can be true: clocks, copies, limits, refusals."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from ..config.units import format_duration
from .facts import Facts, Missing, Sample
from .findings import Finding, Level, count, ok

_SKEW_S = 5.0
_STALE_S = 150.0
_LATE_S = 600.0
_ENOUGH_CALLS = 20.0
_ENOUGH_GROUPS = 3
_KEEP = "set state.path (persistence.enabled=true of the chart)"
_ALIKE = 0.05
"""Of the chi-square per group: traces that fall to replicas by chance give about 1."""


def clocks(facts: Facts) -> Iterator[Finding]:
    """Whether server, exporters, senders and this machine agree on the time."""
    before = len(found := list(_skews(facts)))
    yield from found
    if not before and facts.exporters:
        yield ok("clocks agree, as far as can be seen from here")


def _skews(facts: Facts) -> Iterator[Finding]:
    if abs(facts.ahead_s) > _SKEW_S:
        yield Finding(
            "warning",
            f"the server's clock is {_off(facts.ahead_s)} this machine's",
            do="synchronise both (NTP)",
        )
    page = facts.page
    if page is not None and page.ahead_s is not None and abs(page.ahead_s) > _SKEW_S:
        yield Finding(
            "warning",
            f"the exporter's clock is {_off(page.ahead_s)} this machine's",
            why="lag, lateness and budgets go by it",
            do="synchronise both (NTP)",
        )
    scraped = {sample.source: sample.value for sample in facts.asked("scraped")}
    ahead: dict[str, float] = {}
    for question in ("started", "configured"):
        for sample in facts.asked(question):
            job_instance = sample.source
            by_s = sample.value - scraped.get(job_instance, sample.value)
            ahead[job_instance[1]] = max(by_s, ahead.get(job_instance[1], 0.0))
    if not isinstance(facts.exemplars, Missing):
        for exemplar in facts.exemplars:
            by_s = exemplar.unix_s - facts.now_s
            ahead[exemplar.instance] = max(by_s, ahead.get(exemplar.instance, 0.0))
    for instance, by_s in sorted(ahead.items()):
        if by_s > _SKEW_S:
            yield Finding(
                "problem",
                f"the clock of {instance} is at least {_off(by_s)} the server's",
                why="it tells times that the server has not reached yet",
                do="synchronise both (NTP)",
            )
    yield from _lag(facts)


def _lag(facts: Facts) -> Iterator[Finding]:
    for sample in facts.asked("lag_median"):
        if sample.value > _LATE_S:
            yield Finding(
                "warning",
                f"half of the records come more than {_duration(sample.value)} late",
                why="they are sent late, or the senders' clocks are behind",
                do="look at the senders' batching, queues and clocks",
            )
    for sample in facts.asked("lag_mean"):
        if sample.value == 0:
            yield Finding(
                "warning",
                "records end at the moment they arrive, or after it",
                why="a batch takes seconds on its way: the senders' clocks are ahead",
                do="synchronise them (NTP)",
            )


def fresh(facts: Facts) -> Iterator[Finding]:
    """Whether samples are new: remote storage may be behind."""
    for sample in facts.asked("age"):
        if sample.value > _STALE_S:
            yield Finding(
                "warning",
                f"the newest sample of {sample.source[1]} is {_duration(sample.value)} old",
                why="it is not scraped any more, or remote_write is behind",
            )


def copies(facts: Facts) -> Iterator[Finding]:
    """Whether a process or a call is counted twice."""
    doubled = list(_same_process(facts)) + list(_same_calls(facts))
    yield from doubled
    if not doubled and len(facts.exporters) > 1:
        yield ok(f"{len(facts.exporters)} exporters count different calls")


def _same_process(facts: Facts) -> Iterator[Finding]:
    """Two targets that loaded their configuration in the same microsecond are one process."""
    marks: dict[float, list[Sample]] = defaultdict(list)
    for sample in facts.asked("configured"):
        marks[sample.value].append(sample)
    for found in marks.values():
        if len(found) > 1:
            differ = sorted(
                {
                    name
                    for s in found
                    for name in s.labels
                    if len({o.labels.get(name) for o in found}) > 1
                }
            )
            replicas = [name for name in differ if "replica" in name]
            yield Finding(
                "problem",
                f"one exporter is seen {len(found)} times",
                why="every number of it counts as often"
                + (f"; the samples differ by {', '.join(differ)}" if differ else ""),
                do="ask with deduplication, as these are replicas of Prometheus"
                if replicas
                else "keep one scrape: a job, a ServiceMonitor or a PodMonitor, or a federation",
                where=tuple(f"{s.source[1]} (job {s.source[0]})" for s in found),
            )


def _same_calls(facts: Facts) -> Iterator[Finding]:
    if isinstance(facts.exemplars, Missing) or not facts.exemplars:
        yield from _same_counts(facts)
        return
    spans: dict[tuple[str, str], set[str]] = defaultdict(set)
    traces: dict[str, set[str]] = defaultdict(set)
    for exemplar in facts.exemplars:
        if exemplar.trace_id:
            traces[exemplar.trace_id].add(exemplar.instance)
            if exemplar.span_id:
                spans[exemplar.trace_id, exemplar.span_id].add(exemplar.instance)
    doubled = [where for where in spans.values() if len(where) > 1]
    split = [where for where in traces.values() if len(where) > 1]
    if doubled and not _is_one_process(facts, doubled):
        yield Finding(
            "problem",
            f"{count(len(doubled), 'call')} counted by more than one exporter",
            why="the same spans are sent to each of them: sums are too high",
            do="send each trace to one exporter: a Collector with loadbalancing by trace id "
            "(docs/operations.md)",
            where=tuple(sorted(set().union(*doubled))),
        )
    elif split and not doubled:
        yield Finding(
            "warning",
            f"{count(len(split), 'trace')} spread over more than one exporter",
            why="copies of a call, totals of traces and verdicts need all of a trace in one place",
            do="a Collector with loadbalancing by trace id (docs/operations.md)",
            where=tuple(sorted(set().union(*split))),
        )


def _is_one_process(facts: Facts, doubled: list[set[str]]) -> bool:
    """Whether it is told already, as one process that is scraped twice."""
    seen = {w.split(" ")[0] for found in _same_process(facts) for w in found.where}
    return all(where <= seen for where in doubled)


def _same_counts(facts: Facts) -> Iterator[Finding]:
    """Without exemplars: two instances whose counts differ less than chance would make them."""
    rows: dict[tuple[str, ...], dict[tuple[str, str], float]] = defaultdict(dict)
    for sample in facts.asked("calls_by_model"):
        group = tuple(sample.labels.get(k, "") for k in ("exported_service", "service", "model"))
        rows[group][sample.source] = sample.value
    pairs: dict[tuple[tuple[str, str], ...], list[float]] = defaultdict(list)
    for found in rows.values():
        sources = sorted(found)
        for at, one in enumerate(sources):
            for other in sources[at + 1 :]:
                total = found[one] + found[other]
                if total >= _ENOUGH_CALLS:
                    pairs[one, other].append((found[one] - found[other]) ** 2 / total)
    for pair, deviations in sorted(pairs.items()):
        if len(deviations) >= _ENOUGH_GROUPS and sum(deviations) / len(deviations) < _ALIKE:
            yield Finding(
                "warning",
                f"two exporters count the same for {len(deviations)} models of services",
                why="traces that are shared out by chance differ more: both seem to get the same",
                do="send each trace to one exporter (docs/operations.md)",
                where=tuple(f"{instance} (job {job})" for job, instance in pair),
            )


@dataclass(frozen=True, slots=True)
class _Symptom:
    """What an answer of a question means, where there is one."""

    question: str
    level: Level
    what: Callable[[Sample], str]
    why: str = ""
    do: str = ""


def _of(*names: str) -> Callable[[Sample], str]:
    return lambda sample: " ".join(sample.labels.get(name, "") for name in names).strip()


_SYMPTOMS: tuple[_Symptom, ...] = (
    _Symptom("config_failed", "problem",
          lambda s: f"the configuration of {_of('instance')(s)} could not be loaded anew",
          "the one before it is in force", "`llm-trace-exporter check FILE` says what is wrong"),
    _Symptom("security_failed", "problem",
          lambda s: f"{_of('part')(s)} of {_of('instance')(s)} cannot be used since they changed",
          "the ones before are in force until they expire", "read the exporter's log"),
    _Symptom("state_errors", "problem",
          lambda s: f"trouble with the state file of {_of('instance', 'reason')(s)}",
          "requests are pushed back, or counters start anew", "look at the volume and the log"),
    _Symptom("rejected", "warning",
          lambda s: f"{s.value:.0f} requests over {_of('source')(s)} were refused within an hour: "
          f"{_of('reason')(s)}",
          "nothing of them was counted", "docs/operations.md says what each reason asks for"),
    _Symptom("invalid", "warning",
          lambda s: f"{s.value:.0f} records with impossible numbers within an hour",
          "they were not counted", "find the sender by llm_exporter_spans_received_total"),
    _Symptom("overflow", "warning",
          lambda s: f"{s.value:.0f} records became {_of('label')(s)}=\"other\" within a day",
          "the label has more values than it may have",
          "raise its cap, or take it from the dimensions"),
    _Symptom("full_labels", "note",
          lambda s: f"the label {_of('label')(s)} is at {s.value:.0%} of its cap",
          "past it, values become other", "raise labels.caps, or let it have less values"),
    _Symptom("full_series", "warning",
          lambda s: f"{_of('family')(s)} is at {s.value:.0%} of its series",
          "past it, labels become other", "raise series.max_per_family, or drop a dimension"),
    _Symptom("pending", "warning",
          lambda s: f"{_of('instance')(s)} holds {s.value:.0%} of the calls that may wait",
          "past it, the oldest are counted early and copies may count twice",
          "raise limits.max_pending, or add replicas"),
    _Symptom("metrics_requests", "note",
          lambda s: f"{s.value:.0f} requests with OTLP metrics came within an hour",
          "they are answered and not used: numbers come from traces",
          "let senders export traces only"),
)  # fmt: skip


def health(facts: Facts) -> Iterator[Finding]:
    """What exporters say about themselves."""
    for symptom in _SYMPTOMS:
        for sample in facts.asked(symptom.question):
            if round(sample.value, 2) or "failed" in symptom.question:
                yield Finding(symptom.level, symptom.what(sample), symptom.why, symptom.do)
    yield from _resets(facts)
    yield from _prices(facts)
    yield from _versions(facts)


def _resets(facts: Facts) -> Iterator[Finding]:
    in_memory = {sample.source for sample in facts.asked("in_memory")}
    for sample in facts.asked("resets"):
        job, instance = sample.source
        yield Finding(
            "warning",
            f"the cost counters of {instance} started from 0 {sample.value:.0f} times within a day",
            why="its state is in memory"
            if sample.source in in_memory
            else "its state file is lost at restarts, or two exporters answer at one address",
            do=_KEEP
            if sample.source in in_memory
            else "look at the volume, and whether a Service stands between",
            where=(f"job {job}",),
        )
    if in_memory and not facts.asked("resets"):
        yield Finding(
            "note",
            "counters are kept in memory only",
            why="they start from 0 with every restart, and what waits is lost",
            do=_KEEP,
            where=tuple(sorted({instance for _, instance in in_memory})),
        )


def _prices(facts: Facts) -> Iterator[Finding]:
    for sample in facts.asked("prices_age"):
        if sample.value > 60 * 86_400:
            yield Finding(
                "warning",
                f"the list prices are {sample.value / 86_400:.0f} days old",
                do="update the exporter, or turn updates on (docs/pricing.md)",
            )
    models = sorted(
        {s.labels.get("model", "no model") for s in facts.asked("unpriced") if s.value >= 1}
    )
    if models:
        yield Finding(
            "warning",
            f"no price for {count(len(models), 'model')}",
            why="the cost that is shown is too low",
            do="give contract prices (docs/pricing.md)",
            where=tuple(models),
        )


def _versions(facts: Facts) -> Iterator[Finding]:
    versions = [s.labels.get("version", "?") for s in facts.asked("versions")]
    if len(versions) > 1:
        yield Finding("note", f"exporters of {len(versions)} versions run: {', '.join(versions)}")


def traffic(facts: Facts) -> Iterator[Finding]:
    """Whether anything arrives, and whether it is what the exporter knows."""
    if not facts.exporters:
        return
    received = sum(sample.value for sample in facts.asked("received"))
    calls = sum(sample.value for sample in facts.asked("calls"))
    logs = sum(sample.value for sample in facts.asked("received_logs"))
    if calls:
        yield ok(f"{calls:.0f} calls counted, of {received:.0f} spans received since the start")
    elif received or logs:
        arrived = f"{received:.0f} spans" if received else f"{logs:.0f} log records"
        yield Finding(
            "warning",
            f"{arrived} arrived, and no call was counted",
            why="none of them tells a call to a model, or new series still show 0 (zero_hold)",
            do="look at llm_exporter_spans_received_total by dialect, and docs/sending-traces.md",
        )
    elif facts.asked("metrics_requests"):
        yield Finding(
            "warning",
            "only OTLP metrics arrive, and they are not used",
            why="calls, tokens and dollars are counted from traces, and from log records of "
            "coding agents",
            do="let the sender export its traces, too (docs/sending-traces.md)",
        )
    else:
        yield Finding(
            "warning",
            "nothing has been received yet",
            do="point OTEL_EXPORTER_OTLP_ENDPOINT of an application to it, or try "
            "`llm-trace-exporter simulate`",
        )


def _off(by_s: float) -> str:
    return f"{_duration(abs(by_s))} {'ahead of' if by_s > 0 else 'behind'}"


def _duration(seconds: float) -> str:
    return format_duration(round(seconds))
