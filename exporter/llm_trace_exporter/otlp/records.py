"""What decoding hands to the dialects: OTLP spans and log records as plain Python values.

Source: opentelemetry-proto 1.x, `trace.proto`, `logs.proto`, `common.proto`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from msgspec import Struct

Value: TypeAlias = "str | bool | int | float | bytes | list[Value] | dict[str, Value] | None"
"""An attribute value: AnyValue without its wrapper. Lists and dicts are not to be changed."""

Attributes = dict[str, Value]

SignalName = Literal["traces", "logs", "metrics"]
Encoding = Literal["protobuf", "json"]


@dataclass(slots=True, eq=False)
class Resource:
    """Who sent it; shared by every record of one ResourceSpans / ResourceLogs."""

    attrs: Attributes = field(default_factory=dict)
    memo: object = None
    """What a reader worked out from it, for the next of its records."""


@dataclass(slots=True, eq=False)
class Scope:
    """The instrumentation that wrote the record; shared by every record of one scope."""

    name: str = ""
    version: str = ""
    attrs: Attributes = field(default_factory=dict)


class RawEvent(Struct, eq=False, gc=False):
    """A span event."""

    name: str
    time_ns: int
    """Unix nanoseconds."""
    attrs: Attributes


SPAN_CLIENT = 3
"""OTLP SpanKind number of who asks another."""
STATUS_UNSET, STATUS_ERROR = 0, 2
"""OTLP StatusCode numbers."""


class RawSpan(Struct, eq=False, gc=False):
    """One span. `attrs` holds only keys that some dialect or dimension reads."""

    trace_id: bytes
    """16 bytes."""
    span_id: bytes
    """8 bytes."""
    parent_span_id: bytes
    """8 bytes, or empty for a root."""
    name: str
    kind: int
    """OTLP SpanKind number."""
    start_ns: int
    end_ns: int
    """0: it tells none. It may lie before the start."""
    status_code: int
    """0 unset, 1 ok, 2 error."""
    status_message: str
    trace_state: str
    attrs: Attributes
    events: tuple[RawEvent, ...]
    resource: Resource
    scope: Scope
    wire: bytes = b""
    """The span as it came, where texts may be asked for; not for keeping."""

    @property
    def has_end(self) -> bool:
        """Whether it tells an end that can be true."""
        return self.end_ns >= self.start_ns

    @property
    def ended_ns(self) -> int:
        """Its end; its start where it tells none that can be true."""
        return max(self.start_ns, self.end_ns)


class RawLog(Struct, eq=False, gc=False):
    """One log record. `attrs` holds only keys that some dialect or dimension reads."""

    time_ns: int
    """Unix nanoseconds: the record's time, else its observed time."""
    trace_id: bytes
    """16 bytes, or empty."""
    span_id: bytes
    """8 bytes, or empty."""
    event_name: str
    """The EventName field; empty where the emitter puts it into an attribute or the body."""
    severity: int
    """OTLP SeverityNumber."""
    body: str
    """The body when it is a short string (some emitters write the event name there), else empty."""
    attrs: Attributes
    resource: Resource
    scope: Scope
    fingerprint: bytes
    """16 bytes over resource, time and every attribute as sent: log records have no id."""
    content: Value = None
    """The whole body, of events whose bodies are wanted."""


@dataclass(slots=True)
class Batch:
    """One decoded request."""

    spans: list[RawSpan] = field(default_factory=list)
    logs: list[RawLog] = field(default_factory=list)
    rejected: list[str] = field(default_factory=list)
    """One fixed reason (no values from the record) for each record that could not be taken."""
