"""Scores as the SDKs of Langfuse and LangSmith send them to their own servers.

Source: langfuse 5 (`POST /api/public/scores` with a list; older ones `/api/public/ingestion` with
events), langsmith 0.14 (`POST /feedback`); the ids as their OpenTelemetry exports make them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...dialects import NO_SCORE, Result, Score, score_of
from ...model import JudgeKind
from ...score_items import InvalidItem, ScoreItem, span_id_of, text_of, time_ns_of, trace_id_of

_LANGFUSE_KINDS: Mapping[str, JudgeKind] = {"API": "llm", "EVAL": "llm", "ANNOTATION": "human"}
_LANGSMITH_KINDS: Mapping[str, JudgeKind] = {
    "api": "llm", "model": "llm", "auto_eval": "llm", "app": "human",
}  # fmt: skip


def read_langfuse(item: Mapping[str, Any]) -> ScoreItem:
    """One score of Langfuse.

    Raises: InvalidItem when it is none.
    """
    value = item.get("value")
    if item.get("dataType") == "BOOLEAN" and isinstance(value, int | float):
        value = bool(value)
    is_word = isinstance(value, str)
    return ScoreItem(
        result=Result(
            name=_required(item, "name"),
            score=NO_SCORE if is_word else _score(value),
            label=text_of(item, "value") if is_word else "",
            kind=_LANGFUSE_KINDS.get(text_of(item, "source"), "llm"),
        ),
        item_id=text_of(item, "id"),
        trace_id=trace_id_of(item.get("traceId")),
        span_id=span_id_of(item.get("observationId")),
        time_ns=time_ns_of(item.get("timestamp")),
        environment=text_of(item, "environment"),
    )


def read_langfuse_event(event: Mapping[str, Any]) -> ScoreItem | None:
    """The score in an event of a batch; None for events of other things.

    Raises: InvalidItem when it is none.
    """
    if event.get("type") != "score-create":
        return None
    body = event.get("body")
    if not isinstance(body, dict):
        raise InvalidItem("body: allowed: an object")
    return read_langfuse(body)


def read_langsmith(item: Mapping[str, Any]) -> ScoreItem:
    """One feedback of LangSmith.

    Raises: InvalidItem when it is none.
    """
    source = item.get("feedback_source")
    kind = text_of(source, "type") if isinstance(source, dict) else ""
    value = item.get("value")
    run, trace = item.get("run_id"), item.get("trace_id")
    score = item.get("score")
    label = text_of(item, "value") if isinstance(value, str) else ""
    return ScoreItem(
        result=Result(
            name=_required(item, "key"),
            score=_score(score),
            label=label,
            kind=_LANGSMITH_KINDS.get(kind, "llm"),
        ),
        item_id=text_of(item, "id"),
        # A run without a trace named is taken for the root, whose id is the trace's.
        trace_id=trace_id_of(trace or run),
        span_id=span_id_of(run),
        time_ns=time_ns_of(item.get("created_at")),
    )


def _required(item: Mapping[str, Any], key: str) -> str:
    found = text_of(item, key)
    if not found:
        raise InvalidItem(f"{key}: allowed: a text of 1 to 256 characters")
    return found


def _score(value: object) -> Score:
    if isinstance(value, list | dict):
        raise InvalidItem("value: allowed: a number, true, false or a text")
    return score_of(value)  # type: ignore[arg-type]
