"""LangSmith: feedback of a tracing project.

Source: langsmith 0.14.17. Pages are offsets without an order that is promised, so what is missing
from several pages is not taken for deleted; `modified_at` cannot be asked for; a run is a span
whose id is the first half of its UUID, as LangSmith's own OpenTelemetry export has it. A comment
alone is no result.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from msgspec import Struct

from ..dialects import NO_SCORE, Result, score_of
from ..model import JudgeKind
from ..score_items import ScoreItem, span_id_of, trace_id_of
from .rows import Row, Rows, each, iso_of, unix_ns
from .system import Ask, Page, Told, Walk

NAME = "langsmith"
_AT_ONCE = 100
_KINDS: Mapping[str, JudgeKind] = {
    "api": "llm", "model": "llm", "auto_eval": "llm", "app": "human",
}  # fmt: skip


class _From(Struct):
    type: str = ""


class _Feedback(Row):
    id: str
    key: str
    created_at: datetime
    modified_at: datetime | None = None
    run_id: str | None = None
    trace_id: str | None = None
    score: float | bool | None = None
    value: Any = None
    feedback_source: _From | None = None
    comparative_experiment_id: str | None = None
    extra: dict[str, Any] | None = None


_FEEDBACK = Rows(_Feedback, "")


class LangSmith:
    """Implements `System`."""

    name = NAME

    def headers(self, credentials: str) -> Mapping[str, str]:
        """An API key."""
        return {"x-api-key": credentials}

    def first(self, walk: Walk) -> tuple[Ask, ...]:
        """Feedback that was given in the window."""
        params = (
            ("session", walk.project),
            ("min_created_at", iso_of(walk.since_ns)),
            ("max_created_at", iso_of(walk.until_ns)),
            ("offset", "0"),
        )
        return (Ask("feedback", "/api/v1/feedback", params, limit=_AT_ONCE),)

    def read(self, walk: Walk, ask: Ask, body: bytes) -> Page:  # noqa: ARG002
        """What an answer says.

        Raises: SourceError where it is not what LangSmith writes.
        """
        rows, _, unread = _FEEDBACK.read(body)
        told, odd = each(_told, filter(_is_said, rows))
        times = [unix_ns(row.created_at) for row in rows]
        page = Page(len(rows), max(times, default=0), tuple(told), unread=unread + odd)
        offset = int(dict(ask.params)["offset"])
        read = len(rows) + unread
        if read >= ask.limit:
            own = ask.params[:-1]
            following = replace(ask, params=(*own, ("offset", str(offset + read))))
            return replace(page, asks=(following,))
        is_all = not offset and not page.unread
        return replace(page, complete_window=is_all)


def _is_broken(row: _Feedback) -> bool:
    return bool((row.extra or {}).get("error"))


def _is_said(row: _Feedback) -> bool:
    has_value = isinstance(row.value, str | int | float) and row.value != ""
    return row.score is not None or has_value or _is_broken(row)


def _told(row: _Feedback) -> Told:
    source = row.feedback_source or _From()
    label = row.value if isinstance(row.value, str) else ""
    number = row.value if row.score is None and isinstance(row.value, int | float) else row.score
    at_ns = unix_ns(row.created_at)
    return Told(
        ScoreItem(
            Result(
                name=row.key,
                score=NO_SCORE if number is None else score_of(number),
                label=label,
                kind=_KINDS.get(source.type, "llm"),
                failed=_is_broken(row),
            ),
            item_id=row.id,
            # A run without a trace named is taken for the root, whose id is the trace's.
            trace_id=trace_id_of(row.trace_id or row.run_id),
            span_id=span_id_of(row.run_id),
            time_ns=at_ns,
        ),
        row.id,
        at_ns,
        (row.id,),
        run=row.comparative_experiment_id or "",
    )
