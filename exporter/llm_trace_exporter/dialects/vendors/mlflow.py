"""MLflow Tracing: every value is JSON-encoded.

Source: mlflow/mlflow, `mlflow/tracing/constant.py`.
"""

from __future__ import annotations

from ..schema import (
    AGENT,
    CHAT,
    EMBEDDINGS,
    EVALUATOR,
    GUARDRAIL,
    MEMORY,
    OTHER,
    RERANK,
    RETRIEVAL,
    STRUCTURE,
    TOOL,
    WORKFLOW,
    Dialect,
    key,
    keys,
)

_USAGE = "mlflow.chat.tokenUsage"
_COST = "mlflow.llm.cost"

DIALECT = Dialect(
    name="mlflow",
    detect_by=("mlflow.spanType",),
    kind_keys=("mlflow.spanType",),
    kinds={
        "llm": CHAT,
        "chat_model": CHAT,
        "embedding": EMBEDDINGS,
        "retriever": RETRIEVAL,
        "reranker": RERANK,
        "tool": TOOL,
        "agent": AGENT,
        "chain": OTHER,
        "parser": STRUCTURE,
        "workflow": WORKFLOW,
        "task": OTHER,
        "guardrail": GUARDRAIL,
        "evaluator": EVALUATOR,
        "memory": MEMORY,
        "unknown": STRUCTURE,
    },
    fields={
        "provider": keys("mlflow.llm.provider"),
        "request_model": keys("model"),
        "response_model": keys("mlflow.llm.model"),
        "usage_object": keys(_USAGE),
        "cost": keys(key(_COST, "total_cost")),
        "cost_input": keys(key(_COST, "input_cost")),
        "cost_output": keys(key(_COST, "output_cost")),
        "streaming": keys("stream"),
    },
    reporters_by_name=True,
    first_token_events=("mlflow.chunk.item.0",),
)
