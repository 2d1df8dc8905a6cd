"""Requests of the OpenTelemetry SDK for Python, back to the spans and records it sent them of."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

from opentelemetry._logs import LogRecord, SeverityNumber
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk._logs import ReadableLogRecord
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Event, ReadableSpan
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import (
    SpanContext,
    SpanKind,
    Status,
    StatusCode,
    TraceFlags,
    TraceState,
)

from llm_trace_exporter.otlp.files import FileRequest, iter_requests

CORPUS = Path(__file__).parents[1] / "corpus"
KINDS = (SpanKind.INTERNAL, SpanKind.INTERNAL, SpanKind.SERVER, SpanKind.CLIENT,
         SpanKind.PRODUCER, SpanKind.CONSUMER)  # fmt: skip
"""By OTLP number."""
_MESSAGES: dict[str, Any] = {
    "traces": ExportTraceServiceRequest,
    "logs": ExportLogsServiceRequest,
}
_SAMPLED = TraceFlags(TraceFlags.SAMPLED)


@cache
def requests(source: str) -> tuple[FileRequest, ...]:
    """The requests of a capture."""
    return tuple(iter_requests(CORPUS / source, lambda _: None))


def messages(source: str) -> Iterator[Any]:
    """The requests of a capture as protobuf messages."""
    for request in requests(source):
        if request.signal != "metrics":
            yield _MESSAGES[request.signal].FromString(request.body)


def is_protobuf(source: str) -> bool:
    """Whether a capture is told as the SDK for Python tells it."""
    encodings = {request.encoding for request in requests(source)}
    return encodings == {"protobuf"}


def groups(message: Any) -> Any:
    """Its ResourceSpans or ResourceLogs."""
    is_traces = isinstance(message, ExportTraceServiceRequest)
    return message.resource_spans if is_traces else message.resource_logs


def ended(source: str) -> Iterator[ReadableSpan | ReadableLogRecord]:
    """Spans and log records of a capture, in its order."""
    for message in messages(source):
        for group in groups(message):
            resource = Resource(attributes(group.resource.attributes))
            is_traces = isinstance(message, ExportTraceServiceRequest)
            for part in group.scope_spans if is_traces else group.scope_logs:
                scope = InstrumentationScope(
                    part.scope.name, part.scope.version, None, attributes(part.scope.attributes)
                )
                if is_traces:
                    yield from (_span(each, resource, scope) for each in part.spans)
                else:
                    yield from (_log(each, resource, scope) for each in part.log_records)


def attributes(pairs: Iterable[Any]) -> dict[str, Any]:
    """As the SDK holds them: sequences are tuples."""
    return {pair.key: _value(pair.value) for pair in pairs}


def _value(value: Any) -> Any:
    kind = value.WhichOneof("value")
    if kind == "array_value":
        return tuple(_value(each) for each in value.array_value.values)
    if kind == "kvlist_value":
        return attributes(value.kvlist_value.values)
    return None if kind is None else getattr(value, kind)


def _context(trace_id: bytes, span_id: bytes, state: str = "") -> SpanContext:
    return SpanContext(
        int.from_bytes(trace_id, "big"),
        int.from_bytes(span_id, "big"),
        is_remote=False,
        trace_flags=_SAMPLED,
        trace_state=TraceState.from_header([state]) if state else None,
    )


def _span(span: Any, resource: Resource, scope: InstrumentationScope) -> ReadableSpan:
    code = StatusCode(span.status.code)
    return ReadableSpan(
        name=span.name,
        context=_context(span.trace_id, span.span_id, span.trace_state),
        parent=_context(span.trace_id, span.parent_span_id) if span.parent_span_id else None,
        resource=resource,
        attributes=attributes(span.attributes),
        events=[
            Event(event.name, attributes(event.attributes), event.time_unix_nano)
            for event in span.events
        ],
        kind=KINDS[span.kind],
        status=Status(code, span.status.message if code is StatusCode.ERROR else None),
        start_time=span.start_time_unix_nano,
        end_time=span.end_time_unix_nano,
        instrumentation_scope=scope,
    )


def _log(log: Any, resource: Resource, scope: InstrumentationScope) -> ReadableLogRecord:
    record = LogRecord(
        timestamp=log.time_unix_nano or None,
        observed_timestamp=log.observed_time_unix_nano or None,
        severity_number=SeverityNumber(log.severity_number),
        body=_value(log.body),
        attributes=attributes(log.attributes),
        event_name=log.event_name or None,
    )
    record.trace_id = int.from_bytes(log.trace_id, "big")
    record.span_id = int.from_bytes(log.span_id, "big")
    return ReadableLogRecord(record, resource, scope)
