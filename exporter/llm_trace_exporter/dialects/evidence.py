"""Whether a span that no vocabulary calls a call is one nevertheless.

A model and tokens on one span are a call, unless another record of the trace tells the same
tokens, which `correlation` finds out. A span that failed tells no tokens: there the model and the
look of a client's request must do.
"""

from __future__ import annotations

from ..otlp.records import SPAN_CLIENT
from .outcome import failure_of
from .schema import EMBEDDINGS, IGNORE, LEFT_OUT, Kind, RecordView

_MODELS = ("request_model", "response_model", "fallback_model")
_CHAT = Kind("call", "chat")
_NEVER = ("copy", "evaluator", "verdict")
_SUMS = ("other", "workflow")
"""Steps whose usage without a model is that of calls beneath them."""
_NO_STEPS = ("tool", "retrieval", "guardrail", "memory")


def suspected(view: RecordView, kind: Kind, tokens: int) -> Kind | None:
    """The call that a span may be, going by what is on it; None where nothing speaks for it.

    Args:
        kind: What its own words say.
        tokens: How many are written on it.
    """
    if kind is LEFT_OUT or kind.role in _NEVER or kind.name in _NO_STEPS:
        return None
    if kind is not IGNORE and not tokens:
        return _CHAT if kind.name == "other" and _holds_request(view) else None
    has_model = any(view.text(fact) for fact in _MODELS)
    if kind is not IGNORE:
        # What encloses others tells their sum; one answer's id says that it asked itself.
        if has_model:
            return _as_call(view) if view.text("response_id") else None
        # Calls beneath may lack what it tells: MLflow's of DSPy do.
        return _CHAT if kind.name in _SUMS else None
    if tokens and has_model:
        return _as_call(view)
    if has_model and _looks_like_request(view) and failure_of(view, unanswered=not tokens):
        return _as_call(view)
    return None


def _holds_request(view: RecordView) -> bool:
    """Whether a chain names the model, who serves it and what was asked of it: Instructor's do."""
    facts = view.locations
    return "fallback_model" in facts and "provider" in facts and "response_model" in facts


def _looks_like_request(view: RecordView) -> bool:
    """Whether a failed span is a client's, or names only what a request would."""
    span_kind = getattr(view.record, "kind", 0)
    return span_kind == SPAN_CLIENT or bool(view.text("provider")) or not view.record_failed()


def _as_call(view: RecordView) -> Kind:
    names = f"{view.span_name()} {view.text('request_model')}".lower()
    return EMBEDDINGS if "embed" in names else _CHAT
