"""What was not understood, by names only: enough to find its sender and to describe it.

No value of an attribute is in it. Names come from outside, so they are shortened and without ids.
"""

from __future__ import annotations

from typing import NamedTuple

from ..model import Signal
from ..otlp.records import RawLog, RawSpan
from .steps import without_ids

MAX_NAMES = 32
_MAX_CHARS = 100


class UnreadKind(NamedTuple):
    """Records that look alike and could not be read."""

    signal: Signal
    scope: str
    """Name of the instrumentation scope."""
    name: str
    """Of the span, or of the log record's event."""
    attributes: tuple[str, ...]
    """Names that the exporter looks at, sorted."""


def unread_of(record: RawSpan | RawLog) -> UnreadKind:
    """What is told of one record."""
    is_span = isinstance(record, RawSpan)
    name = record.name if isinstance(record, RawSpan) else record.event_name
    names = sorted(map(_shown, record.attrs))
    return UnreadKind(
        "span" if is_span else "log", _shown(record.scope.name), _shown(name),
        tuple(names[:MAX_NAMES]),
    )  # fmt: skip


def _shown(name: str) -> str:
    kept = without_ids(name[: 2 * _MAX_CHARS])[:_MAX_CHARS]
    return "".join(c if c.isprintable() else "?" for c in kept)
