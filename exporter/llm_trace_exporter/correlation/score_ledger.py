"""Scores that were read from stores, as they stood: the first final value of each counts, once.

What a page changes is decided first and applied when it is committed, so a state file that holds
the one holds the other. Bounded: where there is no room, each store's past is cut off earlier.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import msgspec
from msgspec.structs import replace

from ..model import ParsedRecord
from ..otlp.records import RawSpan
from ..pulled import (
    LETTERS,
    Complete,
    Entry,
    Identity,
    Progress,
    Pull,
    PulledPage,
    PulledScore,
    Revision,
    Said,
)
from .memory_codec import Part, Saved, log_of, merged, unpacked, whole_of

SCORES, PROGRESS = "pulled", "pull_progress"
_SHED_SHARE = 8
"""Where there is no room, one of so many entries goes."""
_SLACK = 1_000

_Row = tuple[str, bytes, bytes, Entry | None]
_rows = msgspec.msgpack.Decoder(list[_Row])
_books = msgspec.msgpack.Decoder(list[tuple[str, Progress]])


@dataclass(slots=True)
class Decided:
    """What a page comes to, before it is committed."""

    pull: Pull
    records: list[ParsedRecord] = field(default_factory=list)
    """Scores that count."""
    spans: list[RawSpan] = field(default_factory=list)
    """Spans that were not read before."""


@dataclass(slots=True)
class _Book:
    progress: Progress
    entries: dict[bytes, dict[bytes, Entry]] = field(default_factory=dict)
    count: int = 0


class ScoreLedger:
    """Not safe for threads: one caller at a time."""

    def __init__(self, limit: int, *, tracks: bool = False) -> None:
        """Nothing was read yet.

        Args:
            limit: Scores and spans remembered.
            tracks: Whether to note what changes, for `save`.
        """
        self.limit = limit
        self.evicted = 0
        """Forgotten for want of room."""
        self._books: dict[str, _Book] = {}
        self._changed: dict[tuple[str, bytes, bytes], None] | None = {} if tracks else None
        self._saved = 0

    def __len__(self) -> int:
        """How many scores and spans are remembered."""
        return sum(book.count for book in self._books.values())

    def progress(self, book: str) -> Progress | None:
        """How far reading came; None where it has not begun."""
        found = self._books.get(book)
        return found.progress if found is not None else None

    def take_back(self, book: str, now_ns: int) -> bool:
        """Undo what a clock that was ahead has set, up to now; whether there was any."""
        found = self._books.get(book)
        if found is None or max(found.progress.floor_ns, found.progress.begin_ns) <= now_ns:
            return False
        floor_ns = min(found.progress.floor_ns, now_ns)
        begin_ns = min(found.progress.begin_ns, now_ns)
        found.progress = replace(found.progress, floor_ns=floor_ns, begin_ns=begin_ns)
        return True

    def decide(self, page: PulledPage) -> Decided:
        """What a page changes; nothing is changed yet."""
        book = self._books.get(page.book) or _Book(page.progress)
        changes: dict[Identity, Entry] = {}
        revisions: list[Revision] = []
        decided = Decided(Pull(page.source, page.book, page.rows, page.progress))
        # What began before the floor may have been counted and forgotten.
        floor_ns = max(book.progress.floor_ns, page.progress.floor_ns)
        for score in page.scores:
            if score.target_ns < floor_ns:
                continue
            place = (score.target, score.key)
            before = changes.get(place) or book.entries.get(score.target, {}).get(score.key)
            now = _standing(score, before, page)
            if before is None or now != before:
                changes[place] = now
            was_counted = before is not None and before.standing == "counted"
            if was_counted and before is not None and now.value != before.value:
                revisions.append(_revision(before, now.said))
            if now.standing == "counted" and not was_counted and score.record is not None:
                decided.records.append(score.record)
        for span in page.spans:
            place = (span.trace_id, span.span_id)
            if span.start_ns < floor_ns:
                continue
            if place not in changes and span.span_id not in book.entries.get(span.trace_id, {}):
                changes[place] = Entry(span.start_ns)
                decided.spans.append(span)
        if page.complete is not None:
            for place, entry in _gone(book, page.complete):
                is_other = _is_superseded(place, page.complete)
                if not is_other and entry.standing == "counted":
                    revisions.append(_revision(entry, "deleted"))
                changes[place] = (
                    replace(entry, is_superseded=True)
                    if is_other
                    else replace(entry, said="deleted", value=b"")
                )
        told = tuple((target, key, entry) for (target, key), entry in changes.items())
        decided.pull = replace(decided.pull, changes=told, revisions=tuple(revisions))
        return decided

    def changes_anything(self, pull: Pull) -> bool:
        """Whether applying it would change what is remembered."""
        return bool(pull.changes) or self.progress(pull.book) != pull.progress

    def apply(self, pull: Pull) -> None:
        """Remember what a page came to."""
        book = self._books.setdefault(pull.book, _Book(pull.progress))
        has_new_floor = pull.progress.floor_ns > book.progress.floor_ns
        floor_ns = max(book.progress.floor_ns, pull.progress.floor_ns)
        book.progress = replace(pull.progress, floor_ns=floor_ns)
        for target, key, entry in pull.changes:
            self._put(pull.book, book, target, key, entry)
        if has_new_floor:
            self._forget(pull.book, book)
        while len(self) > self.limit:
            self._shed()

    def keep(self, books: Iterable[str]) -> None:
        """Forget what is no longer read at all."""
        for name in self._books.keys() - set(books):
            self._books[name].progress = Progress(0, 1 << 63)
            self._forget(name, self._books[name])
            del self._books[name]

    def save(self, *, every: bool) -> Saved:
        """What changed since the last time; or all there is."""
        every = every or self._saved > 2 * len(self) + _SLACK
        places = self._places() if every else list(self._changed or ())
        told: list[_Row] = [(*place, self._find(*place)) for place in places]
        self._saved = len(told) + (0 if every else self._saved)
        if self._changed is not None:
            self._changed.clear()
        books = [(name, book.progress) for name, book in self._books.items()]
        return merged((log_of(SCORES, told, is_all=every), whole_of(PROGRESS, books)))

    def restore(self, part: Part) -> bool:
        """Remember what a part holds; the parts in their order.

        Returns: Whether it is one of these.

        Raises: UnreadablePart.
        """
        if part.name == PROGRESS:
            for name, progress in unpacked(part.value, _books):
                self._books.setdefault(name, _Book(progress)).progress = progress
        elif part.name == SCORES:
            for name, target, key, entry in unpacked(part.value, _rows):
                self._saved += 1
                self._put(
                    name, self._books.setdefault(name, _Book(Progress(0, 0))), target, key, entry
                )
            if self._changed is not None:
                self._changed.clear()
        else:
            return False
        return True

    def _put(self, name: str, book: _Book, target: bytes, key: bytes, entry: Entry | None) -> None:
        if self._changed is not None:
            self._changed[name, target, key] = None
        beneath = book.entries.setdefault(target, {})
        book.count -= key in beneath
        if entry is not None:
            beneath[key] = entry
            book.count += 1
            return
        beneath.pop(key, None)
        if not beneath:
            del book.entries[target]

    def _forget(self, name: str, book: _Book) -> int:
        """Let go of what began before the floor; how much that was."""
        floor_ns = book.progress.floor_ns
        old = [place for place, entry in _entries(book) if entry.time_ns < floor_ns]
        for target, key in old:
            self._put(name, book, target, key, None)
        return len(old)

    def _shed(self) -> None:
        """Make room in the largest book: its past is not looked at again, so counts no more."""
        name, book = max(self._books.items(), key=lambda item: item[1].count)
        times = sorted(entry.time_ns for _, entry in _entries(book))
        floor_ns = times[len(times) // _SHED_SHARE] + 1
        book.progress = replace(book.progress, floor_ns=floor_ns)
        self.evicted += self._forget(name, book)

    def _places(self) -> list[tuple[str, bytes, bytes]]:
        return [(name, *place) for name, book in self._books.items() for place, _ in _entries(book)]

    def _find(self, name: str, target: bytes, key: bytes) -> Entry | None:
        book = self._books.get(name)
        return book.entries.get(target, {}).get(key) if book is not None else None


def _standing(score: PulledScore, before: Entry | None, page: PulledPage) -> Entry:
    """How a score stands after it was told once more."""
    now = Entry(score.target_ns, score.judge, score.kind, score.said, score.value)
    if before is not None and before.standing != "pending":
        return replace(now, time_ns=before.time_ns, standing=before.standing)
    first_ns = before.walk_ns if before is not None else page.walk_ns
    if score.said == "invalid" or (score.is_empty and first_ns >= page.walk_ns):
        return replace(now, standing="pending", walk_ns=first_ns)
    is_new = score.time_ns >= page.progress.begin_ns
    return replace(now, standing="counted" if is_new else "uncounted")


def _revision(before: Entry, after: Said | str) -> Revision:
    return Revision(before.judge, before.kind, before.said, after)  # type: ignore[arg-type]


def _gone(book: _Book, told: Complete) -> Iterator[tuple[Identity, Entry]]:
    """Known scores that were not told, where they should have been."""
    if told.targets:
        known: Iterable[tuple[Identity, Entry]] = (
            ((target, key), entry)
            for target in told.targets
            for key, entry in book.entries.get(target, {}).items()
        )
    else:
        known = (
            (place, entry)
            for place, entry in _entries(book)
            if told.since_ns <= entry.time_ns < told.until_ns
        )
    for place, entry in known:
        is_known_gone = entry.said in ("deleted", "") or entry.is_superseded
        if place not in told.seen and not is_known_gone:
            yield place, entry


def _is_superseded(place: Identity, told: Complete) -> bool:
    """Whether another kind of judge has taken its place."""
    target, key = place
    return any((target, key[:-1] + letter) in told.seen for letter in LETTERS.values())


def _entries(book: _Book) -> Iterator[tuple[Identity, Entry]]:
    for target, beneath in book.entries.items():
        for key, entry in beneath.items():
            yield (target, key), entry
