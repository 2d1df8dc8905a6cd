"""What senders make of a trace on its way: calls told twice, in nobody's words, or as nonsense."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from random import Random
from zlib import crc32

from msgspec import structs

from ..otlp.records import RawSpan
from .effects import Effects

_INPUT = ("gen_ai.usage.input_tokens", "llm.token_count.prompt")
"""Attributes that only a call has."""
_KNOWN = ("gen_ai.", "llm.", "openinference.", "retrieval.", "evaluations.", "reranker.")


def sent_as(spans: Sequence[RawSpan], effects: Effects, chance: Random) -> tuple[RawSpan, ...]:
    """The spans of a trace as they leave; they are changed in place."""
    if chance.random() < effects.unknown:
        for span in spans:
            span.attrs = {
                _meaningless(key) if key.startswith(_KNOWN) else key: value
                for key, value in span.attrs.items()
            }
            span.events = ()
    return tuple(one for span in spans for one in _as_sent(span, effects, chance))


def _meaningless(key: str) -> str:
    """Another name: one that still had its words would be read by them."""
    return f"acme.{crc32(key.encode()):08x}"


def _as_sent(span: RawSpan, effects: Effects, chance: Random) -> Iterator[RawSpan]:
    tokens = next((key for key in _INPUT if key in span.attrs), None)
    if tokens is not None:
        if chance.random() < effects.wrapped:
            outer = structs.replace(span, span_id=chance.randbytes(8), attrs=dict(span.attrs))
            span.parent_span_id, span.events = outer.span_id, ()
            yield outer
        if chance.random() < effects.invalid:
            span.attrs[tokens] = -1
    yield span
