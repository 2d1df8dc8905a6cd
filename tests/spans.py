"""Raw spans and log records as tests write them."""

from __future__ import annotations

import itertools
from typing import Any

from llm_trace_exporter.dialects import Context, RecordParser
from llm_trace_exporter.model import LlmCall, ParsedRecord
from llm_trace_exporter.otlp.records import RawEvent, RawLog, RawSpan, Resource, Scope

START_NS = 1_790_000_000_000_000_000
_ids = itertools.count(1)


def read_span(span: RawSpan, context: Context) -> ParsedRecord:
    """What one span says under a configuration."""
    return RecordParser(context).span(span)


def read_log(log: RawLog, context: Context) -> ParsedRecord:
    """What one log record says under a configuration."""
    return RecordParser(context).log(log)


def span_id() -> bytes:
    """A span id that no other test has."""
    return next(_ids).to_bytes(8, "big")


def trace_id() -> bytes:
    """A trace id that no other test has."""
    return next(_ids).to_bytes(16, "big")


def raw_span(
    attrs: dict[str, Any],
    *,
    scope: str = "test",
    name: str = "span",
    trace: bytes | None = None,
    parent: bytes = b"",
    start_s: float = 0.0,
    duration_s: float = 1.0,
    status: int = 0,
    message: str = "",
    trace_state: str = "",
    events: tuple[RawEvent, ...] = (),
    service: str = "shop",
) -> RawSpan:
    """A span with the usual surroundings."""
    start_ns = START_NS + int(start_s * 1e9)
    return RawSpan(
        trace_id=trace or trace_id(),
        span_id=span_id(),
        parent_span_id=parent,
        name=name,
        kind=3,
        start_ns=start_ns,
        end_ns=start_ns + int(duration_s * 1e9),
        status_code=status,
        status_message=message,
        trace_state=trace_state,
        attrs=attrs,
        events=events,
        resource=Resource({"service.name": service}),
        scope=Scope(scope),
    )


def raw_log(
    attrs: dict[str, Any],
    *,
    scope: str = "test",
    event: str = "",
    body: str = "",
    trace: bytes = b"",
    span: bytes = b"",
    at_s: float = 1.0,
    service: str = "shop",
) -> RawLog:
    """A log record with the usual surroundings."""
    return RawLog(
        time_ns=START_NS + int(at_s * 1e9),
        trace_id=trace,
        span_id=span,
        event_name=event,
        severity=9,
        body=body,
        attrs=attrs,
        resource=Resource({"service.name": service}),
        scope=Scope(scope),
        fingerprint=trace_id(),
    )


def event(name: str, at_s: float = 0.0, **attrs: Any) -> RawEvent:
    """A span event; `__` in a keyword stands for a dot."""
    return RawEvent(
        name, START_NS + int(at_s * 1e9), {k.replace("__", "."): v for k, v in attrs.items()}
    )


CHAT = {
    "gen_ai.operation.name": "chat",
    "gen_ai.provider.name": "openai",
    "gen_ai.request.model": "gpt-4o",
    "gen_ai.response.model": "gpt-4o-2024-08-06",
}


def chat(tokens: tuple[int, int] | None = (10, 5), **more: Any) -> dict[str, Any]:
    """Attributes of an OTel chat span; `__` in a keyword stands for a dot."""
    attrs: dict[str, Any] = dict(CHAT)
    if tokens is not None:
        attrs["gen_ai.usage.input_tokens"], attrs["gen_ai.usage.output_tokens"] = tokens
    return attrs | {k.replace("__", "."): v for k, v in more.items()}


def call_of(reading: ParsedRecord) -> LlmCall:
    """The one call of a parsed record."""
    (call,) = [r for r in reading.records if isinstance(r, LlmCall)]
    return call
