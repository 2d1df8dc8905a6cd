"""Dimensions that only an enclosing span carries, for the calls and steps within it."""

from __future__ import annotations

from typing import TypeVar

from msgspec.structs import replace

from ..model import LlmCall, ParsedRecord, Step
from .trace import Node, Report, Trace

_R = TypeVar("_R", LlmCall, Step)


def keep_dimensions(reading: ParsedRecord, node: Node, trace: Trace) -> None:
    """Keep the dimension values on a span for what runs within it."""
    values = _values_on(reading)
    if any(values):
        node.dimensions = values
        trace.has_dimensions = True
    if reading.root is not None and not reading.root.is_local:
        trace.root_dimensions = values


def _values_on(reading: ParsedRecord) -> tuple[str, ...]:
    if reading.root is not None:
        return reading.root.dimensions
    return reading.records[0].origin.dimensions if reading.records else reading.inherited


def with_inherited(record: _R, trace: Trace, span_id: bytes, places: tuple[int, ...]) -> _R:
    """A record with the values of the nearest enclosing span where it has none.

    Args:
        record: What is settled.
        trace: Where it ran.
        span_id: Its span.
        places: The dimensions that are inherited.
    """
    if not trace.has_dimensions:
        return record
    values = list(record.origin.dimensions)
    missing = [at for at in places if at < len(values) and not values[at]]
    if not missing:
        return record
    around = [node.dimensions for _, node in trace.above(span_id) if node.dimensions]
    if trace.root_dimensions:
        # Spans between may be missing: the root encloses everything in any case.
        around.append(trace.root_dimensions)
    for at in missing:
        values[at] = next((outer[at] for outer in around if at < len(outer) and outer[at]), "")
    return replace(record, origin=replace(record.origin, dimensions=tuple(values)))


def awaits_root(pending: Report, places: tuple[int, ...], now_s: float) -> bool:
    """Whether a call or step goes on waiting for the root of its trace."""
    if now_s >= pending.held_until_s or pending.trace.root_dimensions or not pending.span_id:
        return False
    values = pending.record.origin.dimensions
    return any(at < len(values) and not values[at] for at in places)
