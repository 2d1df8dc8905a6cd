"""Answers to typed rows: what nobody reads is dropped while parsing, texts above all."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from hashlib import blake2b
from typing import Annotated, Any, Generic, TypeVar

import msgspec

from .errors import SourceError
from .mending import mended

_T = TypeVar("_T")
_R = TypeVar("_R")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_UNREADABLE = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
_ODD = (*_UNREADABLE, ValueError, ArithmeticError, LookupError, TypeError, AttributeError)
_MAX_NS = (1 << 63) - 1
NOTHING = msgspec.Raw(b"null")
Nanoseconds = Annotated[int, msgspec.Meta(ge=0, le=_MAX_NS)]
"""Unix nanoseconds, up to 2262."""


class Row(msgspec.Struct):
    """What a store writes; with a time that is none, as of the year 9999, it is no row."""

    def __post_init__(self) -> None:
        for name in self.__struct_fields__:
            value = getattr(self, name)
            if isinstance(value, datetime):
                unix_ns(value)


def each(convert: Callable[[_T], _R], rows: Iterable[_T]) -> tuple[list[_R], int]:
    """(what comes of the rows, how many nothing can be made of): none takes another along."""
    found: list[_R] = []
    odd = 0
    for row in rows:
        try:
            found.append(convert(row))
        except _ODD:
            odd += 1
    return found, odd


class Rows(Generic[_T]):
    """The rows of an answer's list, and one more member: where it goes on."""

    def __init__(
        self, row: type[_T], member: str, after: str = "", *, may_lack: bool = False
    ) -> None:
        """Rows are of type `row`, below `member`; `after` is the other member's name.

        Without a member the answer is the list itself. Whether a list without rows `may_lack`:
        from others an answer without it, as a message, is none, and proves nothing.
        """
        kinds: tuple[Any, Any] = (list.__class_getitem__(row), list[msgspec.Raw])
        none: tuple[Any, ...] = (msgspec.field(default_factory=list),) if may_lack else ()
        fields: list[Any]
        raw: list[Any]
        fields, raw = ([("rows", kind, *none)] for kind in kinds)
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
        except msgspec.ValidationError:
            pass
        except (msgspec.DecodeError, RecursionError):
            body = mended(body)
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


def list_of(lines: Iterable[bytes]) -> bytes:
    """One JSON list of a stream of JSON lines."""
    return b"[" + b",".join(lines) + b"]"


def lines_of(body: bytes) -> list[bytes]:
    """The lines of a stream that hold something."""
    return [line for line in body.split(b"\n") if line.strip()]


def unix_ns(moment: datetime | None) -> int:
    """Unix nanoseconds; without a zone it is UTC; 0: none.

    Raises: ValueError where 64 bits do not hold it, before 1970 and from 2262 on.
    """
    if moment is None:
        return 0
    aware = moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
    ns = (aware - _EPOCH) // _MICROSECOND * 1000
    if not 0 <= ns <= _MAX_NS:
        raise ValueError("time: allowed: 1970 to 2262")
    return ns


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
