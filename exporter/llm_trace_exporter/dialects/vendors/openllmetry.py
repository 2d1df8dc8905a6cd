"""OpenLLMetry (Traceloop).

Source: traceloop/openllmetry, `opentelemetry-semantic-conventions-ai`.
"""

from __future__ import annotations

from ..kinds import kind_of
from ..schema import (
    AGENT,
    COPY,
    OTHER,
    STRUCTURE,
    TOOL,
    WORKFLOW,
    Dialect,
    Kind,
    RecordView,
    keys,
)


def _refine(view: RecordView, kind: Kind) -> Kind:
    """A task or workflow around nothing else may itself be the request or retrieval it names."""
    if kind not in (OTHER, WORKFLOW):
        return kind
    named = kind_of(view.text("operation"))
    return named if named.role == "call" or named.name == "retrieval" else kind


DIALECT = Dialect(
    name="openllmetry",
    detect_by=(
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
        "workflow": WORKFLOW,
        "task": OTHER,
        "agent": AGENT,
        "tool": TOOL,
        "session": STRUCTURE,
        "unknown": STRUCTURE,
        "guardrail.run": COPY,
    },
    fields={
        "operation": keys("gen_ai.operation.name"),
        "tool": keys("gen_ai.tool.name", "traceloop.entity.name"),
        "agent": keys("gen_ai.agent.name", "traceloop.entity.name"),
        "workflow": keys("traceloop.workflow.name", "traceloop.entity.name"),
        "retriever": keys("db.system", "gen_ai.data_source.id"),
    },
    first_token_events=("gen_ai.content.completion.chunk",),
    refine=_refine,
)
