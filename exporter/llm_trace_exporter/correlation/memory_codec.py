"""How what is remembered is written down and read again: packed parts, each under a name.

Times in a part are those of the process that wrote it; whoever reads it says how far its own
clock is ahead of that one's. Values of dimensions belong to the labels that a part names.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple, TypeVar

import msgspec
from msgspec.structs import replace

from ..model import Feedback, LlmCall, ParsedRecord, Step, Subject, Verdict

Move = Callable[[tuple[str, ...]], tuple[str, ...]]
"""From values of the dimensions under some labels to values of those in force."""

ENTRIES_AT_ONCE = 1_000
"""Things in a part: what a damaged row takes along."""

_R = TypeVar("_R", bound=LlmCall | Step | Verdict | Feedback)
_T = TypeVar("_T")
_ENCODE = msgspec.msgpack.Encoder().encode


class UnreadablePart(ValueError):
    """A part that none of ours has written."""


class Part(NamedTuple):
    """One packed piece of a memory."""

    name: str
    entries: int
    """How many things are in it."""
    value: bytes
    is_stale: bool = False
    """A later part is lost: how things went on from here is not known."""


class Saved(NamedTuple):
    """What of a memory is to be written."""

    parts: tuple[Part, ...] = ()
    replaces: frozenset[str] = frozenset()
    """Names whose earlier parts are void."""
    max_entries: tuple[tuple[str, int], ...] = ()
    """(name, how many of its newest entries are of use)."""


def merged(saved: Iterable[Saved]) -> Saved:
    """Several memories as one."""
    all_of = list(saved)
    return Saved(
        tuple(part for one in all_of for part in one.parts),
        frozenset().union(*(one.replaces for one in all_of)),
        tuple(pair for one in all_of for pair in one.max_entries),
    )


def log_of(name: str, fresh: Sequence[Any], limit: int | None = None, *, is_all: bool) -> Saved:
    """What was added to a memory, or all of it.

    Args:
        name: The memory.
        fresh: What was added.
        limit: How many of its newest entries are of use; None: all.
        is_all: Whether that is all of it.
    """
    return Saved(
        parts_of(name, fresh),
        frozenset((name,)) if is_all else frozenset(),
        ((name, limit),) if limit is not None else (),
    )


def whole_of(name: str, every: Sequence[Any]) -> Saved:
    """All of a memory that is small or changes as a whole."""
    return Saved(parts_of(name, every), frozenset((name,)))


def log_by_subject(
    name: str, fresh: Sequence[tuple[Subject, _T]], limit: int, *, is_all: bool
) -> Saved:
    """What was added to a memory about subjects, each of which is written once a part.

    Args:
        name: The memory.
        fresh: (subject, the rest of what was added).
        limit: How many of its newest entries are of use.
        is_all: Whether that is all of it.
    """
    parts: list[Part] = []
    for start in range(0, len(fresh), ENTRIES_AT_ONCE):
        some = fresh[start : start + ENTRIES_AT_ONCE]
        number: dict[Subject, int] = {}
        rows = [(number.setdefault(subject, len(number)), rest) for subject, rest in some]
        parts.append(Part(name, len(some), _ENCODE((list(number), rows))))
    return Saved(tuple(parts), frozenset((name,)) if is_all else frozenset(), ((name, limit),))


def unpacked_by_subject(
    value: bytes,
    decoder: msgspec.msgpack.Decoder[tuple[list[Subject], list[tuple[int, _T]]]],
    shared: Callable[[Subject], Subject],
    move: Move | None,
) -> Iterator[tuple[Subject, _T]]:
    """The reverse of `log_by_subject`.

    Args:
        value: A part.
        decoder: Of its rows.
        shared: The same subject, once in memory.
        move: Where the dimensions had other labels then.

    Raises: UnreadablePart.
    """
    try:
        written, rows = decoder.decode(value)
        if move is not None:
            written = [replace(s, dimensions=move(s.dimensions)) for s in written]
        subjects = [shared(subject) for subject in written]
        for at, rest in rows:
            yield subjects[at], rest
    except (msgspec.MsgspecError, UnicodeDecodeError, IndexError) as error:
        raise UnreadablePart(str(error)) from error


def parts_of(
    name: str, things: Sequence[Any], entries: Callable[[Sequence[Any]], int] = len
) -> tuple[Part, ...]:
    """Things, packed; `entries` tells how much some of them are."""
    return tuple(
        Part(name, entries(some), _ENCODE(some))
        for start in range(0, len(things), ENTRIES_AT_ONCE)
        for some in (list(things[start : start + ENTRIES_AT_ONCE]),)
    )


def unpacked(value: bytes, decoder: msgspec.msgpack.Decoder[list[_T]]) -> list[_T]:
    """The things in a part.

    Raises: UnreadablePart.
    """
    try:
        return decoder.decode(value)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise UnreadablePart(str(error)) from error


def relabelled_record(reading: ParsedRecord, move: Move) -> ParsedRecord:
    """All that one span or log record said, under other labels."""
    root = reading.root
    return replace(
        reading,
        records=tuple(relabelled(record, move) for record in reading.records),
        root=replace(root, dimensions=move(root.dimensions)) if root is not None else None,
    )


def relabelled(record: _R, move: Move) -> _R:
    """A record with its dimension values, and those of its subject, under other labels."""
    origin = replace(record.origin, dimensions=move(record.origin.dimensions))
    if isinstance(record, Verdict | Feedback) and record.subject is not None:
        subject = replace(record.subject, dimensions=move(record.subject.dimensions))
        return replace(record, origin=origin, subject=subject)
    return replace(record, origin=origin)
