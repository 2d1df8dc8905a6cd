"""Who a record comes from: service, environment and the configured dimensions."""

from __future__ import annotations

from functools import lru_cache

from msgspec import Struct

from ..model import Origin, Signal
from ..otlp.records import Attributes, RawLog, RawSpan, Resource
from .attribute_layout import AttributeLayout, Places
from .coerce import inside, is_id, parse_object, text
from .context import ENVIRONMENT, SERVICE, Context
from .registry import detectors_on
from .schema import AttributeKey, Dialect

_NOWHERE = 1 << 30
# Before every key: no record is asked.
_FIXED = -1


class _Told(Struct, frozen=True):
    """A value and how early its key stands in the reading order; `_FIXED` where none is asked."""

    rank: int
    value: str


class Sender(Struct, frozen=True):
    """What a resource says for all its records; kept on it while a request is read."""

    context: Context
    detect_by: frozenset[str]
    """Attributes by which dialects know it."""
    service: str
    environment: _Told
    dimensions: tuple[_Told, ...]
    shown: tuple[str, ...]
    """The dimensions of a record that tells none of its own."""


def sender_of(resource: Resource, context: Context) -> Sender:
    """Who sends what comes from a resource."""
    known = resource.memo
    if isinstance(known, Sender) and known.context is context:
        return known
    attrs = resource.attrs
    dimensions = tuple(_told(attrs, d.label, d.keys, context) for d in context.dimensions)
    found = resource.memo = Sender(
        context,
        detectors_on(attrs, context),
        _told(attrs, "service", SERVICE, context).value,
        _told(attrs, "environment", ENVIRONMENT, context),
        dimensions,
        tuple(_unless_id(told.value) for told in dimensions),
    )
    return found


def origin_of(
    record: RawSpan | RawLog,
    signal: Signal,
    dialect: Dialect,
    shape: AttributeLayout,
    sender: Sender,
) -> Origin:
    """Who sent the record, and its dimension values.

    For each, the first key with a value wins; the record is asked before its resource.
    """
    attrs = record.attrs
    dimensions = dimensions_of(record, shape, sender) if shape.dimensions else sender.shown
    return Origin(
        record.trace_id,
        record.span_id,
        record.parent_span_id if isinstance(record, RawSpan) else b"",
        signal,
        dialect.name,
        _reporter(record, dialect),
        sender.service or text(attrs.get("service.name")) or "unknown_service",
        _best(attrs, shape.environment, sender.environment),
        dimensions,
    )


def dimensions_of(
    record: RawSpan | RawLog, shape: AttributeLayout, sender: Sender
) -> tuple[str, ...]:
    """The dimension values of a record whose shape has keys of some."""
    filled = [*sender.shown]
    for number, places in shape.dimensions:
        filled[number] = _unless_id(_best(record.attrs, places, sender.dimensions[number]))
    return _shared(tuple(filled))


def _told(attrs: Attributes, label: str, keys: tuple[AttributeKey, ...], context: Context) -> _Told:
    fixed = context.fixed.get(label)
    return _first(attrs, keys) if fixed is None else _Told(_FIXED, fixed)


def _first(attrs: Attributes, keys: tuple[AttributeKey, ...]) -> _Told:
    for rank, key in enumerate(keys):
        if value := _read(attrs, key):
            return _Told(rank, value)
    return _Told(_NOWHERE, "")


def _best(attrs: Attributes, places: Places, resource: _Told) -> str:
    for rank, key in places:
        if rank > resource.rank:
            break
        if value := _read(attrs, key):
            return value
    return resource.value


@lru_cache(maxsize=8_192)
def _unless_id(value: str) -> str:
    return "" if value and is_id(value) else value


@lru_cache(maxsize=8_192)
def _shared(values: tuple[str, ...]) -> tuple[str, ...]:
    """The same values, once in memory for all the records that have them."""
    return values


def _read(attrs: Attributes, key: AttributeKey) -> str:
    value = attrs.get(key.attr)
    if value is None:
        return ""
    return text(inside(parse_object(value), key.path) if key.path else value)


def _reporter(record: RawSpan | RawLog, dialect: Dialect) -> str:
    if dialect.reporters_by_name and isinstance(record, RawSpan):
        return f"{record.scope.name} {record.name}"[:128]
    return record.scope.name[:128]
