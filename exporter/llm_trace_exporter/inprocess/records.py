"""Spans and log records of the OpenTelemetry SDK to those that OTLP is decoded to, without OTLP.

What comes out is what would have been decoded of what the SDK's OTLP exporter sends: what cannot be
sent is left out, and text that is not Unicode is read with a question mark in its place.

Source: opentelemetry-sdk 1.45, `sdk/trace`, `sdk/_logs`; its OTLP encoders.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from hashlib import blake2b
from typing import Any, Generic, TypeVar

from opentelemetry.sdk._logs import ReadableLogRecord, ReadWriteLogRecord
from opentelemetry.sdk.resources import Resource as SdkResource
from opentelemetry.sdk.trace import Event, ReadableSpan
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import SpanKind

from ..errors import RejectedRecord
from ..otlp.attributes import KeyFilter
from ..otlp.decode import (
    BAD_TIME,
    BAD_TRACE_ID,
    MAX_BODY_CHARS,
    MAX_NS,
    MESSAGE_LENGTH,
    NAME_LENGTH,
    NO_START_TIME,
)
from ..otlp.limits import MAX_DEPTH
from ..otlp.records import Attributes, RawEvent, RawLog, RawSpan, Resource, Scope, Value
from ..remembered import Remembered

SdkLog = ReadableLogRecord | ReadWriteLogRecord

_KINDS = {
    SpanKind.INTERNAL: 1,
    SpanKind.SERVER: 2,
    SpanKind.CLIENT: 3,
    SpanKind.PRODUCER: 4,
    SpanKind.CONSUMER: 5,
}
"""SDK -> OTLP number."""

_LAYOUTS, _SENDERS = 4_096, 1_024
_LAYOUT_KEYS = 512
_NO_SCOPE = Scope()

_T = TypeVar("_T")
_R = TypeVar("_R")


class _Once(Generic[_T, _R]):
    """What is made of objects that many records share, made once; bounded.

    They are known by identity: the SDK's resources hash by all that they say, each time.
    """

    def __init__(self, make: Callable[[_T], _R]) -> None:
        self._make = make
        self._made: Remembered[int, tuple[_T, _R]] = Remembered(_SENDERS)

    def of(self, shared: _T) -> _R:
        known = self._made.get(id(shared))
        if known is not None and known[0] is shared:
            return known[1]
        made = self._make(shared)
        self._made.keep(id(shared), (shared, made))
        return made


class Reader:
    """Reads what the dialects want of the SDK's records; on one thread at a time."""

    def __init__(self, span_keys: KeyFilter, log_keys: KeyFilter) -> None:
        """Read these keys of spans, and of log records."""
        self._on_spans, self._on_logs = _Attributes(span_keys), _Attributes(log_keys)
        self._resources = _Once[SdkResource, Resource](
            lambda shared: Resource(self._on_spans.read(shared.attributes))
        )
        self._log_resources = _Once[SdkResource, Resource](
            lambda shared: Resource(self._on_logs.read(shared.attributes))
        )
        self._scopes = _Once[InstrumentationScope, Scope](
            lambda shared: _scope(shared, self._on_spans)
        )
        self._log_scopes = _Once[InstrumentationScope, Scope](
            lambda shared: _scope(shared, self._on_logs)
        )

    def span(self, span: ReadableSpan) -> RawSpan:
        """One span that has ended.

        Raises: RejectedRecord where it has no identity, or no time that can be true.
        """
        context, parent, scope = span.context, span.parent, span.instrumentation_scope
        if context is None or not context.is_valid:
            raise RejectedRecord(BAD_TRACE_ID)
        start_ns, end_ns, status = span.start_time, span.end_time or 0, span.status
        if not start_ns:
            raise RejectedRecord(NO_START_TIME)
        if start_ns > MAX_NS or end_ns > MAX_NS:
            raise RejectedRecord(BAD_TIME)
        state, message, events = context.trace_state, status.description, span.events
        return RawSpan(
            trace_id=context.trace_id.to_bytes(16, "big"),
            span_id=context.span_id.to_bytes(8, "big"),
            parent_span_id=parent.span_id.to_bytes(8, "big") if parent and parent.span_id else b"",
            name=unicode_of(span.name[:NAME_LENGTH]),
            kind=_KINDS.get(span.kind, 0),
            start_ns=start_ns,
            end_ns=end_ns,
            status_code=status.status_code.value,
            status_message=unicode_of(message[:MESSAGE_LENGTH]) if message else "",
            trace_state=state.to_header()[:NAME_LENGTH] if state else "",
            attrs=self._on_spans.read(span.attributes or {}),
            events=tuple([self._event(event) for event in events]) if events else (),
            resource=self._resources.of(span.resource),
            scope=_NO_SCOPE if scope is None else self._scopes.of(scope),
        )

    def _event(self, event: Event) -> RawEvent:
        attrs = self._on_spans.read(event.attributes or {})
        return RawEvent(unicode_of(event.name[:NAME_LENGTH]), min(event.timestamp, MAX_NS), attrs)

    def log(self, emitted: SdkLog) -> RawLog:
        """One log record.

        Raises: RejectedRecord where its time cannot be true.
        """
        log, scope, resource = emitted.log_record, emitted.instrumentation_scope, emitted.resource
        time_ns = log.timestamp or log.observed_timestamp or 0
        if time_ns > MAX_NS:
            raise RejectedRecord(BAD_TIME)
        severity, body, attrs = log.severity_number, log.body, log.attributes or {}
        is_name = isinstance(body, str) and len(body) <= MAX_BODY_CHARS
        return RawLog(
            time_ns=time_ns,
            trace_id=(log.trace_id or 0).to_bytes(16, "big") if log.trace_id else b"",
            span_id=(log.span_id or 0).to_bytes(8, "big") if log.span_id else b"",
            event_name=unicode_of((log.event_name or "")[:NAME_LENGTH]),
            severity=0 if severity is None else severity.value,
            body=unicode_of(str(body)) if is_name else "",
            attrs=self._on_logs.read(attrs),
            resource=Resource() if resource is None else self._log_resources.of(resource),
            scope=_NO_SCOPE if scope is None else self._log_scopes.of(scope),
            fingerprint=_fingerprint(emitted),
        )


class _Attributes:
    """Reads the wanted ones; which these are is remembered by the keys together."""

    def __init__(self, keys: KeyFilter) -> None:
        self._keep = keys.keep
        self._layouts: Remembered[tuple[str, ...], tuple[str, ...]] = Remembered(_LAYOUTS)

    def read(self, attributes: Mapping[str, Any]) -> Attributes:
        keys = tuple(attributes)
        wanted = self._layouts.get(keys)
        if wanted is None:
            wanted = tuple([key for key in keys if self._keep(key)])
            if len(keys) <= _LAYOUT_KEYS:
                self._layouts.keep(keys, wanted)
        found: Attributes = {}
        for key in wanted:
            value = attributes[key]
            kind = type(value)
            if kind is str and value.isascii():
                found[key] = value
            elif _can_be_sent(value):
                found[key] = _value(value)
        return found


def _scope(scope: InstrumentationScope, keys: _Attributes) -> Scope:
    return Scope(
        unicode_of((scope.name or "")[:NAME_LENGTH]),
        unicode_of((scope.version or "")[:NAME_LENGTH]),
        keys.read(scope.attributes or {}),
    )


def unicode_of(text: str) -> str:
    """Text with a question mark in place of what is not Unicode."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode()


def _can_be_sent(value: Any) -> bool:
    """Whether the SDK's encoder takes it: integers have 64 bits there, in lists, too."""
    if isinstance(value, int):
        return -(2**63) <= value <= MAX_NS
    if isinstance(value, (str, bytes)):
        return True
    if isinstance(value, Mapping):
        return all(map(_can_be_sent, value.values()))
    return not isinstance(value, Sequence) or all(map(_can_be_sent, value))


def _value(value: Any, depth: int = 0) -> Value:
    if isinstance(value, str):
        return unicode_of(str(value))
    if isinstance(value, (bool, int, float, bytes)) or value is None:
        return value
    if depth >= MAX_DEPTH:
        return None
    if isinstance(value, Mapping):
        return {unicode_of(str(key)): _value(each, depth + 1) for key, each in value.items()}
    if isinstance(value, Sequence):
        return [_value(each, depth + 1) for each in value]
    return None


def _fingerprint(emitted: SdkLog) -> bytes:
    """16 bytes over all that it says."""
    log, scope, resource = emitted.log_record, emitted.instrumentation_scope, emitted.resource
    said = (
        log.timestamp, log.observed_timestamp, log.trace_id, log.span_id, log.event_name,
        log.severity_number, log.body, dict(log.attributes or {}),
        scope and scope.name, resource and dict(resource.attributes),
    )  # fmt: skip
    return blake2b(repr(said).encode("utf-8", "surrogatepass"), digest_size=16).digest()
