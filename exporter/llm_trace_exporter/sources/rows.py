"""Answers to typed rows: what nobody reads is dropped while parsing, texts above all."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from hashlib import blake2b
from typing import Any, Generic, TypeVar

import msgspec

from .errors import SourceError

_T = TypeVar("_T")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
# Without backtracking: what could be tried again is remembered, a hundred bytes for each.
_BARE = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"|-?\b(?:NaN|Infinity)\b', re.DOTALL)
_UNREADABLE = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
NOTHING = msgspec.Raw(b"null")


class Rows(Generic[_T]):
    """The rows of an answer's list, and one more member: where it goes on."""

    def __init__(self, row: type[_T], member: str, after: str = "") -> None:
        """Rows are of type `row`, below `member`; `after` is the other member's name.

        Without a member the answer is the list itself.
        """
        none: Any = msgspec.field(default_factory=list)
        kinds: tuple[Any, Any] = (list.__class_getitem__(row), list[msgspec.Raw])
        fields: list[tuple[str, Any, Any]]
        raw: list[tuple[str, Any, Any]]
        fields, raw = ([("rows", kind, none)] for kind in kinds)
        self._is_member = bool(member)
        names = {"rows": member or "rows"}
        if after:
            for told in (fields, raw):
                told.append(("after", Any, None))
            names["after"] = after
        self._whole: Any = msgspec.json.Decoder(msgspec.defstruct("Whole", fields, rename=names))
        self._parts: Any = msgspec.json.Decoder(msgspec.defstruct("Parts", raw, rename=names))
        self._row = msgspec.json.Decoder(row)

    def read(self, body: bytes) -> tuple[list[_T], Any, int]:
        """(rows, where it goes on, how many rows are none).

        Raises: SourceError where the answer is no such list.
        """
        if not self._is_member:
            body = b'{"rows":' + body + b"}"
        try:
            found = self._whole.decode(body)
        except (msgspec.ValidationError, RecursionError):
            pass
        except msgspec.DecodeError:
            body = without_nan(body)
        else:
            return found.rows, getattr(found, "after", None), 0
        try:
            parts = self._parts.decode(body)
        except _UNREADABLE as error:
            raise SourceError("the answer is not what this system writes") from error
        rows = [row for row in map(self._one, parts.rows) if row is not None]
        return rows, getattr(parts, "after", None), len(parts.rows) - len(rows)

    def _one(self, raw: msgspec.Raw) -> _T | None:
        try:
            return self._row.decode(raw)
        except _UNREADABLE:
            return None


def without_nan(body: bytes) -> bytes:
    """JSON whose bare NaN and infinities, which is none, are texts: scores that are none."""

    def quoted(found: re.Match[bytes]) -> bytes:
        return found[0] if found[0].startswith(b'"') else b'"NaN"'

    return _BARE.sub(quoted, body)


def unix_ns(moment: datetime | None) -> int:
    """Unix nanoseconds; without a zone it is UTC; 0: none."""
    if moment is None:
        return 0
    aware = moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
    return (aware - _EPOCH) // _MICROSECOND * 1000


def iso_of(ns: int) -> str:
    """ISO 8601 in UTC, to the millisecond, of Unix nanoseconds."""
    moment = _EPOCH + timedelta(milliseconds=ns // 1_000_000)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def print_of(parts: Iterable[str]) -> bytes:
    """Fingerprint of what identifies something, in 8 bytes."""
    return blake2b("\0".join(parts).encode("utf-8", "replace"), digest_size=8).digest()


def batched(ids: Sequence[str], size: int) -> Iterator[tuple[str, ...]]:
    """Ids, so many at a time."""
    for start in range(0, len(ids), size):
        yield tuple(ids[start : start + size])
