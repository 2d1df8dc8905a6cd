"""A pipeline step that is not a model call, from what one span or log record says of it."""

from __future__ import annotations

import re
from functools import lru_cache

from ..model import GuardrailAction, Origin, Step, StepKind
from ..otlp.records import Value
from .coerce import count, parse_object
from .outcome import error_of, interval
from .schema import Kind, RecordView

_IDS_IN_NAMES = re.compile(
    r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}|\b[0-9a-f]{16,}\b|\d{6,}",
    re.IGNORECASE,
)


_OPERATION_IN_NAME = re.compile(
    r"^(?:execute_tool|running tool:?|invoke_agent|invoke_workflow|retrieval|vector_db_retrieve"
    r"|apply_guardrail)\s+|\.(?:tool|agent|workflow|task|guard|__call__)$"
)


_ACTIONS: dict[str, GuardrailAction] = {
    **dict.fromkeys(("passed", "pass", "allow", "allowed", "none", "true", "success"), "allow"),
    **dict.fromkeys(
        ("failed", "fail", "block", "blocked", "deny", "denied", "intervened", "false",
         "guardrail_intervened", "reject", "rejected"),
        "block",
    ),
    **dict.fromkeys(("modify", "modified", "redact", "redacted", "mask", "masked", "anonymized",
                     "rewrite", "transform"), "modify"),
    **dict.fromkeys(("warn", "warning", "flag", "flagged", "monitor"), "warn"),
}  # fmt: skip


_STEP_FACTS: dict[str, str] = {
    "tool": "tool",
    "agent": "agent",
    "workflow": "workflow",
    "retrieval": "retriever",
    "guardrail": "guardrail",
}


_MAX_SCORE = 1e300
_DOCUMENT = re.compile(r"^retrieval\.documents\.([0-9]{1,4})\.document\.(\w+)$")


def read_step(view: RecordView, kind: Kind, origin: Origin, weight: float) -> Step:
    """The step that a record tells."""
    step_kind: StepKind = kind.name  # type: ignore[assignment]
    name = view.text(_STEP_FACTS.get(kind.name, ""))
    start_ns, end_ns, is_untimed = interval(view)
    documents, top_score = _documents(view) if step_kind == "retrieval" else (None, None)
    return Step(
        origin=origin,
        start_ns=start_ns,
        end_ns=end_ns,
        kind=step_kind,
        name=clean_name(name or view.span_name()),
        named=bool(name),
        error_type=error_of(view),
        documents=documents,
        top_score=top_score,
        guardrail_action=_action(view) if step_kind == "guardrail" else None,
        weight=weight,
        is_untimed=is_untimed,
    )


@lru_cache(maxsize=4_096)
def clean_name(name: str) -> str:
    """A step's name without the operation around it and without ids that would make it endless."""
    return without_ids(_OPERATION_IN_NAME.sub("", name))


def without_ids(name: str) -> str:
    """A name with `*` for each id in it."""
    return _IDS_IN_NAMES.sub("*", name)


def _action(view: RecordView) -> GuardrailAction | None:
    if view.text("guardrail_error"):
        return None
    status = view.text("guardrail_status") or view.text("guardrail_passed")
    return _ACTIONS.get(status.lower())


def _documents(view: RecordView) -> tuple[int | None, float | None]:
    """How many documents came back, and their best score; None where unknown.

    Raises: RejectedRecord for a number of documents that cannot be.
    """
    highest = -1
    scores: list[Value] = []
    for name, value in view.attrs.items():
        if (matched := _DOCUMENT.match(name)) is not None:
            highest = max(highest, int(matched[1]))
            if matched[2] == "score":
                scores.append(value)
    if highest >= 0:
        return highest + 1, _top(scores)
    documents = view.raw("documents")
    if isinstance(documents, int | float) and not isinstance(documents, bool):
        return count(documents), None
    listed = parse_object(documents)
    if not isinstance(listed, list):
        return None, None
    return len(listed), _top([d.get("score") for d in listed if isinstance(d, dict)])


def _top(scores: list[Value]) -> float | None:
    """The best score; NaN, infinities and what no double can hold are none."""
    numbers = [s for s in scores if isinstance(s, int | float) and not isinstance(s, bool)]
    return max((float(n) for n in numbers if abs(n) <= _MAX_SCORE), default=None)
