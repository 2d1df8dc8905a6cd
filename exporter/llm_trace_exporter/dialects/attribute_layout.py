"""Which dialect reads a record, and where its facts stand: the same for all records of a shape.

A shape is the scope's name and the keys on the record. Emitters have few of them, so what follows
from a shape is worked out once.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from ..otlp.records import RawLog, RawSpan
from ..remembered import Remembered
from .context import ENVIRONMENT, SERVICE, Context
from .kinds import KINDS
from .not_understood import may_be_call, may_be_llm
from .open_names import kind_keys_of, places_of
from .plans import Deciding
from .registry import TABLES, dialect_of, table_of
from .schema import AttributeKey, Dialect, FactPlaces, Fields, Kind, fact_places
from .vendors import undescribed

_REMEMBERED = 4_096
# Records with more keys are rare, and remembering thousands of them would take gigabytes.
_MAX_KEYS = 256
_RESULTS = (".evaluation.", ".annotation.")

Places = tuple[tuple[int, AttributeKey], ...]
"""(rank in the reading order, key) of what is there."""


@dataclass(frozen=True, slots=True, eq=False)
class AttributeLayout:
    """What follows from a record's scope and keys."""

    dialect: Dialect | None
    listed: FactPlaces
    """Places that the tables list."""
    open: FactPlaces
    """The same, with those that no table lists and whose names tell what they hold."""
    kinds: Mapping[str, Kind]
    """What the words of its kind attributes mean."""
    environment: Places
    dimensions: tuple[tuple[int, Places], ...]
    """(number of the dimension, places) of those that are there."""
    kind_keys: tuple[str, ...]
    """Attributes that no table lists and that may say what a span is."""
    has_results: bool
    """Whether evaluations or annotations are filed on it."""
    may_be_llm: bool
    """Whether it may be of a language model although no dialect knows what it is."""
    own: tuple[str, ...]
    """Its attributes that may say who sends it: those of environment and dimensions."""
    deciding: Deciding
    """Which of its values decide how it is read."""


class AttributeLayouts:
    """The shapes seen under one configuration; bounded."""

    def __init__(self, context: Context) -> None:
        """Start without any."""
        self._context = context
        own = {dialect.name: table_of(dialect) for dialect in context.conventions}
        self._tables = {**TABLES, **own}
        self._known: Remembered[tuple[object, ...], AttributeLayout] = Remembered(_REMEMBERED)
        self._kinds: dict[str, Mapping[str, Kind]] = {}

    def of(self, record: RawSpan | RawLog, detect_by: frozenset[str]) -> AttributeLayout:
        """The shape of a record; `detect_by` as in `Sender`."""
        attrs = record.attrs
        key = (type(record), record.scope.name, detect_by, *attrs)
        shape = self._known.get(key)
        if shape is None:
            shape = self._make(record)
            if len(attrs) <= _MAX_KEYS:
                self._known.keep(key, shape)
        return shape

    def _kinds_of(self, dialect: Dialect) -> Mapping[str, Kind]:
        found = self._kinds.get(dialect.name)
        if found is None:
            found = self._kinds[dialect.name] = {**KINDS, **dialect.kinds}
        return found

    def _make(self, record: RawSpan | RawLog) -> AttributeLayout:
        attrs = record.attrs.keys()
        dialect, stray = self._reader_of(record)
        table = self._tables[dialect.name] if dialect is not None else {}
        facts: Fields = {
            fact: there
            for fact, where in table.items()
            if (there := tuple(k for k in where if k.attr in attrs))
        }
        listed = fact_places(facts)
        opened = _opened(listed, attrs) if dialect is not None else stray
        if dialect is undescribed.DIALECT:
            listed = opened
        dimensions = [_places(attrs, d.keys) for d in self._context.dimensions]
        environment = _places(attrs, ENVIRONMENT)
        has_results = any(mark in name for name in attrs for mark in _RESULTS)
        service = _places(attrs, SERVICE)
        read = (*service, *environment, *(place for places in dimensions for place in places))
        kind_keys = kind_keys_of(attrs, dialect.kind_keys) if dialect is not None else ()
        return AttributeLayout(
            dialect=dialect,
            listed=listed,
            open=opened,
            kinds=self._kinds_of(dialect) if dialect is not None else KINDS,
            environment=environment,
            dimensions=tuple((n, places) for n, places in enumerate(dimensions) if places),
            kind_keys=kind_keys,
            has_results=has_results,
            may_be_llm=may_be_llm(opened.locations),
            own=tuple(dict.fromkeys(key.attr for _, key in read)),
            deciding=_deciding(dialect, attrs, kind_keys, listed, opened, has_results=has_results),
        )

    def _reader_of(self, record: RawSpan | RawLog) -> tuple[Dialect | None, FactPlaces]:
        """Who reads a record, and where nobody does the facts that its names tell.

        What a dialect knows that is turned off is not to be read by others.
        """
        context = self._context
        dialect = dialect_of(record, context)
        if dialect is not None or dialect_of(record, replace(context, disabled=frozenset())):
            return dialect, _NOWHERE
        found = _opened(_NOWHERE, record.attrs)
        is_open = undescribed.DIALECT.name not in context.disabled
        may_be = is_open and may_be_call(found.locations)
        return (undescribed.DIALECT if may_be else None), found


def _deciding(
    dialect: Dialect | None,
    attrs: Iterable[str],
    kind_keys: tuple[str, ...],
    listed: FactPlaces,
    opened: FactPlaces,
    *,
    has_results: bool,
) -> Deciding:
    ids = opened.locations.get("response_id", ())
    is_planned = (
        dialect is not None
        and not has_results
        # Read before it is known which places are looked at, and by one place or another.
        and ids == listed.locations.get("response_id", ())
        and not any(where.path for where in ids)
    )
    own = dialect.kind_keys if dialect is not None else ()
    there = frozenset(attrs)
    names = [name for name in (*own, *kind_keys) if name in there]
    return Deciding(names, ids, is_planned=is_planned)


_NOWHERE = fact_places({})


def _places(attrs: Iterable[str], keys: tuple[AttributeKey, ...]) -> Places:
    there = frozenset(attrs)
    return tuple((rank, key) for rank, key in enumerate(keys) if key.attr in there)


def _opened(listed: FactPlaces, attrs: Iterable[str]) -> FactPlaces:
    facts = listed.locations
    found = places_of(attrs, {key.attr for where in facts.values() for key in where})
    if not found:
        return listed
    more = {fact: (*facts.get(fact, ()), *places) for fact, places in found.items()}
    opened = {**facts, **more}
    if "input" in opened:
        # It says of the input what is told without it.
        opened.pop("uncached_input", None)
    return fact_places(opened)
