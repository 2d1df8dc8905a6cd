"""Who a record comes from: service, environment and the configured dimensions."""

from __future__ import annotations

from functools import lru_cache
from hashlib import blake2b

from msgspec import Struct

from ..model import Origin, Signal
from ..otlp.records import Attributes, RawLog, RawSpan, Resource, Value
from .attribute_layout import AttributeLayout, Places
from .coerce import inside, is_id, parse_object, text
from .context import ENVIRONMENT, SERVICE, Context
from .registry import detectors_on
from .schema import AttributeKey, Dialect, RecordView, reporter_of

_NOWHERE = 1 << 30
# Before every key: no record is asked.
_FIXED = -1


class _Value(Struct, frozen=True):
    """A value and how early its key stands in the reading order; `_FIXED` where none is asked."""

    rank: int
    value: str


Place = tuple[str, str, tuple[str, ...]]
"""Service, environment, and a value for each dimension."""


class Sender(Struct, frozen=True):
    """What a resource says for all its records; kept on it while a request is read."""

    context: Context
    detect_by: frozenset[str]
    """Attributes by which dialects know it."""
    service: str
    environment: _Value
    dimensions: tuple[_Value, ...]
    shown: tuple[str, ...]
    """The dimensions of a record that tells none of its own."""
    place: Place
    """That of such a record, which does not tell its environment either."""
    places: dict[tuple[AttributeLayout, tuple[Value, ...]], Place] = {}
    """Those that its records told, by layout and the values that tell it."""


def sender_of(resource: Resource, context: Context) -> Sender:
    """Who sends what comes from a resource."""
    known = resource.memo
    if isinstance(known, Sender) and known.context is context:
        return known
    attrs = resource.attrs
    dimensions = tuple(_value_of(attrs, d.label, d.keys, context) for d in context.dimensions)
    service = _value_of(attrs, "service", SERVICE, context).value
    environment = _value_of(attrs, "environment", ENVIRONMENT, context)
    shown = tuple(_unless_id(dimension.value) for dimension in dimensions)
    found = resource.memo = Sender(
        *(context, detectors_on(attrs, context), service, environment, dimensions, shown),
        (service, environment.value, shown),
    )
    return found


def origin_of(
    record: RawSpan | RawLog,
    signal: Signal,
    dialect: Dialect,
    shape: AttributeLayout,
    sender: Sender,
) -> Origin:
    """Who sent the record, and its dimension values."""
    return Origin(
        record.trace_id,
        record.span_id,
        record.parent_span_id if isinstance(record, RawSpan) else b"",
        signal,
        dialect.name,
        reporter_of(record, dialect),
        *place_of(record.attrs, shape, sender),
    )


def place_of(attrs: Attributes, shape: AttributeLayout, sender: Sender) -> Place:
    """Which deployment and place in an application a record is from.

    For each, the first key with a value wins; the record is asked before its resource.
    """
    own = shape.own
    if not own and sender.service:
        return sender.place
    values = tuple([attrs.get(name) for name in own])
    if {*map(type, values)} != _TEXTS:
        return _worked_out(attrs, shape, sender)
    known = sender.places.get((shape, values))
    if known is None:
        known = sender.places[shape, values] = _worked_out(attrs, shape, sender)
    return known


_TEXTS = {str}


def _worked_out(attrs: Attributes, shape: AttributeLayout, sender: Sender) -> Place:
    dimensions = sender.shown
    if shape.dimensions:
        filled = [*dimensions]
        for number, places in shape.dimensions:
            filled[number] = _unless_id(_best(attrs, places, sender.dimensions[number]))
        dimensions = _shared(tuple(filled))
    return (
        sender.service or text(attrs.get("service.name")) or "unknown_service",
        _best(attrs, shape.environment, sender.environment),
        dimensions,
    )


def group_of(view: RecordView, service: str) -> str:
    """Opaque name of the session in which a record was sent; empty where it tells none."""
    session = view.text("session") if "session" in view.locations else ""
    if not session:
        return ""
    # It is saved: an id of a person's session must not be.
    identity = f"{view.dialect.name}\0{service}\0{session}"
    return blake2b(identity.encode("utf-8", "surrogatepass"), digest_size=12).hexdigest()


def _value_of(
    attrs: Attributes, label: str, keys: tuple[AttributeKey, ...], context: Context
) -> _Value:
    fixed = context.fixed.get(label)
    return _first(attrs, keys) if fixed is None else _Value(_FIXED, fixed)


def _first(attrs: Attributes, keys: tuple[AttributeKey, ...]) -> _Value:
    for rank, key in enumerate(keys):
        # Of some twenty keys a resource has one or two.
        if key.attr in attrs and (value := _read(attrs, key)):
            return _Value(rank, value)
    return _Value(_NOWHERE, "")


def _best(attrs: Attributes, places: Places, resource: _Value) -> str:
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
