"""Spans and log records as tests write them, and the requests that carry them."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from google.protobuf import json_format
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Status

from tests.spans import CHAT, START_NS, chat, span_id, trace_id

START_MS = START_NS // 1_000_000


@dataclass(frozen=True, slots=True)
class Span:
    """A span; times are milliseconds after START_MS."""

    attrs: Mapping[str, Any]
    name: str = "chat"
    start_ms: int = 0
    end_ms: int = 1000
    parent: int | None = None
    """Index of its parent among the spans it is sent with; without one it is a root."""
    error: str | None = None
    """Message of the error status; None where the status is unset."""
    events: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """Attributes by event name."""


@dataclass(frozen=True, slots=True)
class Log:
    """A log record."""

    attrs: Mapping[str, Any]
    event: str = ""
    body: Any = ""


def traces(*spans: Span, service: str = "shop", scope: str = "test", **resource: Any) -> bytes:
    """A protobuf request; `__` in a resource attribute's keyword stands for a dot."""
    message = ExportTraceServiceRequest()
    group = message.resource_spans.add()
    _attributes(group.resource.attributes, _resource(service, resource))
    scoped = group.scope_spans.add()
    scoped.scope.name = scope
    ids = [(trace_id(), span_id()) for _ in spans]
    for number, span in enumerate(spans):
        root = number
        while (above := spans[root].parent) is not None:
            root = above
        added = scoped.spans.add(
            trace_id=ids[root][0],
            span_id=ids[number][1],
            parent_span_id=b"" if span.parent is None else ids[span.parent][1],
            name=span.name,
            kind=3,
            start_time_unix_nano=START_NS + span.start_ms * 1_000_000,
            end_time_unix_nano=START_NS + span.end_ms * 1_000_000,
        )
        _attributes(added.attributes, span.attrs)
        if span.error is not None:
            added.status.code = Status.STATUS_CODE_ERROR
            added.status.message = span.error
        for name, attrs in span.events.items():
            event = added.events.add(name=name, time_unix_nano=START_NS)
            _attributes(event.attributes, attrs)
    return message.SerializeToString()


def logs(*records: Log, service: str = "shop", scope: str = "test", **resource: Any) -> bytes:
    """A protobuf request; `__` in a resource attribute's keyword stands for a dot."""
    message = ExportLogsServiceRequest()
    group = message.resource_logs.add()
    _attributes(group.resource.attributes, _resource(service, resource))
    scoped = group.scope_logs.add()
    scoped.scope.name = scope
    for record in records:
        added = scoped.log_records.add(
            time_unix_nano=START_NS,
            trace_id=trace_id(),
            span_id=span_id(),
            event_name=record.event,
        )
        added.body.CopyFrom(any_value(record.body))
        _attributes(added.attributes, record.attrs)
    return message.SerializeToString()


def call(tokens: tuple[int, int] | None = (10, 5), *, seconds: float = 1.0, **more: Any) -> Span:
    """One successful chat call; `__` in an attribute's keyword stands for a dot."""
    return Span(chat(tokens, **more), end_ms=round(seconds * 1000))


def failed_call(model: str, error_type: str = "429", message: str = "") -> Span:
    """One chat call that never got an answer."""
    attrs = {k: v for k, v in CHAT.items() if k != "gen_ai.response.model"}
    return Span(
        {**attrs, "gen_ai.request.model": model, "error.type": error_type},
        end_ms=200,
        error=message,
    )


def to_otlp_json(message: Any) -> bytes:
    """The message as OTLP/JSON by protobuf's own mapping, with its ids turned to hex."""

    def walk(node: Any) -> Any:
        if isinstance(node, list):
            return [walk(item) for item in node]
        if not isinstance(node, dict):
            return node
        return {
            name: base64.b64decode(value).hex().upper()
            if name in ("traceId", "spanId", "parentSpanId")
            else walk(value)
            for name, value in node.items()
        }

    return json.dumps(
        walk(json_format.MessageToDict(message, use_integers_for_enums=True))
    ).encode()


def any_value(value: Any) -> AnyValue:
    """A value as OTLP writes it."""
    match value:
        case bool():
            return AnyValue(bool_value=value)
        case int():
            return AnyValue(int_value=value)
        case float():
            return AnyValue(double_value=value)
        case bytes():
            return AnyValue(bytes_value=value)
        case Mapping():
            made = AnyValue()
            made.kvlist_value.SetInParent()
            _attributes(made.kvlist_value.values, value)
            return made
        case Sequence() if not isinstance(value, str):
            made = AnyValue()
            made.array_value.values.extend(any_value(item) for item in value)
            return made
        case _:
            return AnyValue(string_value=value)


def _resource(service: str, more: Mapping[str, Any]) -> dict[str, Any]:
    return {"service.name": service} | {k.replace("__", "."): v for k, v in more.items()}


def _attributes(at: Any, attrs: Mapping[str, Any]) -> None:
    for key, value in attrs.items():
        at.add(key=key).value.CopyFrom(any_value(value))
