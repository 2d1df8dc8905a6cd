"""TruLens. Source: truera/trulens, `src/otel/semconv`. Cost ignores the cached-token price."""

from __future__ import annotations

from ..schema import (
    AGENT,
    CHAT,
    EVALUATOR,
    GUARDRAIL,
    OTHER,
    RERANK,
    RETRIEVAL,
    STRUCTURE,
    TOOL,
    VERDICT,
    Dialect,
    key,
    keys,
)

_O = "ai.observability"

DIALECT = Dialect(
    name="trulens",
    detect_by=(f"{_O}.span_type",),
    kind_keys=(f"{_O}.span_type",),
    kinds={
        "generation": CHAT,
        "retrieval": RETRIEVAL,
        "reranking": RERANK,
        "tool": TOOL,
        "mcp": TOOL,
        "agent": AGENT,
        "guardrail": GUARDRAIL,
        "workflow_step": OTHER,
        "graph_node": OTHER,
        "graph_task": OTHER,
        "record_root": STRUCTURE,
        "nested_record_root": STRUCTURE,
        "unknown": STRUCTURE,
        "eval_root": VERDICT,
        "eval": EVALUATOR,
        "eval_decision": EVALUATOR,
    },
    fields={
        "response_model": keys(f"{_O}.cost.model", f"{_O}.reranking.model_name"),
        "input": keys(f"{_O}.cost.num_prompt_tokens"),
        "output": keys(f"{_O}.cost.num_completion_tokens"),
        "total": keys(f"{_O}.cost.num_tokens"),
        "reasoning": keys(f"{_O}.cost.num_reasoning_tokens"),
        "cost": keys(f"{_O}.cost.cost"),
        "cost_currency": keys(f"{_O}.cost.cost_currency"),
        "streaming": keys(f"{_O}.generation.is_streaming"),
        "ttft": keys(key(f"{_O}.generation.time_to_first_token_ms", scale=1e-3)),
        "error_text": keys(f"{_O}.call.error"),
        "documents": keys(f"{_O}.retrieval.num_contexts", "gen_ai.retrieval.documents"),
        "judge": keys(f"{_O}.eval_root.metric_name"),
        "judge_score": keys(f"{_O}.eval_root.score"),
        "judge_error": keys(f"{_O}.eval_root.error"),
        "guardrail": keys(f"{_O}.guardrail.name"),
        "guardrail_passed": keys(f"{_O}.guardrail.passed"),
    },
    untrusted_cost=True,
    verdicts_by_field=True,
)
