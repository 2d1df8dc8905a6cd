"""What was acknowledged, and what must be shown of it: sums that the product does not make."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from tests.facts import Samples

Signal = Literal["traces", "logs", "/v1/verdicts", "/v1/feedback"]
"""Which OTLP signal a request is, or the route it is posted to as JSON."""
Labels = tuple[tuple[str, str], ...]
Sums = dict[tuple[str, Labels], float]
"""(sample name, labels) -> what their samples must add up to."""

PRICES = {"input": 2.0, "output": 8.0}
"""US dollars per million tokens."""


@dataclass(frozen=True, slots=True)
class Fact:
    """Something that happened once, however often and by whomever it is told."""

    kind: Literal["call", "tool", "agent", "verdict", "rating"]
    key: str
    """Two reporters of one thing agree on it."""
    trace: bytes
    value: str = "ok"
    """Outcome of a call or step; else the verdict or rating."""
    seconds: float = 0.0
    tokens: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True)
class Told:
    """One request."""

    signal: Signal
    body: bytes
    """Protobuf; JSON for a route."""
    facts: tuple[Fact, ...]
    records: int
    """Spans or log records in it."""
    tokens: int
    """What they claim to have used, all together."""


class Ledger:
    """What was acknowledged, and the sums that it comes to."""

    def __init__(self) -> None:
        self._facts: dict[str, Fact] = {}
        self.records = 0
        """Spans and log records acknowledged, those told again as well."""
        self.tokens = 0
        """What they claim to have used."""
        self.unsure_records = 0
        """Those of requests without an answer: they may have been taken in."""
        self.unsure_tokens = 0

    def __len__(self) -> int:
        """How many different facts."""
        return len(self._facts)

    @property
    def calls(self) -> int:
        """How many different calls."""
        return sum(fact.kind == "call" for fact in self._facts.values())

    def acknowledged(self, told: Told) -> None:
        """Take down a request that was answered with success."""
        self.records += told.records
        self.tokens += told.tokens
        for fact in told.facts:
            known = self._facts.get(fact.key)
            if known is None or known.tokens is None:
                self._facts[fact.key] = fact

    def unanswered(self, told: Told) -> None:
        """Take down a request that may have been taken in, or not: it is to be sent again."""
        self.unsure_records += told.records
        self.unsure_tokens += told.tokens

    def add(self, other: Ledger) -> None:
        """Take over what another one knows of other senders."""
        self._facts |= other._facts
        self.records += other.records
        self.tokens += other.tokens
        self.unsure_records += other.unsure_records
        self.unsure_tokens += other.unsure_tokens

    def sums(self) -> Sums:
        """What every family must add up to, once everything is settled and complete."""
        sums: Sums = defaultdict(float)
        for fact in self._facts.values():
            for name, labels, amount in _counts(fact):
                sums[name, labels] += amount
        traces = {fact.trace for fact in self._facts.values() if fact.kind == "call"}
        sums["llm_traces_total", ()] = len(traces)
        sums["llm_trace_duration_seconds_count", ()] = len(traces)
        return dict(sums)

    def differences(self, at: Samples, service: str = "") -> list[str]:
        """What a page shows otherwise than it must; empty where all is right.

        Args:
            at: What is shown.
            service: Only what is shown of this sender's calls: others send as well.
        """
        only = {"service": service} if service else {}
        wrong = [
            f"{name}{dict(labels)}: {shown!r} for {right!r}"
            for (name, labels), right in self.sums().items()
            if not service or name.startswith(("llm_request", "llm_tokens", "llm_cost"))
            if not _equal(
                shown := at.total(name, **dict(labels), **only), right, exact="usd" not in name
            )
        ]
        if service:
            return wrong
        received = sum(
            at.total(f"llm_exporter_{kind}_received_total") for kind in ("spans", "log_records")
        )
        told = at.total("llm_tokens_total") + at.total("llm_exporter_discarded_tokens_total")
        for what, shown, least, unsure in (
            ("records received", received, self.records, self.unsure_records),
            ("tokens counted or discarded", told, self.tokens, self.unsure_tokens),
        ):
            if not least <= shown <= least + unsure:
                wrong.append(f"{what}: {shown!r} for {least!r} and up to {unsure!r} more")
        return wrong


def _equal(shown: float, right: float, *, exact: bool) -> bool:
    return shown == right if exact else abs(shown - right) <= 1e-9 * right


def _counts(fact: Fact) -> Iterator[tuple[str, Labels, float]]:
    """(sample name, labels, amount) of all that one fact moves."""
    outcome = (("outcome", fact.value),)
    if fact.kind == "call":
        yield "llm_requests_total", outcome, 1
        yield "llm_request_duration_seconds_count", outcome, 1
        yield "llm_request_duration_seconds_sum", outcome, fact.seconds
        if fact.tokens is not None:
            yield from _used(dict(zip(PRICES, fact.tokens, strict=True)))
    elif fact.kind == "verdict":
        yield "llm_judge_verdicts_total", (("verdict", fact.value),), 1
    elif fact.kind == "rating":
        yield "llm_feedback_total", (("rating", fact.value),), 1
    else:
        yield "llm_step_duration_seconds_count", (("step", fact.kind), *outcome), 1
        yield "llm_step_duration_seconds_sum", (("step", fact.kind), *outcome), fact.seconds
        if fact.kind == "tool":
            yield "llm_tool_calls_total", outcome, 1


def _used(tokens: Mapping[str, int]) -> Iterator[tuple[str, Labels, float]]:
    usd = {kind: n * PRICES[kind] / 1e6 for kind, n in tokens.items()}
    for kind, n in tokens.items():
        yield "llm_tokens_total", (("type", kind),), n
        yield "llm_cost_usd_total", (("type", kind),), usd[kind]
        yield f"llm_request_{kind}_tokens_sum", (), n
        yield f"llm_request_{kind}_tokens_count", (), 1
    yield "llm_request_cost_usd_sum", (), sum(usd.values())
    yield "llm_request_cost_usd_count", (), 1


class Scrapes:
    """What earlier scrapes showed; no counter may fall, over restarts too."""

    def __init__(self) -> None:
        self._series: dict[tuple[str, Labels], float] = {}
        self._sums: dict[tuple[str, str], float] = {}

    def look(self, at: Samples, *, relabelled: bool = False) -> list[str]:
        """What fell since the last look.

        Args:
            at: What is shown now.
            relabelled: Series may have moved since: only the sums of families are compared.
        """
        series = dict(_rising(at))
        sums: dict[tuple[str, str], float] = defaultdict(float)
        for (name, labels), value in series.items():
            sums[name, dict(labels).get("le", "")] += value
        fallen = [
            f"{name}{{le={le!r}}}: {sums.get((name, le))} after {before}"
            for (name, le), before in self._sums.items()
            if sums.get((name, le), 0.0) < before * (1 - 1e-9)
        ]
        if not relabelled:
            fallen += [
                f"{name}{dict(labels)}: {series.get((name, labels))} after {before}"
                for (name, labels), before in self._series.items()
                if series.get((name, labels), 0.0) < before
            ]
        self._series, self._sums = series, sums
        return fallen


RISING = (
    "llm_requests_", "llm_request_duration", "llm_tokens_", "llm_cost_", "llm_step_", "llm_tool_",
    "llm_judge_verdicts_", "llm_feedback_", "llm_trace_", "llm_traces_", "llm_request_input_",
    "llm_request_output_", "llm_request_cost_", "llm_exporter_discarded_", "llm_exporter_spans_",
    "llm_exporter_log_records_",
)  # fmt: skip
"""Families of the journal: they go on where they were after a restart."""


def _rising(at: Samples) -> Iterator[tuple[tuple[str, Labels], float]]:
    for name, samples in at.by_name.items():
        if name.startswith(RISING):
            for sample in samples:
                yield (name, tuple(sorted(sample.labels.items()))), sample.value


_CLOSED = frozenset(
    ("outcome", "error_type", "type", "cost_source", "reason", "step", "purpose", "kind", "verdict",
     "rating", "agrees", "le")
)  # fmt: skip


def over_limits(at: Samples, caps: Mapping[str, int], max_per_family: int) -> list[str]:
    """Labels and families with more than they may have.

    Past its limit a family may still get one label set for each combination of closed labels, in
    which all that comes from outside is `other`.

    Args:
        at: What is shown.
        caps: Distinct values by label.
        max_per_family: Label sets of one family.
    """
    values: dict[str, set[str]] = defaultdict(set)
    found: list[str] = []
    for name, samples in at.by_name.items():
        if not name.startswith(RISING) or name.startswith("llm_exporter_"):
            continue
        sets: set[Labels] = set()
        for sample in samples:
            own = {k: v for k, v in sample.labels.items() if k not in _CLOSED}
            if set(own.values()) != {"other"}:
                sets.add(tuple(sorted((k, v) for k, v in sample.labels.items() if k != "le")))
            for label, value in own.items():
                values[label].add(value)
        if len(sets) > max_per_family:
            found.append(f"{name}: {len(sets)} label sets for {max_per_family}")
    for label, cap in caps.items():
        if len(shown := values[label] - {"", "other"}) > cap:
            found.append(f"{label}: {len(shown)} values for {cap}")
    return found
