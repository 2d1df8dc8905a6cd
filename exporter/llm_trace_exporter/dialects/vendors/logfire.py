"""Pydantic AI, Pydantic Evals and Logfire.

Source: pydantic/pydantic-ai, `pydantic_ai_slim/pydantic_ai/models/instrumented.py`;
pydantic/logfire, `logfire/_internal/integrations/llm_providers`.

`logfire.instrument_openai` writes a stream as two spans in two traces: the request, a few
milliseconds long and without usage, and when the stream ends a span without length that holds
usage and `duration`. The second one is the call.
"""

from __future__ import annotations

from ..schema import COPY, EVALUATOR, IGNORE, STRUCTURE, Dialect, Kind, RecordView, keys

_JUDGE_AGENTS = {"judge_output", "judge_input_output", "judge_expected", "judge"}


def _refine(view: RecordView, kind: Kind) -> Kind:
    """Pending spans repeat what comes later; a stream's request span is told again at its end."""
    span_type = view.text("span_type")
    if span_type == "pending_span":
        return COPY
    if view.span_name().startswith("evaluator:"):
        return EVALUATOR
    if kind.role == "step" and kind.name == "agent" and view.text("agent") in _JUDGE_AGENTS:
        return Kind("step", "agent", judge=True)
    if kind.role == "call" and _is_stream_request(view, span_type):
        return COPY
    return STRUCTURE if kind is IGNORE and span_type == "span" else kind


def _is_stream_request(view: RecordView, span_type: str) -> bool:
    return (
        view.record.scope.name.startswith("logfire.")
        and span_type == "span"
        and not view.record_failed()
        and view.count("input") is None
        and not view.text("response_id")
    )


DIALECT = Dialect(
    name="logfire",
    scopes=("pydantic-ai", "pydantic-evals", "pydantic_ai", "logfire"),
    kind_keys=("gen_ai.operation.name",),
    fields={
        "span_type": keys("logfire.span_type"),
        "duration": keys("duration"),
        "evaluator_source": keys("gen_ai.evaluation.evaluator.source"),
        "agent": keys("gen_ai.agent.name", "agent_name"),
    },
    refine=_refine,
)
