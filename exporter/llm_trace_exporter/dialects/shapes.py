"""Which dialect reads a record, and where its facts stand: the same for all records of a shape.

A shape is the scope's name and the keys on the record. Emitters have few of them, so what follows
from a shape is worked out once.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from ..otlp.raw import RawLog, RawSpan
from .context import ENVIRONMENT, Context
from .registry import RESOURCE_MARKS, TABLES, dialect_of
from .table import Dialect, Fields, Key

_REMEMBERED = 4_096
# Records with more keys are rare, and remembering thousands of them would take gigabytes.
_MAX_KEYS = 256
_RESULTS = (".evaluation.", ".annotation.")

Places = tuple[tuple[int, Key], ...]
"""(rank in the reading order, key) of what is there."""


@dataclass(frozen=True, slots=True)
class Shape:
    """What follows from a record's scope and keys."""

    dialect: Dialect | None
    facts: Fields
    """Only the places that are there."""
    environment: Places
    dimensions: tuple[Places, ...]
    has_results: bool
    """Whether evaluations or annotations are filed on it."""


class Shapes:
    """The shapes seen under one configuration; bounded."""

    def __init__(self, context: Context) -> None:
        """Start without any."""
        self._context = context
        self._known: dict[tuple[object, ...], Shape] = {}

    def of(self, record: RawSpan | RawLog) -> Shape:
        """The shape of a record."""
        attrs = record.attrs
        marked = record.resource.attrs.keys() & RESOURCE_MARKS
        key = (type(record), record.scope.name, *marked, *attrs)
        shape = self._known.get(key)
        if shape is None:
            shape = self._make(record)
            if len(attrs) <= _MAX_KEYS:
                if len(self._known) >= _REMEMBERED:
                    self._known.clear()
                self._known[key] = shape
        return shape

    def _make(self, record: RawSpan | RawLog) -> Shape:
        attrs = record.attrs.keys()
        dialect = dialect_of(record, self._context.disabled)
        table = TABLES[dialect.name] if dialect is not None else {}
        return Shape(
            dialect=dialect,
            facts={
                fact: there
                for fact, where in table.items()
                if (there := tuple(k for k in where if k.attr in attrs))
            },
            environment=_places(attrs, ENVIRONMENT),
            dimensions=tuple(_places(attrs, d.keys) for d in self._context.dimensions),
            has_results=any(mark in name for name in attrs for mark in _RESULTS),
        )


def _places(attrs: Iterable[str], keys: tuple[Key, ...]) -> Places:
    there = frozenset(attrs)
    return tuple((rank, key) for rank, key in enumerate(keys) if key.attr in there)
