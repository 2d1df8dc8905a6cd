"""A seeded sender: requests, each with the facts that it tells, and the way into an engine.

How long a call takes is drawn from numbers that floats add exactly, in any order.
"""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from llm_trace_exporter.engine.engine import Engine
from llm_trace_exporter.errors import ExporterError, Overloaded
from llm_trace_exporter.metrics.catalogue import FAMILIES
from llm_trace_exporter.receivers.otlp_http import HttpReceiver
from llm_trace_exporter.receivers.scores import ScoresApp
from tests.e2e.wire import any_value
from tests.facts import Samples
from tests.ledger import PRICES, RISING, Fact, Told
from tests.spans import START_NS

LABELS = ("region", "tenant", "channel", "plan")
"""Attributes of every call that a configuration may make labels of."""
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


class Reporter:
    """Requests without end, from a seed; two reporters of different names share no id."""

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


class Door:
    """Requests into an engine in this process, scores by their routes as over HTTP."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._receiver = HttpReceiver(engine.ingester)
        self._app = ScoresApp(self._receiver, engine.ingester)

    def close(self) -> None:
        """End the worker thread."""
        self._receiver.close()

    def send(self, told: Told) -> bool:
        """Whether the request is acknowledged; False: it is to be sent again.

        Raises: ExporterError where it is refused for good.
        """
        if told.signal in ("traces", "logs"):
            try:
                self._engine.ingester.ingest_request(
                    told.signal, "protobuf", told.body, "otlp_http"
                )
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


COUNTED = [family.name for family in FAMILIES if family.name.startswith(RISING)]
"""Families that are looked at: parsing a whole page takes far longer than making it."""


def page(engine: Engine) -> Samples:
    """What an engine shows of what it counted."""
    return Samples(engine.exposition.render("", COUNTED).body.decode())
