"""What emitters call a span, in whatever attribute they say it: one vocabulary for all.

It sharpens what the evidence on a span says, and is never the only gate: a call whose kind nobody
has listed still counts where it tells a model and tokens.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache

from .schema import (
    AGENT,
    CHAT,
    COPY,
    EMBEDDINGS,
    EVALUATOR,
    GUARDRAIL,
    IGNORE,
    MEMORY,
    OTHER,
    RERANK,
    RETRIEVAL,
    STRUCTURE,
    TOOL,
    VERDICT,
    WORKFLOW,
    Kind,
)

_TEXT = Kind("call", "text_completion")
_MODERATION = Kind("call", "moderation")
_IMAGE = Kind("call", "image")
_AUDIO = Kind("call", "audio")

_WORDS: tuple[tuple[Kind, str], ...] = (
    (
        CHAT,
        "chat acompletion completion completions responses aresponses response llm_call message"
        " messages llm model generation chat_model chat_completion chat_completions"
        " model_inference llm_request generate_text inference converse invoke_model",
    ),
    (_TEXT, "text_completion atext_completion"),
    (Kind("call", "generate_content"), "generate_content"),
    (EMBEDDINGS, "embeddings embedding aembedding embed embedder create_embedding"),
    (RERANK, "rerank arerank reranker reranking"),
    (_MODERATION, "moderation amoderation moderations"),
    (_IMAGE, "image image_generation aimage_generation"),
    (_AUDIO, "audio transcription atranscription speech aspeech"),
    (
        RETRIEVAL,
        "retrieval retriever retrieve vector_db_retrieve rag vector_store vectordb indexer",
    ),
    (TOOL, "execute_tool tool tool_call tool_use function function_call mcp"),
    (AGENT, "invoke_agent agent agent_run"),
    (WORKFLOW, "invoke_workflow workflow workflow_run flow"),
    (OTHER, "create_agent chain task plan workflow_step"),
    (
        STRUCTURE,
        "agent_step execute_event_loop_cycle schedule_tool_calls fetch_response experiment"
        " framework model_generation model_step model_chunk util prompt parser session default"
        " advisor chat_client response_resume handoff models.list list_models",
    ),
    (COPY, "data_evaluation_results guardrail.run"),
    (
        MEMORY,
        "memory create_memory search_memory update_memory upsert_memory delete_memory"
        " create_memory_store delete_memory_store",
    ),
    (GUARDRAIL, "guard guardrail apply_guardrail"),
    (EVALUATOR, "evaluator"),
    (VERDICT, "evaluation"),
)

KINDS: Mapping[str, Kind] = {word: kind for kind, words in _WORDS for word in words.split()}
"""Lower-case value of a kind attribute -> what the span is."""

_LISTS = re.compile(r"(?:^|\.)models\.(?:list|retrieve)$")
_METHODS: tuple[tuple[re.Pattern[str], Kind], ...] = tuple(
    (re.compile(rf"(?:^|[./_]){pattern}(?:[./_]|$)"), kind)
    for pattern, kind in (
        (r"embed(?:ding)?s?", EMBEDDINGS),
        (r"rerank(?:ing)?", RERANK),
        (r"moderations?", _MODERATION),
        (r"(?:chat|responses|messages|completions?|converse|generate_?content)", CHAT),
    )
)
"""Methods of SDKs, as `openai.chat.completions.create`, which some write for the operation."""


def kind_of(written: str, kinds: Mapping[str, Kind] = KINDS) -> Kind:
    """What a kind attribute's value says; IGNORE where no word of it is known."""
    value = written.lower()
    return kinds.get(value) or _of_parts(value)


@lru_cache(maxsize=4_096)
def _of_parts(value: str) -> Kind:
    found = KINDS.get(value.replace("-", "_").replace(" ", "_"))
    if found is not None or ("." not in value and "/" not in value):
        return found or IGNORE
    if _LISTS.search(value):
        return STRUCTURE
    return next((kind for pattern, kind in _METHODS if pattern.search(value)), IGNORE)
