"""Mistral's own SDK, `mistralai`: spans of the tracer that it has built in.

Source: mistralai 1.12 and 3.7, `mistralai/extra/observability/otel.py`. Version 1 names a span
after the operation of its API and tells no more of one that streams; 3 keeps to the conventions.
"""

from __future__ import annotations

from ..schema import CHAT, EMBEDDINGS, IGNORE, Dialect, Kind, RecordView, keys

_TEXT = Kind("call", "text_completion")
_MODERATION = Kind("call", "moderation")
_OPERATIONS = {
    "chat_completion_v1_chat_completions_post": CHAT,
    "stream_chat": CHAT,
    "agents_completion_v1_agents_completions_post": CHAT,
    "stream_agents": CHAT,
    "fim_completion_v1_fim_completions_post": _TEXT,
    "stream_fim": _TEXT,
    "embeddings_v1_embeddings_post": EMBEDDINGS,
    "moderations_v1_moderations_post": _MODERATION,
    "chat_moderations_v1_chat_moderations_post": _MODERATION,
}


def _refine(view: RecordView, kind: Kind) -> Kind:
    """What no attribute calls anything is known by the span's name."""
    return kind if kind is not IGNORE else _OPERATIONS.get(view.span_name(), kind)


DIALECT = Dialect(
    name="mistral",
    scopes=("mistralai_sdk_tracer",),
    kind_keys=("gen_ai.operation.name", "mistral_ai.operation.id"),
    kinds=_OPERATIONS,
    fields={"error_type": keys("mistral_ai.error.type")},
    refine=_refine,
)
