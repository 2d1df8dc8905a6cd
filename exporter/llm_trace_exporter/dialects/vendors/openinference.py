"""OpenInference (Arize Phoenix). Source: Arize-ai/openinference, `spec/semantic_conventions.md`."""

from __future__ import annotations

from ..schema import (
    AGENT,
    CHAT,
    EMBEDDINGS,
    EVALUATOR,
    GUARDRAIL,
    OTHER,
    RERANK,
    RETRIEVAL,
    STRUCTURE,
    TOOL,
    Dialect,
    Kind,
    RecordView,
    key,
    keys,
)

_OUTPUT = "llm.output_messages.0.message.role"
_STREAM_EVENT = "First Token Stream Event"
_AGENTS_LAST = Kind("call", "chat", loops=True)
"""google-adk 1.0.5 writes the calls of an agent on the agent's span, as ADK 2.13 names it."""


def _refine(view: RecordView, kind: Kind) -> Kind:
    """LlamaIndex marks its argument preparation as LLM too, OpenAI Agents a handoff as TOOL."""
    if kind is TOOL and view.span_name().startswith("handoff to "):
        return STRUCTURE
    if kind is CHAT and view.span_name().startswith("invoke_agent "):
        return _AGENTS_LAST
    if kind is not CHAT or view.record_failed():
        return kind
    answered = (
        view.count("input") is not None
        or view.count("output") is not None
        or view.raw("finish") is not None
        or _OUTPUT in view.attrs
        or any(event.name == _STREAM_EVENT for event in view.events)
    )
    looks_prepared = view.span_name().rpartition(".")[2].startswith("_prepare")
    return STRUCTURE if looks_prepared and not answered else kind


DIALECT = Dialect(
    name="openinference",
    detect_by=("openinference.span.kind",),
    kind_keys=("openinference.span.kind",),
    kinds={
        "llm": CHAT,
        "embedding": EMBEDDINGS,
        "reranker": RERANK,
        "retriever": RETRIEVAL,
        "tool": TOOL,
        "agent": AGENT,
        "chain": OTHER,
        "guardrail": GUARDRAIL,
        "evaluator": EVALUATOR,
        "prompt": STRUCTURE,
        "decision": STRUCTURE,
        "unknown": STRUCTURE,
    },
    fields={
        "provider": keys("llm.provider", "llm.system"),
        "request_model": keys("llm.request.model_name"),
        # A stream of Groq's SDK is told without any other word of the model (0.1.33).
        "fallback_model": keys(key("llm.invocation_parameters", "model")),
        "response_model": keys(
            "llm.response.model_name",
            "llm.model_name",
            "embedding.model_name",
            "reranker.model_name",
        ),
        "input": keys("llm.token_count.prompt"),
        "output": keys("llm.token_count.completion"),
        "total": keys("llm.token_count.total"),
        "cache_read": keys(
            "llm.token_count.prompt_details.cache_read",
            "llm.token_count.prompt_details.cache_input",
        ),
        "cache_write": keys("llm.token_count.prompt_details.cache_write"),
        "reasoning": keys("llm.token_count.completion_details.reasoning"),
        "audio_input": keys("llm.token_count.prompt_details.audio"),
        "audio_output": keys("llm.token_count.completion_details.audio"),
        "cost": keys("llm.cost.total"),
        "cost_input": keys("llm.cost.prompt"),
        "cost_output": keys("llm.cost.completion"),
        "cost_cache_read": keys("llm.cost.prompt_details.cache_read"),
        "cost_cache_write": keys("llm.cost.prompt_details.cache_write"),
        "finish": keys("llm.finish_reason"),
        "tool": keys("tool.name"),
        "agent": keys("agent.name", "graph.node.id"),
        "retriever": keys(key("metadata", "ls_retriever_name")),
    },
    first_token_events=(_STREAM_EVENT,),
    refine=_refine,
)
