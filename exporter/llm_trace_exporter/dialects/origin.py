"""Who a record comes from: service, environment and the configured dimensions."""

from __future__ import annotations

from dataclasses import dataclass

from ..model import Origin, Signal
from ..otlp.raw import Attributes, RawLog, RawSpan, Resource
from .context import ENVIRONMENT, SERVICE, Context
from .shapes import Shape
from .table import Dialect, Key
from .values import inside, is_id, parse_object, text

_NOWHERE = 1 << 30


@dataclass(frozen=True, slots=True)
class _Told:
    """A value and how early its key stands in the reading order."""

    rank: int
    value: str


@dataclass(frozen=True, slots=True)
class _OfResource:
    """What a resource says for all its records; kept on it while a request is read."""

    context: Context
    service: str
    environment: _Told
    dimensions: tuple[_Told, ...]


def origin_of(
    record: RawSpan | RawLog, signal: Signal, dialect: Dialect, shape: Shape, context: Context
) -> Origin:
    """Who sent the record, and its dimension values.

    For each, the first key with a value wins; the record is asked before its resource.
    """
    attrs = record.attrs
    resource = _of_resource(record.resource, context)
    return Origin(
        trace_id=record.trace_id,
        span_id=record.span_id,
        parent_span_id=record.parent_span_id if isinstance(record, RawSpan) else b"",
        signal=signal,
        dialect=dialect.name,
        scope=_teller(record, dialect),
        service=resource.service or text(attrs.get("service.name")) or "unknown_service",
        environment=_best(attrs, shape.environment, resource.environment),
        dimensions=tuple(
            map(_best_dimension, [attrs] * len(shape.dimensions), shape.dimensions,
                resource.dimensions)
        ),
    )  # fmt: skip


def _of_resource(resource: Resource, context: Context) -> _OfResource:
    known = resource.memo
    if isinstance(known, _OfResource) and known.context is context:
        return known
    attrs = resource.attrs
    found = resource.memo = _OfResource(
        context,
        _first(attrs, SERVICE).value,
        _first(attrs, ENVIRONMENT),
        tuple(_first(attrs, d.keys) for d in context.dimensions),
    )
    return found


def _first(attrs: Attributes, keys: tuple[Key, ...]) -> _Told:
    for rank, key in enumerate(keys):
        if value := _read(attrs, key):
            return _Told(rank, value)
    return _Told(_NOWHERE, "")


def _best(attrs: Attributes, places: tuple[tuple[int, Key], ...], resource: _Told) -> str:
    for rank, key in places:
        if rank > resource.rank:
            break
        if value := _read(attrs, key):
            return value
    return resource.value


def _best_dimension(attrs: Attributes, places: tuple[tuple[int, Key], ...], resource: _Told) -> str:
    value = _best(attrs, places, resource)
    return "" if value and is_id(value) else value


def _read(attrs: Attributes, key: Key) -> str:
    value = attrs.get(key.attr)
    if value is None:
        return ""
    return text(inside(parse_object(value), key.path) if key.path else value)


def _teller(record: RawSpan | RawLog, dialect: Dialect) -> str:
    if dialect.tellers_by_name and isinstance(record, RawSpan):
        return f"{record.scope.name} {record.name}"[:128]
    return record.scope.name[:128]
