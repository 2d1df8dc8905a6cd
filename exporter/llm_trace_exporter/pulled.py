"""What was read of a store that keeps scores: how each stands, and what came of it.

A score is known by what identifies it in its store and who judged, never by a row's number or the
time of a change. The state file holds fields by their place: new ones go to the end.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from msgspec import Struct

from .model import JudgeKind, ParsedRecord, Rating, VerdictValue
from .otlp.records import RawSpan

Said = VerdictValue | Rating | Literal["invalid", "deleted"]
"""What a score says now; invalid: its store declares it void, deleted: it is gone."""

Standing = Literal["counted", "uncounted", "pending"]
"""Whether it counts: it was there before its source was, or it says nothing yet."""

LETTERS: Mapping[JudgeKind, bytes] = {"llm": b"l", "code": b"c", "human": b"h"}
"""How a key ends, by who judged."""

Identity = tuple[bytes, bytes]
"""(fingerprint of what is judged, key of the score beneath it)."""


class Entry(Struct, frozen=True, array_like=True, gc=False):
    """How a score stands; or, without a judge, a span that was read."""

    time_ns: int
    """When what it is about began, Unix nanoseconds: by this it is forgotten."""
    judge: str = ""
    kind: JudgeKind = "llm"
    said: Said | Literal[""] = ""
    value: bytes = b""
    """Fingerprint of all that it says."""
    standing: Standing = "counted"
    walk_ns: int = 0
    """Pending: when it was first seen so."""
    is_superseded: bool = False
    """Another kind of judge has overwritten it."""


class Revision(Struct, frozen=True, array_like=True, gc=False):
    """A score that counts and has changed since."""

    judge: str
    kind: JudgeKind
    before: Said
    after: Said


class Progress(Struct, frozen=True, array_like=True):
    """How far a source has come in one project of its store."""

    begin_ns: int
    """Scores that are older do not count, Unix nanoseconds."""
    floor_ns: int
    """What began before is not looked at again."""
    cursor: str = ""
    """Where reading goes on, in the words of the source."""


class Pull(Struct, frozen=True, array_like=True):
    """All that one page comes to: it happens as a whole, or not at all."""

    source: str
    book: str
    """The source and its project."""
    rows: int
    progress: Progress
    changes: tuple[tuple[bytes, bytes, Entry], ...] = ()
    """(what it is about, what identifies it, how it stands)."""
    revisions: tuple[Revision, ...] = ()
    overlap: int = 0
    """Spans that came by another way as well."""


@dataclass(frozen=True, slots=True)
class PulledScore:
    """A score as its store tells it now."""

    target: bytes
    """Fingerprint of what it is about."""
    key: bytes
    """Fingerprint of what identifies it beneath that, and the letter of who judged."""
    judge: str
    kind: JudgeKind
    time_ns: int
    """When it was given, Unix nanoseconds."""
    target_ns: int
    """When what it is about began."""
    value: bytes
    said: Said
    record: ParsedRecord | None
    """What counts of it; None: nothing."""
    is_empty: bool = False
    """It says nothing yet; should that last, `record` tells that its judge broke."""


@dataclass(frozen=True, slots=True)
class Complete:
    """What has been told of in full: a known score that was not told is gone."""

    seen: frozenset[Identity]
    """All that was told."""
    targets: frozenset[bytes] = frozenset()
    since_ns: int = 0
    until_ns: int = 0
    """Instead of targets: all that began from `since_ns` to before `until_ns`."""


@dataclass(frozen=True, slots=True)
class PulledPage:
    """One answer of a store, read."""

    source: str
    book: str
    progress: Progress
    walk_ns: int
    """When the walk began that it belongs to, Unix nanoseconds."""
    rows: int = 0
    scores: tuple[PulledScore, ...] = ()
    spans: tuple[RawSpan, ...] = ()
    complete: Complete | None = None
    unread: int = 0
    """Rows of which nothing could be made."""
