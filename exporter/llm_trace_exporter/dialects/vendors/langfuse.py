"""Langfuse SDK. Source: langfuse/langfuse-python, `langfuse/_client/attributes.py`.

`usage_details` comes in several shapes. Flat cache keys are additive (Langfuse sums the keys);
counts inside `*_details` are part of the input, as OpenAI sends them.
"""

from __future__ import annotations

from ..schema import (
    AGENT,
    CHAT,
    EMBEDDINGS,
    EVALUATOR,
    GUARDRAIL,
    OTHER,
    RETRIEVAL,
    STRUCTURE,
    TOOL,
    Dialect,
    key,
    keys,
)

_USAGE = "langfuse.observation.usage_details"
_COST = "langfuse.observation.cost_details"
_META = "langfuse.observation.metadata"

DIALECT = Dialect(
    name="langfuse",
    detect_by=("langfuse.observation.type",),
    kind_keys=("langfuse.observation.type",),
    kinds={
        "generation": CHAT,
        "embedding": EMBEDDINGS,
        "span": OTHER,
        "chain": OTHER,
        "agent": AGENT,
        "tool": TOOL,
        "retriever": RETRIEVAL,
        "evaluator": EVALUATOR,
        "guardrail": GUARDRAIL,
        "event": STRUCTURE,
    },
    fields={
        "response_model": keys("langfuse.observation.model.name"),
        "response_id": keys(f"{_META}.id"),
        "service_tier": keys(f"{_META}.service_tier"),
        "input": keys(
            key(_USAGE, "input"), key(_USAGE, "input_tokens"), key(_USAGE, "prompt_tokens")
        ),
        "output": keys(
            key(_USAGE, "output"), key(_USAGE, "output_tokens"), key(_USAGE, "completion_tokens")
        ),
        "total": keys(key(_USAGE, "total"), key(_USAGE, "total_tokens")),
        "cache_read": keys(
            key(_USAGE, "cache_read_input_tokens", additive=True),
            key(_USAGE, "input_cached_tokens", additive=True),
            key(_USAGE, "input_cache_read", additive=True),
            key(_USAGE, "prompt_tokens_details", "cached_tokens"),
            key(_USAGE, "input_tokens_details", "cached_tokens"),
        ),
        "cache_write": keys(
            key(_USAGE, "cache_creation_input_tokens", additive=True),
            key(_USAGE, "input_cache_creation", additive=True),
        ),
        "reasoning": keys(
            key(_USAGE, "output_reasoning_tokens", additive=True),
            key(_USAGE, "output_reasoning", additive=True),
            key(_USAGE, "completion_tokens_details", "reasoning_tokens"),
            key(_USAGE, "output_tokens_details", "reasoning_tokens"),
        ),
        "audio_input": keys(
            key(_USAGE, "input_audio_tokens", additive=True),
            key(_USAGE, "prompt_tokens_details", "audio_tokens"),
        ),
        "audio_output": keys(
            key(_USAGE, "output_audio_tokens", additive=True),
            key(_USAGE, "completion_tokens_details", "audio_tokens"),
        ),
        "cost": keys(key(_COST, "total")),
        "cost_input": keys(key(_COST, "input")),
        "cost_output": keys(key(_COST, "output")),
        "first_token_at": keys("langfuse.observation.completion_start_time"),
        "finish": keys(f"{_META}.finish_reason"),
        "level": keys("langfuse.observation.level"),
        "error_text": keys("langfuse.observation.status_message"),
    },
)
