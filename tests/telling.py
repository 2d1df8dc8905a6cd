"""A seeded sender, and what the exporter must show of what it was acknowledged.

The sums are made here from what was meant, never by the code under test. What one call costs, how
long it takes and what it used is drawn from numbers that floats add exactly, in any order.
"""

from __future__ import annotations

import asyncio
import json
import random
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from llm_trace_exporter.app import Core
from llm_trace_exporter.errors import ExporterError, Overloaded
from llm_trace_exporter.metrics.catalogue import FAMILIES
from llm_trace_exporter.otlp.http_receiver import HttpReceiver
from llm_trace_exporter.scores import ScoresApp
from tests.e2e.wire import any_value
from tests.facts import Samples
from tests.spans import START_NS

Signal = Literal["traces", "logs", "/v1/verdicts", "/v1/feedback"]
"""Which OTLP signal a request is, or the route it is posted to as JSON."""
Labels = tuple[tuple[str, str], ...]
Sums = dict[tuple[str, Labels], float]
"""(sample name, labels) -> what their samples must add up to."""

LABELS = ("region", "tenant", "channel", "plan")
"""Attributes of every call that a configuration may make labels of."""
PRICES = {"input": 2.0, "output": 8.0}
"""US dollars per million tokens."""
CONFIG: Mapping[str, Any] = {
    "zero_hold": "0s",
    # Few: reading a page takes longer than making it.
    "buckets": {"seconds": [1, 8], "tokens": [1000], "dollars": [0.01], "calls": [1]},
    "pricing": {
        "contracts": [{"provider": "acme", "model": "*", "usd_per_million_tokens": PRICES}]
    },
}
"""What a configuration needs for the sums to be as they are worked out here."""
MODELS = 12

# A span without times of its own would be told apart from nothing.
_APART_NS = 60_000_000_000


@dataclass(frozen=True, slots=True)
class Fact:
    """Something that happened once, however often and by whomever it is told."""

    kind: Literal["call", "tool", "agent", "verdict", "rating"]
    key: str
    """Two tellers of one thing agree on it."""
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


class Teller:
    """Requests without end, from a seed; two tellers of different names share no id."""

    def __init__(self, seed: int, name: str = "shop", models: int = MODELS) -> None:
        self._chance = random.Random(f"{name}/{seed}")
        self._name = name
        self._models = models
        self._number = 0
        self._held: list[Told] = []
        self._judged: list[tuple[bytes, bytes]] = []

    def next(self) -> Told:
        """A request: of something new, or the other half of something told before."""
        chance = self._chance
        if self._held and chance.random() < 0.4:
            return self._held.pop(chance.randrange(len(self._held)))
        kinds = (self._calls, self._calls, self._nested, self._nested, self._run, self._judgement)
        return chance.choice(kinds)()

    def rest(self) -> Iterator[Told]:
        """The halves that were not told yet."""
        while self._held:
            yield self._held.pop()

    def calls(self, count: int) -> Told:
        """A request of so many calls that have nothing to do with each other."""
        return self._request([self._call() for _ in range(count)])

    def nested(self) -> tuple[Told, Told]:
        """A call as a wrapper tells it, and as the SDK within does."""
        chance = self._chance
        trace, outer, inner = self._ids(), self._span_id(), self._span_id()
        seconds, tokens = self._seconds(), self._usage()
        fact = Fact("call", outer.hex(), trace, "ok", seconds, tokens)
        knows = chance.random() < 0.5
        above = _Span(trace, outer, b"", self._attrs(tokens if knows else None), seconds, fact)
        if not knows:
            above = _Span(trace, outer, b"", above.attrs, seconds, _without_usage(fact))
        within = _Span(trace, inner, outer, {**above.attrs, **_usage(tokens)}, seconds, fact)
        self._judged.append((trace, inner))
        return self._request([above]), self._request([within])

    def _calls(self) -> Told:
        return self.calls(self._chance.randrange(1, 5))

    def _nested(self) -> Told:
        """One half now, the other one when it comes."""
        halves = list(self.nested())
        self._chance.shuffle(halves)
        self._held.append(halves[0])
        return halves[1]

    def _run(self) -> Told:
        """An agent with a call and a tool, in one request."""
        trace, agent = self._ids(), self._span_id()
        seconds = self._seconds()
        outer = _Span(
            trace, agent, b"",
            {"gen_ai.operation.name": "invoke_agent", "gen_ai.agent.name": "helper"},
            4 * seconds, Fact("agent", agent.hex(), trace, "ok", 4 * seconds),
        )  # fmt: skip
        tool = self._span_id()
        failed = self._chance.random() < 0.3
        attrs = {"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": "search"}
        used = _Span(
            trace, tool, agent, attrs | ({"error.type": "timeout"} if failed else {}), seconds,
            Fact("tool", tool.hex(), trace, "error" if failed else "ok", seconds),
        )  # fmt: skip
        return self._request([outer, used, self._call(trace, agent)])

    def _judgement(self) -> Told:
        """A verdict or rating, of a call that may be known or not."""
        chance = self._chance
        unseen = (self._ids(), self._span_id())
        # Each call once: the same said twice of one call is one verdict.
        judged = self._judged
        trace, span = judged.pop(chance.randrange(len(judged))) if judged else unseen
        number = f"{self._name}-{self._tick()}"
        verdict, rating = chance.choice(("pass", "fail")), chance.choice(("positive", "negative"))
        about = {"trace_id": trace.hex(), "span_id": span.hex(), "service": self._name}
        kind = chance.randrange(3)
        if kind == 0:
            # Ratings with ids of their own are as many, of one call too.
            self._judged.append((trace, span))
            document = {"id": number, "rating": rating, **about}
            fact = Fact("rating", number, trace, rating)
            return Told("/v1/feedback", json.dumps(document).encode(), (fact,), 1, 0)
        fact = Fact("verdict", number, trace, verdict)
        if kind == 1:
            document = {"id": number, "judge": "grounded", "verdict": verdict, **about}
            return Told("/v1/verdicts", json.dumps(document).encode(), (fact,), 1, 0)
        return self._log(trace, span, verdict, fact)

    def _log(self, trace: bytes, span: bytes, verdict: str, fact: Fact) -> Told:
        message = ExportLogsServiceRequest()
        group = message.resource_logs.add()
        _write(group.resource.attributes, {"service.name": self._name})
        scoped = group.scope_logs.add()
        scoped.scope.name = "test"
        record = scoped.log_records.add(
            time_unix_nano=START_NS, trace_id=trace, span_id=span,
            event_name="gen_ai.evaluation.result",
        )  # fmt: skip
        told = {"gen_ai.evaluation.name": "grounded", "gen_ai.evaluation.score.label": verdict}
        _write(record.attributes, told)
        return Told("logs", message.SerializeToString(), (fact,), 1, 0)

    def _call(self, trace: bytes = b"", parent: bytes = b"") -> _Span:
        trace, span = trace or self._ids(), self._span_id()
        seconds = self._seconds()
        if self._chance.random() < 0.1:
            attrs = {**self._attrs(None), "error.type": "429"}
            fact = Fact("call", span.hex(), trace, "error", seconds)
        else:
            tokens = self._usage()
            attrs = self._attrs(tokens)
            fact = Fact("call", span.hex(), trace, "ok", seconds, tokens)
        self._judged.append((trace, span))
        return _Span(trace, span, parent, attrs, seconds, fact)

    def _attrs(self, tokens: tuple[int, int] | None) -> dict[str, Any]:
        chance = self._chance
        model = f"model-{chance.randrange(self._models)}"
        return {
            "gen_ai.operation.name": "chat",
            "gen_ai.provider.name": "acme",
            "gen_ai.request.model": model,
            "gen_ai.response.model": model,
            **{label: f"{label}-{chance.randrange(4)}" for label in LABELS},
            **(_usage(tokens) if tokens else {}),
        }

    def _request(self, spans: list[_Span]) -> Told:
        message = ExportTraceServiceRequest()
        group = message.resource_spans.add()
        _write(group.resource.attributes, {"service.name": self._name})
        scoped = group.scope_spans.add()
        scoped.scope.name = "test"
        for span in spans:
            start_ns = START_NS + int.from_bytes(span.trace[8:], "big") * _APART_NS % (10**15)
            added = scoped.spans.add(
                trace_id=span.trace, span_id=span.span, parent_span_id=span.parent, name="x",
                kind=3, start_time_unix_nano=start_ns,
                end_time_unix_nano=start_ns + int(span.seconds * 1e9),
            )  # fmt: skip
            _write(added.attributes, span.attrs)
            if span.fact.value == "error":
                added.status.code = 2  # type: ignore[assignment]
        tokens = sum(n for s in spans for k, n in s.attrs.items() if k.startswith("gen_ai.usage."))
        body = message.SerializeToString()
        return Told("traces", body, tuple(span.fact for span in spans), len(spans), tokens)

    def _tick(self) -> int:
        self._number += 1
        return self._number

    def _ids(self) -> bytes:
        own = self._chance.getrandbits(64).to_bytes(8, "big")
        return own + self._tick().to_bytes(8, "big")

    def _span_id(self) -> bytes:
        return self._chance.getrandbits(64).to_bytes(8, "big")

    def _seconds(self) -> float:
        return self._chance.randrange(1, 64) / 8

    def _usage(self) -> tuple[int, int]:
        return self._chance.randrange(1, 5_000), self._chance.randrange(1, 900)


@dataclass(frozen=True, slots=True)
class _Span:
    trace: bytes
    span: bytes
    parent: bytes
    attrs: dict[str, Any]
    seconds: float
    fact: Fact


def _usage(tokens: tuple[int, int]) -> dict[str, int]:
    return {"gen_ai.usage.input_tokens": tokens[0], "gen_ai.usage.output_tokens": tokens[1]}


def _without_usage(fact: Fact) -> Fact:
    return Fact(fact.kind, fact.key, fact.trace, fact.value, fact.seconds)


def _write(at: Any, attrs: Mapping[str, Any]) -> None:
    for key, value in attrs.items():
        at.add(key=key).value.CopyFrom(any_value(value))


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


class Door:
    """Requests into a core in this process, scores by their routes as over HTTP."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self._receiver = HttpReceiver(core.intake)
        self._app = ScoresApp(self._receiver, core.intake)

    def close(self) -> None:
        """End the worker thread."""
        self._receiver.close()

    def send(self, told: Told) -> bool:
        """Whether the request is acknowledged; False: it is to be sent again.

        Raises: ExporterError where it is refused for good.
        """
        if told.signal in ("traces", "logs"):
            try:
                self._core.intake.export(told.signal, "protobuf", told.body, "otlp_http")
            except Overloaded:
                return False
            return True
        status = self.post(told.signal, told.body)
        if status not in (200, 503):
            raise ExporterError(f"answered {status}")
        return status == 200

    def post(self, path: str, body: bytes, media_type: str = "application/json") -> int:
        """The status that a body at a path is answered with."""
        return asyncio.run(self._posted(path, body, media_type))

    async def _posted(self, path: str, body: bytes, media_type: str) -> int:
        statuses: list[int] = []

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": body, "more_body": False}

        async def send(message: Any) -> None:
            if message["type"] == "http.response.start":
                statuses.append(message["status"])

        scope = {
            "type": "http", "method": "POST", "path": path, "query_string": b"",
            "headers": [(b"content-type", media_type.encode())],
        }  # fmt: skip
        await self._app(scope, receive, send)
        (status,) = statuses
        return status


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


COUNTED = [family.name for family in FAMILIES if family.name.startswith(RISING)]
"""Families that are looked at: parsing a whole page takes far longer than making it."""


def page(core: Core) -> Samples:
    """What a core shows of what it counted."""
    return Samples(core.exposition.render("", COUNTED).body.decode())
