"""Langfuse SDK. Source: langfuse/langfuse-python, `langfuse/_client/attributes.py`.

`usage_details` is open: its keys are disjoint, whatever they are called (Langfuse sums them),
but for counts inside `*_details`, which are part of the input, as OpenAI sends them. The SDK's
LangChain handler writes keys such as `input_flex_cache_read` (langfuse 5.0.4).
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
        "usage_object": keys(key(_USAGE, additive=True)),
        "cost": keys(key(_COST, "total")),
        "cost_input": keys(key(_COST, "input")),
        "cost_output": keys(key(_COST, "output")),
        "first_token_at": keys("langfuse.observation.completion_start_time"),
        "finish": keys(f"{_META}.finish_reason"),
        "level": keys("langfuse.observation.level"),
        "error_text": keys("langfuse.observation.status_message"),
    },
)
