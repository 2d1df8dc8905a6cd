"""What was not understood, by names only: enough to find its sender and to describe it.

No value of an attribute is in it. Names come from outside, so they are shortened and without ids.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from ..model import Signal
from ..otlp.records import RawLog, RawSpan
from .open_names import kind_keys_of, places_of
from .schema import USAGE_FACTS
from .steps import without_ids

MAX_NAMES = 32
_MAX_CHARS = 100


class Unread(NamedTuple):
    """Records that look alike and could not be read."""

    signal: Signal
    scope: str
    """Name of the instrumentation scope."""
    name: str
    """Of the span, or of the log record's event."""
    attributes: tuple[str, ...]
    """Names that the exporter looks at, sorted."""


def unread_of(record: RawSpan | RawLog) -> Unread:
    """What is told of one record."""
    is_span = isinstance(record, RawSpan)
    name = record.name if isinstance(record, RawSpan) else record.event_name
    names = sorted(map(_shown, record.attrs))
    return Unread(
        "span" if is_span else "log", _shown(record.scope.name), _shown(name),
        tuple(names[:MAX_NAMES]),
    )  # fmt: skip


def convention_for(unread: Unread) -> Mapping[str, Any]:
    """A member of the configuration's `conventions` to start from: what each name may tell.

    Which values of the kind mean a call is not known here.
    """
    facts = {
        fact: [place.attr for place in places]
        for fact, places in places_of(unread.attributes, ()).items()
    }
    kinds = list(kind_keys_of(unread.attributes, ()))
    models = (("request", "request_model"), ("response", "response_model"))
    told = {
        "detect": {"scopes": [unread.scope]} if unread.scope else _marks(facts),
        "kind": {"keys": kinds, "values": {}} if kinds else {},
        "model": {side: facts[fact] for side, fact in models if fact in facts},
        "usage": {fact: facts[fact] for fact in USAGE_FACTS if fact in facts},
    }
    slug = re.sub(r"[^a-z0-9]+", "_", (unread.scope or unread.name).lower()).strip("_")
    return {"name": slug[:40] or "mine", **{key: value for key, value in told.items() if value}}


def _marks(facts: Mapping[str, Iterable[str]]) -> dict[str, list[str]]:
    return {"attributes": [next(iter(found)) for found in list(facts.values())[:1]]}


def _shown(name: str) -> str:
    kept = without_ids(name[: 2 * _MAX_CHARS])[:_MAX_CHARS]
    return "".join(c if c.isprintable() else "?" for c in kept)
