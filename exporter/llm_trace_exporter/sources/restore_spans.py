"""Spans as a store gives them back, brought near to what was sent to it.

Stores drop the instrumentation scope and the resource, and add attributes of their own. Seen with
arize-phoenix 20.26 (`llm.*` beside `gen_ai.*`, JSON texts taken apart) and mlflow 3.17 (`mlflow.*`
on every span, its own list price among them).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec
from msgspec import Raw

from ..otlp.records import SPAN_CLIENT, STATUS_ERROR, RawEvent, RawSpan, Resource, Scope
from ..score_items import span_id_of, trace_id_of

_ADDED_BESIDE_GEN_AI = ("llm.", "input.", "output.")
_ADDED_BY_MLFLOW = "mlflow."
_OWN_PRICES = frozenset({"mlflow.llm.cost"})
_TAKEN_APART = "langsmith.metadata.usage_metadata"


@dataclass(frozen=True, slots=True)
class StoredSpan:
    """A span in a store; its attributes are JSON that nobody has read yet."""

    trace_id: str
    """Hexadecimal, as are the others."""
    span_id: str
    parent_id: str
    name: str
    start_ns: int
    end_ns: int
    """0: it has not ended."""
    status_code: int
    status_message: str
    attributes: Mapping[str, Raw]
    events: tuple[tuple[str, int, Mapping[str, Raw]], ...] = ()
    """(name, Unix nanoseconds, attributes)."""
    resource: Mapping[str, str] = field(default_factory=dict)


def restored(stored: StoredSpan, is_wanted: Callable[[str], bool]) -> RawSpan:
    """The span as it may have been sent, with the attributes that are wanted.

    The first word of its name stands for the scope, without which the two instrumentations of one
    call are not told apart; only where the call was answered, as failures are alike.
    """
    sent = together(stored.attributes, _TAKEN_APART)
    attrs = {key: _value(raw) for key, raw in _sent(sent).items() if is_wanted(key)}
    is_answered = stored.status_code != STATUS_ERROR
    word = stored.name.split()[0] if stored.name.split() else ""
    return RawSpan(
        trace_id=trace_id_of(stored.trace_id),
        span_id=span_id_of(stored.span_id),
        parent_span_id=span_id_of(stored.parent_id),
        name=stored.name,
        kind=SPAN_CLIENT,
        start_ns=stored.start_ns,
        end_ns=stored.end_ns,
        status_code=stored.status_code,
        status_message=stored.status_message,
        trace_state="",
        attrs=attrs,
        events=tuple(
            RawEvent(
                name, time_ns, {key: _value(raw) for key, raw in told.items() if is_wanted(key)}
            )
            for name, time_ns, told in stored.events
        ),
        resource=Resource(dict(stored.resource)),
        scope=Scope(f"pulled.{word}" if word and is_answered else ""),
    )


def _sent(attrs: Mapping[str, Raw]) -> Mapping[str, Raw]:
    """What was sent of what is stored."""
    own = {key for key in attrs if key.startswith(_ADDED_BY_MLFLOW)}
    others = attrs.keys() - own
    is_gen_ai = any(key.startswith("gen_ai.") for key in others)
    dropped = set(_OWN_PRICES)
    if is_gen_ai:
        dropped |= {key for key in others if key.startswith(_ADDED_BESIDE_GEN_AI)}
    if any(key.startswith(("gen_ai.", "llm.", "ai.", "openinference.")) for key in others):
        dropped |= own
    return {key: raw for key, raw in attrs.items() if key not in dropped}


def together(attrs: Mapping[str, Raw], key: str) -> Mapping[str, Raw]:
    """Attributes whose JSON below a key is one text again; Phoenix takes it apart."""
    below = {k.removeprefix(key + "."): raw for k, raw in attrs.items() if k.startswith(key + ".")}
    if not below:
        return attrs
    whole: dict[str, Any] = {}
    for path, raw in below.items():
        *parents, last = path.split(".")
        place = whole
        for parent in parents:
            place = place.setdefault(parent, {})
        place[last] = _value(raw)
    kept = {k: raw for k, raw in attrs.items() if not k.startswith(key + ".")}
    return {**kept, key: Raw(msgspec.json.encode(msgspec.json.encode(whole).decode()))}


def _value(raw: Raw) -> Any:
    return msgspec.json.decode(raw)
