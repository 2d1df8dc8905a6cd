"""OTLP trace and log requests to spans and log records.

Source: opentelemetry-proto 1.x, `trace.proto`, `logs.proto`; docs/specification.md, OTLP 1.10.

What is not read is not validated. What is, is each record's own: a malformed member rejects its
record, or the records of its resource, scope or container, and no other; only a request that has
no groups to be found, or too many parts, is refused whole. Text that is not UTF-8 is read with
U+FFFD in place of the wrong bytes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from hashlib import blake2b
from typing import Any, TypeVar

from google.protobuf.message import DecodeError as ProtobufError

from ..errors import DecodeError, RejectedRecord
from . import wire
from .attributes import Damaged, KeyFilter, parse, read_value, text
from .from_json import OUTLINES, Groups, Outline, Scopes, groups_of, rejection
from .from_native import Odd, Part, parts_of
from .limits import MAX_PARTS
from .records import (
    Attributes,
    Batch,
    Encoding,
    RawEvent,
    RawLog,
    RawSpan,
    Resource,
    Scope,
    SignalName,
)

__all__ = [
    "MAX_PARTS",
    "KeyFilter",
    "decode_logs",
    "decode_logs_json",
    "decode_traces",
    "decode_traces_json",
    "logs_of",
    "spans_of",
]

MAX_BODY_CHARS = 200
"""A log body that is longer is a text, not the name of an event."""

# Of names and status messages only the start tells anything; the rest may be anything.
NAME_LENGTH = 1_024
MESSAGE_LENGTH = 4_096
MAX_NS = 2**63 - 1
_PART_BYTES = 2  # a tag and a length, at least
_NO_TRACE_ID = bytes(16)
_NO_SPAN_ID = bytes(8)
_parse_span = wire.Span.FromString
_R = TypeVar("_R", RawSpan, RawLog)

BAD_TRACE_ID = "invalid trace id"
BAD_SPAN_ID = "invalid span id"
BAD_PARENT_ID = "invalid parent span id"
NO_START_TIME = "missing start time"
BAD_TIME = "time beyond the year 2262"


def spans_of(
    body: bytes, keep: KeyFilter, rejected: list[str], encoding: Encoding = "protobuf"
) -> Iterator[RawSpan]:
    """The spans of an ExportTraceServiceRequest, one by one.

    Whoever lets go of each before taking the next keeps to memory that is still in the
    processor's caches. A span that is malformed, or has an impossible id or time, is left out and
    the reason added to `rejected`. An end before the start (clock skew) is kept as it is; a
    missing end is the start.

    Raises: DecodeError where `body` is not such a message or has more than MAX_PARTS parts.
    """
    return _records_of("traces", _span, body, keep, rejected, encoding)


def content_of(span: RawSpan, keep: KeyFilter) -> tuple[Attributes, list[tuple[str, Attributes]]]:
    """What another filter keeps of a span's attributes and, by name, of its events'.

    Nothing where a wanted value is no AnyValue: nobody can say what it says.
    """
    message, raw = _parse_span(span.wire), span.wire
    try:
        events = _events(message.events, keep, None)
        attrs = _attributes(message, raw, wire.Span, keep, None)
    except Damaged:
        return {}, []
    return attrs, [(event.name, event.attrs) for event in events if event.attrs]


def logs_of(
    body: bytes, keep: KeyFilter, rejected: list[str], encoding: Encoding = "protobuf"
) -> Iterator[RawLog]:
    """The records of an ExportLogsServiceRequest, one by one.

    An invalid trace or span id reads as none, as logs.proto asks. A record without any time has
    `time_ns` 0; the reason of one that cannot be taken is added to `rejected`.

    Raises: DecodeError where `body` is not such a message or has more than MAX_PARTS parts.
    """
    return _records_of("logs", _log, body, keep, rejected, encoding)


def decode_traces(body: bytes, keep: KeyFilter, encoding: Encoding = "protobuf") -> Batch:
    """`spans_of` a request, all at once."""
    batch = Batch()
    batch.spans.extend(spans_of(body, keep, batch.rejected, encoding))
    return batch


def decode_logs(body: bytes, keep: KeyFilter, encoding: Encoding = "protobuf") -> Batch:
    """`logs_of` a request, all at once."""
    batch = Batch()
    batch.logs.extend(logs_of(body, keep, batch.rejected, encoding))
    return batch


def decode_traces_json(body: bytes, keep: KeyFilter) -> Batch:
    """`decode_traces` for OTLP/JSON: the same content gives the same batch."""
    return decode_traces(body, keep, "json")


def decode_logs_json(body: bytes, keep: KeyFilter) -> Batch:
    """`decode_logs` for OTLP/JSON: the same content gives the same batch."""
    return decode_logs(body, keep, "json")


class _Budget:
    __slots__ = ("left",)

    def __init__(self, left: int) -> None:
        self.left = left

    def spend(self, parts: int) -> None:
        self.left -= parts
        if self.left < 0:
            raise DecodeError(f"more than {MAX_PARTS} parts in one request")

    def spending(self, records: Iterable[bytes]) -> Iterator[bytes]:
        for record in records:
            self.spend(1)
            yield record


_Read = Callable[[bytes, Resource, Scope, bytes, KeyFilter, _Budget | None], _R]
"""(serialised record, its resource, its scope, 32 bytes for these, ...) -> the record."""


def _records_of(
    signal: SignalName,
    read: _Read[_R],
    body: bytes,
    keep: KeyFilter,
    rejected: list[str],
    encoding: Encoding,
) -> Iterator[_R]:
    budget = _budget_for(body)
    found = keep.records_of(signal, body, encoding, MAX_PARTS)
    if found is None:
        scopes = _scopes(signal, encoding, body, keep, budget, rejected)
        return _taken(read, scopes, keep, budget, rejected)
    if not found.has_odd:
        return found
    budget = budget and _Budget(MAX_PARTS - found.parts)
    parts = partial(parts_of, signal, keep, rejected)
    return _in_turn(found, lambda odd: _taken(read, parts(odd), keep, budget, rejected))


def _in_turn(records: Iterable[_R | Odd], read: Callable[[Odd], Iterator[_R]]) -> Iterator[_R]:
    """Records of the native engine; what it hands back is read when its turn comes."""
    for record in records:
        if isinstance(record, tuple):
            yield from read(record)
        else:
            yield record


def _taken(
    read: _Read[_R],
    parts: Iterable[Part],
    keep: KeyFilter,
    budget: _Budget | None,
    rejected: list[str],
) -> Iterator[_R]:
    for resource, scope, records, where, identity, first in parts:
        for at, raw in enumerate(records, first):
            try:
                record = read(raw, resource, scope, identity, keep, budget)
            except RejectedRecord as found:
                rejected.append(found.reason)
            except Damaged as found:
                rejected.append(rejection(rejected, f"{where}[{at}]: {found}"))
            else:
                yield record


def _budget_for(body: bytes) -> _Budget | None:
    """What a request may spend; None where it is too small to spend it all."""
    return _Budget(MAX_PARTS) if len(body) > MAX_PARTS * _PART_BYTES else None


def _groups(body: bytes, signal: SignalName, rejected: list[str]) -> Groups:
    """What `groups_of` gives for JSON, of a request in protobuf."""
    outline = OUTLINES[signal]
    for at, raw in enumerate(parse(wire.Request, body).groups):
        where = f"{outline.request.parts}[{at}]"
        try:
            group = parse(wire.Group, raw)
        except Damaged as found:
            rejected.append(rejection(rejected, f"{where}: {found}"))
        else:
            yield group, raw, where, _scopes_in(group.scopes, where, outline, rejected)


def _scopes_in(raws: Any, within: str, outline: Outline, rejected: list[str]) -> Scopes:
    for at, raw in enumerate(raws):
        where = f"{within}.{outline.group.parts}[{at}]"
        try:
            scope = parse(wire.ScopeGroup, raw)
        except Damaged as found:
            rejected.append(rejection(rejected, f"{where}: {found}"))
        else:
            yield scope, raw, where, scope.records


def _scopes(
    signal: SignalName,
    encoding: Encoding,
    body: bytes,
    keep: KeyFilter,
    budget: _Budget | None,
    rejected: list[str],
) -> Iterator[Part]:
    if encoding == "json":
        groups = groups_of(signal, body, keep, rejected)
    else:
        groups = _groups(body, signal, rejected)
    for group, raw_group, within, scopes in groups:
        try:
            attrs = _attributes(group.resource, raw_group, wire.Group, keep, budget, "resource")
        except Damaged as found:
            reason = f"{within}.resource: {found}"
            rejected += [reason for _, _, _, records in scopes for _ in records]
            continue
        resource = Resource(attrs)
        identity = blake2b(group.resource.SerializeToString(), digest_size=32)
        for scope_group, raw_scope, where, records in scopes:
            sender = scope_group.scope
            try:
                attrs = _attributes(sender, raw_scope, wire.ScopeGroup, keep, budget, "scope")
            except Damaged as found:
                rejected += [f"{where}.scope: {found}" for _ in records]
                continue
            scope = Scope(
                text(sender.name[:NAME_LENGTH]), text(sender.version[:NAME_LENGTH]), attrs
            )
            named = identity.copy()
            named.update(sender.name)
            counted = records if budget is None else budget.spending(records)
            path = f"{where}.{OUTLINES[signal].scope.parts}"
            yield resource, scope, counted, path, named.digest(), 0
            if budget is not None:
                budget.spend(1)
        if budget is not None:
            budget.spend(1)


def _log(
    raw: bytes,
    resource: Resource,
    scope: Scope,
    identity: bytes,
    keep: KeyFilter,
    budget: _Budget | None,
) -> RawLog:
    log = parse(wire.Log, raw)
    time_ns = log.time_ns or log.observed_ns
    if time_ns > MAX_NS:
        raise RejectedRecord(BAD_TIME)
    attrs = _attributes(log, raw, wire.Log, keep, budget)
    event = text(log.event_name[:NAME_LENGTH])
    is_wanted = bool(keep.bodies) and (event or str(attrs.get("event.name"))) in keep.bodies
    return RawLog(
        time_ns=time_ns,
        trace_id=_id_or_none(log.trace_id, _NO_TRACE_ID),
        span_id=_id_or_none(log.span_id, _NO_SPAN_ID),
        event_name=event,
        severity=log.severity,
        body=_body(log.body),
        attrs=attrs,
        resource=resource,
        scope=scope,
        fingerprint=blake2b(raw, digest_size=16, key=identity).digest(),
        content=read_value(log.body) if is_wanted else None,
    )


def _span(
    raw: bytes,
    resource: Resource,
    scope: Scope,
    _: bytes,
    keep: KeyFilter,
    budget: _Budget | None,
) -> RawSpan:
    try:
        span = _parse_span(raw)
    except ProtobufError as error:
        raise Damaged from error
    events, status = span.events, span.status
    trace_id, span_id, parent_id = span.trace_id, span.span_id, span.parent_span_id
    start_ns, end_ns = span.start_ns, span.end_ns
    if len(trace_id) != 16 or trace_id == _NO_TRACE_ID:
        raise RejectedRecord(BAD_TRACE_ID)
    if len(span_id) != 8 or span_id == _NO_SPAN_ID:
        raise RejectedRecord(BAD_SPAN_ID)
    if parent_id:
        if len(parent_id) != 8:
            raise RejectedRecord(BAD_PARENT_ID)
        if parent_id == _NO_SPAN_ID:
            parent_id = b""
    if not start_ns:
        raise RejectedRecord(NO_START_TIME)
    if start_ns > MAX_NS or end_ns > MAX_NS:
        raise RejectedRecord(BAD_TIME)
    kind, code = span.kind, status.code
    message, state = status.message, span.trace_state
    return RawSpan(
        trace_id,
        span_id,
        parent_id,
        text(span.name[:NAME_LENGTH]),
        kind if 0 <= kind <= 5 else 0,
        start_ns,
        end_ns,
        code if 0 <= code <= 2 else 0,
        text(message[:MESSAGE_LENGTH]) if message else "",
        text(state[:NAME_LENGTH]) if state else "",
        _attributes(span, raw, wire.Span, keep, budget),
        _events(events, keep, budget) if events else (),
        resource,
        scope,
        raw if keep.keeps_wire else b"",
    )


def _events(parts: Any, keep: KeyFilter, budget: _Budget | None) -> tuple[RawEvent, ...]:
    if budget is not None:
        budget.spend(len(parts))
    return tuple([_event(raw, keep, budget) for raw in parts])


def _event(raw: bytes, keep: KeyFilter, budget: _Budget | None) -> RawEvent:
    event = parse(wire.Event, raw)
    return RawEvent(
        text(event.name[:NAME_LENGTH]),
        min(event.time_ns, MAX_NS),
        _attributes(event, raw, wire.Event, keep, budget),
    )


def _attributes(
    message: Any, raw: bytes, kind: Any, keep: KeyFilter, budget: _Budget | None, within: str = ""
) -> Attributes:
    """The kept attributes of a message that is `raw` itself, or its member `within`."""
    columns = message.attributes
    if budget is not None:
        budget.spend(len(columns.keys))
    found = keep.read(columns)
    if found is not None:
        return found
    whole = parse(wire.IN_PARTS[kind], raw)
    parts = (getattr(whole, within) if within else whole).attributes
    if budget is not None:
        budget.spend(len(parts))
    return keep.read_parts(parts)


def _id_or_none(value: bytes, zero: bytes) -> bytes:
    return value if len(value) == len(zero) and value != zero else b""


def _body(value: Any) -> str:
    # UTF-8 takes at most four bytes a character: longer texts are not even decoded.
    if value.WhichOneof("value") != "string_value":
        return ""
    raw = value.string_value
    if len(raw) > 4 * MAX_BODY_CHARS:
        return ""
    body = text(raw)
    return body if len(body) <= MAX_BODY_CHARS else ""
