"""Shape plans: what spans that differ in nothing but numbers and ids say, read once.

A shape is an attribute layout with the values that decide how a span is read: its name, kind and
status, the operation, models, finish reasons, ... The dialects read the first span of a shape in
full; which facts they asked for is noted (`NotingView`), and what they said becomes the plan of
the shape. A plan holds data only, and `filling.py` executes it.

All facts decide but those in `VARYING`: these are handed on, and of usage and response ids it only
decides whether there are any. Failed spans and those with events are read in full, and so is what
a plan cannot say. What decides is kept as long as the plan is, so layouts are read in full where it
stands in what may name a person: a message of an error, an object with other members.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from operator import itemgetter

from msgspec import Struct
from msgspec.structs import replace

from ..model import LlmCall, Origin, ParsedRecord, Record, Step
from ..otlp.records import STATUS_ERROR, Attributes, RawSpan, Value
from ..remembered import Remembered
from .coerce import MAX_TOKENS, REMEMBERED_CHARS, is_id
from .schema import (
    FIELD_GROUPS,
    IGNORE,
    USAGE_FACTS,
    AttributeKey,
    FactPlaces,
    Kind,
    RecordView,
    fact_places,
    reporter_of,
)
from .usage import Usage

_TIMES = ("duration", "ttft", "ttft_if_streaming", "first_token_at")
LEFT_OPEN: frozenset[str] = frozenset(
    (*FIELD_GROUPS["cost"], *FIELD_GROUPS["gateway"], *_TIMES, "session")
)
"""Facts that are read of each span, where it tells them, and that nothing else depends on."""
VARYING: frozenset[str] = LEFT_OPEN.union(USAGE_FACTS, ("usage_object", "response_id"))
"""Facts whose values decide nothing."""
_PERSONAL = frozenset({"error_text"})
"""Facts whose values anybody may have written anything into."""

MAX_PLANS = 8_192
_MAX_DECIDING = 48
_PRIVATE_URL = re.compile(r"://[^?@]*[?@]")
"""A credential or a query may be in it."""
_MAX_BITS = 64
_TRIES = 1_024
"""Spans of a layout that are noted before one that hardly repeats is read in full for good."""

Shape = tuple[object, ...]


class Plan(Struct, frozen=True, gc=False, eq=False):
    """What spans of one shape say, but for what differs between them."""

    readings: tuple[ParsedRecord | None, ...]
    """The first one for each class of usage (`class_of`), without what differs; None where none
    came yet; empty where spans of this shape are read in full."""
    places: FactPlaces
    """Where their facts stand."""
    operation: str
    """What their usage is read for."""
    reporter: str
    """Which instrumentation tells it."""
    is_ignored: bool
    """Whether their own words make them nothing, so that an HTTP library may have written them."""
    plain: tuple[str, str] | None
    """Attributes of input and output, where usage is told by these alone."""
    left_open: frozenset[str]
    """Which of LEFT_OPEN they tell."""


def class_of(usage: Usage) -> int:
    """What of a usage decides: whether it is known, and whether any token is told."""
    if usage.tokens is None:
        return 0
    return 2 if usage.tokens.total else 1


class NotingView(RecordView, eq=False, gc=False):
    """A view that notes what is asked for."""

    asked: set[str] = set()  # noqa: RUF012 - each view has its own
    """Attributes whose values were asked for."""
    counted: set[str] = set()  # noqa: RUF012
    """Attributes of which it was asked whether they hold a count."""
    is_private: bool = False
    """Whether something was asked for that no plan may keep."""

    def _note(self, fact: str) -> None:
        if fact in VARYING:
            return
        for where in self.locations.get(fact, ()):
            self.asked.add(where.attr)
            # An object is kept whole, with whoever is named in it.
            self.is_private |= bool(where.path) or fact in _PERSONAL

    def text(self, fact: str) -> str:
        """As of any view."""
        self._note(fact)
        return super().text(fact)

    def first_text(self, fact: str, *, but: frozenset[str]) -> str:
        """As of any view."""
        self._note(fact)
        return super().first_text(fact, but=but)

    def raw(self, fact: str) -> Value:
        """As of any view."""
        self._note(fact)
        return super().raw(fact)

    def count(self, fact: str) -> int | None:
        """As of any view."""
        where = self.locations.get(fact, ())
        self.is_private |= any(place.path for place in where)
        self.counted.update([place.attr for place in where if not place.path])
        return super().count(fact)

    def usd(self, fact: str) -> float | None:
        """As of any view."""
        self._note(fact)
        return super().usd(fact)

    def number(self, fact: str) -> float | None:
        """As of any view."""
        self._note(fact)
        return super().number(fact)

    def flag(self, fact: str) -> bool | None:
        """As of any view."""
        self._note(fact)
        return super().flag(fact)


class Choice:
    """Which attributes of a layout decide, as far as readings have asked; compared by identity."""

    __slots__ = ("_counted", "_get", "_names")

    def __init__(self, names: tuple[str, ...], counted: tuple[str, ...]) -> None:
        """Choose attributes that all spans of the layout have.

        Args:
            names: Those whose values decide.
            counted: Those of which it decides whether they hold a count.
        """
        self._names, self._counted = names, counted
        self._get = _values_of(names)

    def values(self, attrs: Attributes) -> Shape | None:
        """The values that decide, with their types; None where they are too odd for a plan.

        1, 1.0 and true are equal, and are not read alike.
        """
        for name in self._counted:
            tokens = attrs[name]
            if type(tokens) is not int or not 0 <= tokens <= MAX_TOKENS:
                return None
        values = self._get(attrs)
        types = (*map(type, values),)
        if list in types:
            # One finish reason in a list: what nearly every answer has.
            at = types.index(list)
            listed = values[at]
            if not isinstance(listed, list) or len(listed) != 1 or types.count(list) > 1:
                return None
            if type(listed[0]) is not str:
                return None
            values = (*values[:at], listed[0], *values[at + 1 :])
        # Of two floats that are equal, one may be -0.0.
        return None if dict in types or float in types else (values, types)

    def with_asked(self, view: NotingView) -> Choice:
        """The choice with what was asked for while a span was read; itself where that is in it."""
        more = sorted(view.asked.difference(self._names))
        counted = sorted(view.counted.difference(self._counted))
        if not (more or counted):
            return self
        return Choice((*self._names, *more), (*self._counted, *counted))

    def __len__(self) -> int:
        """How many attributes decide."""
        return len(self._names)


class Deciding:
    """What of the spans of one layout decides: learned from what readings ask for.

    What several threads learn at once may be lost, and is learned again.
    """

    __slots__ = ("choice", "hits", "ids", "is_planned", "tries")

    def __init__(
        self, names: Iterable[str], ids: tuple[AttributeKey, ...], *, is_planned: bool
    ) -> None:
        """Nothing was asked for yet.

        Args:
            names: Attributes that decide in any case.
            ids: Where the response id stands.
            is_planned: Whether to look for shapes at all.
        """
        self.choice = Choice(tuple(dict.fromkeys(names)), ())
        self.ids = tuple(where.attr for where in ids)
        self.is_planned = is_planned
        self.tries = self.hits = 0

    def notes(self, choice: Choice, view: NotingView) -> bool:
        """Whether what was asked for is in the choice; else it is from now on."""
        self.tries += 1
        more = choice.with_asked(view)
        is_rare = self.tries > _TRIES + self.hits
        if is_rare or view.is_private or len(more) > _MAX_DECIDING:
            self.is_planned = False
            return False
        if more is choice:
            return True
        self.choice = more
        return False


def _values_of(names: tuple[str, ...]) -> Callable[[Attributes], tuple[Value, ...]]:
    if len(names) > 1:
        return itemgetter(*names)
    return lambda attrs: tuple([attrs[name] for name in names])


class Plans:
    """The plans under one configuration; bounded. Safe to use from several threads."""

    def __init__(self) -> None:
        """Start without any."""
        self._known: Remembered[Shape, Plan] = Remembered(MAX_PLANS)
        self.get = self._known.get

    def keep(
        self, shape: Shape, layout: Deciding, view: NotingView, kind: Kind, usage: Usage,
        reading: ParsedRecord,
    ) -> None:  # fmt: skip
        """Remember how a span was read, for the next of its shape.

        Args:
            shape: As `shape_of` told it before.
            layout: What decides in the span's layout.
            view: Through which it was read.
            kind: What it was by its own words.
            usage: What it told of that.
            reading: All that it said.
        """
        choice = shape[0]
        if not isinstance(choice, Choice) or not layout.notes(choice, view):
            return
        if reading.unreadable or not all(map(_may_be_kept, shape)):
            return
        if not _can_be_planned(reading, kind, usage):
            self._known.keep(shape, _IN_FULL)
            return
        known = self._known.get(shape)
        readings: list[ParsedRecord | None] = [None, None, None]
        if known is not None and known.readings:
            readings[:] = known.readings
        readings[class_of(usage)] = _common(reading)
        places = view.places
        facts = places.locations.keys()
        self._known.keep(
            shape,
            Plan(
                tuple(readings),
                places,
                kind.name,
                reporter_of(view.record, view.dialect),
                kind is IGNORE,
                _plain(places),
                LEFT_OPEN & facts,
            ),
        )


def shape_of(span: RawSpan, layout: Deciding, response_id: str) -> Shape | None:
    """What decides how a span is read; None where it is to be read in full."""
    if span.events or span.status_code == STATUS_ERROR or span.end_ns < span.start_ns:
        return None
    choice = layout.choice
    values = choice.values(span.attrs)
    if values is None:
        return None
    return choice, span.name, span.kind, span.status_code, bool(response_id), *values


_IN_FULL = Plan((), fact_places({}), "", "", False, None, frozenset())


def _can_be_planned(reading: ParsedRecord, kind: Kind, usage: Usage) -> bool:
    """Whether a reading says nothing that was looked up past the facts, as results of judges are.

    Nor what is read in full anyway: why a span failed, and which documents were retrieved.
    """
    return (
        bool(reading.dialect)
        and kind.role != "verdict"
        and not usage.tier
        and all(
            isinstance(record, LlmCall | Step)
            and not record.error_type
            and not (isinstance(record, Step) and record.kind == "retrieval")
            for record in reading.records
        )
    )


def _common(reading: ParsedRecord) -> ParsedRecord:
    """A reading without ids, times, numbers and what is told of who sends it."""
    nobody = Origin(b"", b"", b"", "span", reading.dialect, "", "", "", ())
    records: list[Record] = []
    for record in reading.records:
        if isinstance(record, LlmCall):
            bare = replace(record, tokens=None, ttft_s=None, reported_cost=None, response_id="")
            records.append(replace(bare, origin=nobody, start_ns=0, end_ns=0, weight=1.0))
        else:
            records.append(replace(record, origin=nobody))
    return ParsedRecord(
        trace_id=b"",
        span_id=b"",
        parent_span_id=b"",
        signal="span",
        dialect=reading.dialect,
        records=tuple(records),
        role=reading.role,
        precedence=reading.precedence,
        drop=reading.drop,
    )


def _plain(places: FactPlaces) -> tuple[str, str] | None:
    facts = places.locations
    if "usage_details" in places.groups or "total" in facts:
        return None
    if "input" not in facts or "output" not in facts:
        return None
    first, second = facts["input"][0], facts["output"][0]
    return None if first.path or second.path else (first.attr, second.attr)


def _may_be_kept(part: object) -> bool:
    """Whether a part of a shape is no text that anybody wrote at length, and no id."""
    if isinstance(part, tuple):
        return all(map(_may_be_kept, part))
    if isinstance(part, int):
        return part.bit_length() <= _MAX_BITS
    if isinstance(part, str):
        is_short = len(part) <= REMEMBERED_CHARS
        return is_short and not is_id(part) and _PRIVATE_URL.search(part) is None
    return not isinstance(part, bytes)
