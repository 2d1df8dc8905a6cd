"""Where a trace begins, whoever wrote the span: also a web server's that calls no model."""

from __future__ import annotations

from ..model import Origin, Root
from ..otlp.records import STATUS_ERROR, RawSpan
from .steps import clean_name

_SERVER, _CONSUMER = 2, 5


def begins(span: RawSpan) -> bool:
    """Whether a trace, or a process's part of one, begins with a span."""
    return not span.parent_span_id or span.kind in (_SERVER, _CONSUMER)


def root_of(span: RawSpan, origin: Origin, weight: float, *, failed: bool) -> Root:
    """What a span that begins a trace says of it."""
    return Root(
        span_id=span.span_id,
        name=clean_name(span.name),
        start_ns=span.start_ns,
        end_ns=span.ended_ns,
        service=origin.service,
        environment=origin.environment,
        dimensions=origin.dimensions,
        failed=failed or span.status_code == STATUS_ERROR,
        is_local=bool(span.parent_span_id),
        weight=weight,
        is_untimed=not span.has_end,
    )
