"""OTLP/JSON requests, member by member, to the protobuf bytes that say the same.

There is one reading of OTLP, the one of protobuf; JSON is brought to it. What is written follows
the message descriptors of opentelemetry-proto, what of it must be right those of `wire`: a
malformed member is the fault of its record, or of its container, and of no other; one that nobody
reads is nobody's.

Source: OTLP 1.10, "JSON Protobuf Encoding", and the proto3 JSON mapping it refers to: ids are hex
in either case, 64-bit integers numbers or strings, enums numbers (names are taken too), bytes
base64 in either alphabet, null is absent, unknown and snake_case names are ignored.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import msgspec
from google.protobuf.descriptor import Descriptor
from msgspec import Raw
from opentelemetry.proto.common.v1.common_pb2 import InstrumentationScope
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from . import wire
from .attributes import KeyFilter, parse
from .json_messages import fields_of, sized, written
from .json_text import Malformed, bounded, document, items_of, members_of, type_of, value_of
from .records import SignalName

Scopes = Iterator[tuple[Any, bytes, str, Iterable[bytes]]]
"""`wire.ScopeGroup`, what it was parsed from, its path, and its records, serialised."""
Groups = Iterator[tuple[Any, bytes, str, Scopes]]
"""`wire.Group`, what it was parsed from, its path, and its scopes."""

_MAX_TEXTS = 100
_NULL = Raw(b"null")


class _Level:
    """Objects that hold one member and a list of parts, and what else nobody asks for."""

    def __init__(self, head: str, parts: str) -> None:
        self.parts = parts
        self._head = head
        fields = [("head", Raw, _NULL), ("parts", list[Raw] | None, None)]
        kind = msgspec.defstruct("Level", fields, rename={"head": head, "parts": parts})
        self._read: Any = msgspec.json.Decoder(kind).decode

    def split(self, part: bytes | Raw) -> tuple[Raw, list[Raw]]:
        """The one member and the parts of an object, unread.

        Raises: Malformed where it is no object or the parts are no list.
        """
        try:
            found = self._read(part)
        except (ValueError, RecursionError):
            pass
        else:
            return found.head, found.parts or []
        members = members_of(part)
        parts = members.get(self.parts, _NULL)
        if type_of(parts) == "null":
            return members.get(self._head, _NULL), []
        try:
            return members.get(self._head, _NULL), items_of(parts)
        except Malformed as wrong:
            raise wrong.within(self.parts) from None


@dataclass(frozen=True, slots=True)
class Outline:
    """Where the records of a signal are."""

    request: _Level
    group: _Level
    scope: _Level
    record: Descriptor


OUTLINES: dict[SignalName, Outline] = {
    "traces": Outline(
        _Level("", "resourceSpans"),
        _Level("resource", "scopeSpans"),
        _Level("scope", "spans"),
        Span.DESCRIPTOR,
    ),
    "logs": Outline(
        _Level("", "resourceLogs"),
        _Level("resource", "scopeLogs"),
        _Level("scope", "logRecords"),
        LogRecord.DESCRIPTOR,
    ),
}


def groups_of(signal: SignalName, body: bytes, keep: KeyFilter, rejected: list[str]) -> Groups:
    """The groups of an Export...ServiceRequest in JSON, each converted when it is asked for.

    Args:
        signal: What kind of request it is.
        body: The document.
        keep: Which attributes are read: the values of others may be malformed.
        rejected: Is told of each record that cannot be taken, with the path of the member, what
            was found and what is allowed; once of a container whose records cannot be told.

    Raises: DecodeError where `body` is not such a request.
    """
    outline = OUTLINES[signal]
    body = bounded(body)
    try:
        _, groups = outline.request.split(body)
    except (Malformed, RecursionError):
        _, groups = outline.request.split(document(body))
    for at, raw in enumerate(groups):
        where = f"{outline.request.parts}[{at}]"
        try:
            resource, scopes = outline.group.split(raw)
        except Malformed as wrong:
            _reject(rejected, wrong, where)
            continue
        try:
            head = _member("resource", resource, Resource.DESCRIPTOR, keep)
        except Malformed as wrong:
            _reject(rejected, wrong, where, _number_of_records(scopes, outline))
            continue
        inner = _scopes(scopes, where, outline, keep, rejected)
        yield parse(wire.Group, head), head, where, inner


def _scopes(
    scopes: list[Raw], within: str, outline: Outline, keep: KeyFilter, rejected: list[str]
) -> Scopes:
    for at, raw in enumerate(scopes):
        where = f"{within}.{outline.group.parts}[{at}]"
        try:
            scope, records = outline.scope.split(raw)
        except Malformed as wrong:
            _reject(rejected, wrong, where)
            continue
        try:
            head = _member("scope", scope, InstrumentationScope.DESCRIPTOR, keep)
        except Malformed as wrong:
            _reject(rejected, wrong, where, len(records))
            continue
        read = records_of(records, f"{where}.{outline.scope.parts}", outline, keep, rejected)
        yield parse(wire.ScopeGroup, head), head, where, read


def records_of(
    records: Iterable[bytes | Raw],
    within: str,
    outline: Outline,
    keep: KeyFilter,
    rejected: list[str],
    first: int = 0,
) -> Iterator[bytes]:
    """The records of a scope, serialised; `first` is the place of the first among all of them."""
    fields = fields_of(outline.record)
    for at, raw in enumerate(records, first):
        try:
            record = written(fields, value_of(raw), 0, keep)
        except Malformed as wrong:
            _reject(rejected, wrong, f"{within}[{at}]")
        else:
            yield record


def _member(name: str, raw: Raw, kind: Descriptor, keep: KeyFilter) -> bytes:
    """A member that is a message, as field 1 of what is around it."""
    try:
        value = value_of(raw)
        if value is None:
            return b""
        return sized(b"\x0a", written(fields_of(kind), value, 0, keep))
    except Malformed as wrong:
        raise wrong.within(name) from None


def _number_of_records(scopes: list[Raw], outline: Outline) -> int:
    """How many records there are, one for each scope where they cannot be told."""
    number = 0
    for raw in scopes:
        try:
            number += len(outline.scope.split(raw)[1])
        except Malformed:
            number += 1
    return number


def _reject(rejected: list[str], wrong: Malformed, where: str, times: int = 1) -> None:
    rejected += [rejection(rejected, str(wrong.within(where)))] * times


def rejection(rejected: list[str], text: str) -> str:
    """What is added to `rejected`: of very many texts of their own, the first are enough."""
    return text if len(rejected) < _MAX_TEXTS else "a malformed member"
