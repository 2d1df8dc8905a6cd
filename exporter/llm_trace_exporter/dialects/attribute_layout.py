"""Which dialect reads a record, and where its facts stand: the same for all records of a shape.

A shape is the scope's name and the keys on the record. Emitters have few of them, so what follows
from a shape is worked out once.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from ..otlp.records import RawLog, RawSpan
from .context import ENVIRONMENT, Context
from .not_understood import may_be_call, may_be_llm
from .open_names import kind_keys_of, places_of
from .registry import TABLES, dialect_of
from .schema import FIELD_GROUPS, AttributeKey, Dialect, Fields
from .vendors import undescribed

_REMEMBERED = 4_096
# Records with more keys are rare, and remembering thousands of them would take gigabytes.
_MAX_KEYS = 256
_RESULTS = (".evaluation.", ".annotation.")

Places = tuple[tuple[int, AttributeKey], ...]
"""(rank in the reading order, key) of what is there."""


@dataclass(frozen=True, slots=True)
class AttributeLayout:
    """What follows from a record's scope and keys."""

    dialect: Dialect | None
    facts: Fields
    """Only the places that are there."""
    groups: frozenset[str]
    """The groups of these facts."""
    open_facts: Fields
    """The same, with the places that no table lists and whose names tell what they hold."""
    open_groups: frozenset[str]
    environment: Places
    dimensions: tuple[tuple[int, Places], ...]
    """(number of the dimension, places) of those that are there."""
    kind_keys: tuple[str, ...]
    """Attributes that no table lists and that may say what a span is."""
    has_results: bool
    """Whether evaluations or annotations are filed on it."""
    may_be_llm: bool
    """Whether it may be of a language model although no dialect knows what it is."""


class AttributeLayouts:
    """The shapes seen under one configuration; bounded."""

    def __init__(self, context: Context) -> None:
        """Start without any."""
        self._context = context
        self._known: dict[tuple[object, ...], AttributeLayout] = {}

    def of(self, record: RawSpan | RawLog, detect_by: frozenset[str]) -> AttributeLayout:
        """The shape of a record; `detect_by` are those of RESOURCE_MARKS that its resource has."""
        attrs = record.attrs
        key = (type(record), record.scope.name, detect_by, *attrs)
        shape = self._known.get(key)
        if shape is None:
            shape = self._make(record)
            if len(attrs) <= _MAX_KEYS:
                if len(self._known) >= _REMEMBERED:
                    self._known.clear()
                self._known[key] = shape
        return shape

    def _make(self, record: RawSpan | RawLog) -> AttributeLayout:
        attrs = record.attrs.keys()
        dialect, stray = self._reader_of(record)
        table = TABLES[dialect.name] if dialect is not None else {}
        facts: Fields = {
            fact: there
            for fact, where in table.items()
            if (there := tuple(k for k in where if k.attr in attrs))
        }
        opened = _opened(facts, attrs) if dialect is not None else stray
        if dialect is undescribed.DIALECT:
            facts = opened
        dimensions = [_places(attrs, d.keys) for d in self._context.dimensions]
        return AttributeLayout(
            dialect=dialect,
            facts=facts,
            groups=_groups(facts),
            open_facts=opened,
            open_groups=_groups(opened),
            environment=_places(attrs, ENVIRONMENT),
            dimensions=tuple((n, places) for n, places in enumerate(dimensions) if places),
            kind_keys=kind_keys_of(attrs, dialect.kind_keys) if dialect is not None else (),
            has_results=any(mark in name for name in attrs for mark in _RESULTS),
            may_be_llm=may_be_llm(opened),
        )

    def _reader_of(self, record: RawSpan | RawLog) -> tuple[Dialect | None, Fields]:
        """Who reads a record, and where nobody does the facts that its names tell.

        What a dialect knows that is turned off is not to be read by others.
        """
        disabled = self._context.disabled
        dialect = dialect_of(record, disabled)
        if dialect is not None or dialect_of(record, frozenset()) is not None:
            return dialect, {}
        found = _opened({}, record.attrs)
        is_open = may_be_call(found) and undescribed.DIALECT.name not in disabled
        return (undescribed.DIALECT if is_open else None), found


def _places(attrs: Iterable[str], keys: tuple[AttributeKey, ...]) -> Places:
    there = frozenset(attrs)
    return tuple((rank, key) for rank, key in enumerate(keys) if key.attr in there)


def _groups(facts: Fields) -> frozenset[str]:
    return frozenset(group for group, about in FIELD_GROUPS.items() if about & facts.keys())


def _opened(facts: Fields, attrs: Iterable[str]) -> Fields:
    listed = {key.attr for where in facts.values() for key in where}
    found = places_of(attrs, listed)
    if not found:
        return facts
    more = {fact: (*facts.get(fact, ()), *places) for fact, places in found.items()}
    return {**facts, **more}
