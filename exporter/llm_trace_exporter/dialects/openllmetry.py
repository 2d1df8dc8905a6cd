"""OpenLLMetry (Traceloop). Source: traceloop/openllmetry, `opentelemetry-semantic-conventions-ai`."""

from __future__ import annotations

from .semconv import OPERATIONS
from .table import AGENT, COPY, OTHER, STRUCTURE, TOOL, WORKFLOW, Dialect, key, keys

DIALECT = Dialect(
    name="openllmetry",
    marks=(
        "traceloop.span.kind",
        "traceloop.workflow.name",
        "traceloop.entity.name",
        "gen_ai.is_streaming",
        "llm.request.type",
    ),
    scopes=("traceloop.", "opentelemetry.instrumentation.openai.v1"),
    # A workflow says `invoke_agent` in gen_ai.operation.name: the structure key decides first.
    kind_keys=("traceloop.span.kind", "gen_ai.operation.name", "llm.request.type"),
    kinds={
        **OPERATIONS,
        "workflow": WORKFLOW,
        "task": OTHER,
        "agent": AGENT,
        "tool": TOOL,
        "session": STRUCTURE,
        "unknown": STRUCTURE,
        "guardrail.run": COPY,
    },
    fields={
        "tool": keys("gen_ai.tool.name", "traceloop.entity.name"),
        "agent": keys("gen_ai.agent.name", "traceloop.entity.name"),
        "workflow": keys("traceloop.workflow.name", "traceloop.entity.name"),
        "retriever": keys("db.system", "gen_ai.data_source.id"),
        "retries": keys(key("traceloop.retry.count")),
    },
    first_token_events=("gen_ai.content.completion.chunk",),
)
