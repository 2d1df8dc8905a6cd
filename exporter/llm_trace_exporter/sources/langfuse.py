"""Langfuse: scores and observations of the project that a pair of keys belongs to.

Source: langfuse 5.0.4 (API v3 of scores, v2 of observations), and for servers of version 3, which
answer 404 to these, v2 of scores and v1 of observations. Lists are newest first; a score that is
edited keeps its `timestamp`; the sum of `usageDetails` is among its parts.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

import msgspec
from msgspec import Raw, Struct

from ..dialects import NO_SCORE, Result, score_of
from ..model import JudgeKind
from ..otlp.records import STATUS_ERROR
from ..score_items import ScoreItem, span_id_of, trace_id_of
from .credentials import basic_or_bearer
from .restore_spans import StoredSpan
from .rows import Row, Rows, each, iso_of, unix_ns
from .system import Ask, Page, Told, Walk

NAME = "langfuse"
_SCORES_AT_ONCE = 100
_CALLS_AT_ONCE, _FORMER_CALLS_AT_ONCE = 1_000, 100
_FIELDS = "core,basic,time,model,usage,prompt,metrics,trace_context"
"""Without `io`: texts are not asked for."""
_KINDS: Mapping[str, JudgeKind] = {"API": "llm", "EVAL": "llm", "ANNOTATION": "human"}
_TEXTS = frozenset({"TEXT", "CORRECTION"})
_O = "langfuse.observation."


class _Subject(Struct, rename="camel"):
    kind: str = ""
    id: str = ""
    trace_id: str | None = None


class _Score(Row, rename="camel"):
    id: str
    name: str
    timestamp: datetime
    data_type: str = ""
    source: str = ""
    value: Any = None
    string_value: str | None = None
    updated_at: datetime | None = None
    environment: str | None = None
    subject: _Subject | None = None
    trace_id: str | None = None
    observation_id: str | None = None
    dataset_run_id: str | None = None


class _Observation(Row, rename="camel"):
    id: str
    start_time: datetime
    trace_id: str | None = None
    parent_observation_id: str | None = None
    type: str = ""
    name: str | None = None
    end_time: datetime | None = None
    completion_start_time: datetime | None = None
    level: str | None = None
    status_message: str | None = None
    environment: str | None = None
    provided_model_name: str | None = None
    model: str | None = None
    usage_details: dict[str, int] | None = None
    prompt_name: str | None = None
    prompt_version: int | None = None


class _Meta(Struct, rename="camel"):
    cursor: str | None = None
    page: int = 1
    total_pages: int = 1


_SCORES = Rows(_Score, "data", "meta")
_OBSERVATIONS = Rows(_Observation, "data", "meta")
_PATHS: Mapping[str, tuple[str, str]] = {
    "scores": ("/api/public/v3/scores", "former_scores"),
    "calls": ("/api/public/v2/observations", "former_calls"),
    "former_scores": ("/api/public/v2/scores", ""),
    "former_calls": ("/api/public/observations", ""),
}
"""Step -> (path, the step that stands in where a server does not have it)."""


class Langfuse:
    """Implements `System`."""

    name = NAME

    def headers(self, credentials: str) -> Mapping[str, str]:
        """The public and the secret key with a colon in between."""
        return basic_or_bearer(credentials)

    def first(self, walk: Walk) -> tuple[Ask, ...]:
        """Scores that were given in the window, and observations that began in it."""
        return (_ask("scores", walk), *((_ask("calls", walk),) if walk.with_calls else ()))

    def read(self, walk: Walk, ask: Ask, body: bytes) -> Page:
        """What an answer says.

        Raises: SourceError where it is not what Langfuse writes.
        """
        former = _PATHS[ask.step][1]
        if not body and former:
            return Page(asks=(_ask(former, walk),))
        return _scores(ask, body) if "scores" in ask.step else _calls(walk, ask, body)


def _ask(step: str, walk: Walk) -> Ask:
    path, former = _PATHS[step]
    is_scores = "scores" in step
    since_ns = walk.since_ns if is_scores else max(walk.since_ns, walk.begin_ns)
    names = ("fromTimestamp", "toTimestamp") if is_scores else ("fromStartTime", "toStartTime")
    params = list(zip(names, (iso_of(since_ns), iso_of(walk.until_ns)), strict=True))
    if step == "calls":
        params.append(("fields", _FIELDS))
    elif step == "scores":
        params.append(("fields", "details,subject,annotation"))
    limits = (_CALLS_AT_ONCE if former else _FORMER_CALLS_AT_ONCE, _SCORES_AT_ONCE)
    return Ask(step, path, tuple(params), limit=limits[is_scores], may_be_absent=bool(former))


def _following(ask: Ask, told: Any) -> Ask | None:
    """The next page; the end is known by a cursor or by the number of pages."""
    try:
        meta = msgspec.convert(told or {}, _Meta)
    except msgspec.ValidationError:
        return None
    own = [pair for pair in ask.params if pair[0] not in ("cursor", "page")]
    if meta.cursor:
        return replace(ask, params=(*own, ("cursor", meta.cursor)))
    if meta.page < meta.total_pages:
        return replace(ask, params=(*own, ("page", str(meta.page + 1))))
    return None


def _scores(ask: Ask, body: bytes) -> Page:
    rows, meta, unread = _SCORES.read(body)
    told, odd = each(_told, filter(_is_said, rows))
    unread += odd
    seen = ask.seen | {one.identity for one in told}
    newest_ns = max((unix_ns(row.timestamp) for row in rows), default=0)
    page = Page(len(rows), newest_ns, tuple(told), seen=ask.seen, unread=unread)
    following = _following(ask, meta)
    if following is not None:
        return replace(
            page, asks=(replace(following, seen=seen, had_unread=ask.had_unread or unread > 0),)
        )
    # Numbered pages move while scores come in: what is not seen in them may be there.
    return replace(page, complete_window=not (unread or ask.had_unread) and ask.step == "scores")


def _is_said(row: _Score) -> bool:
    has_value = row.value is not None or bool(row.string_value)
    return has_value and row.data_type not in _TEXTS and not isinstance(row.value, list | dict)


def _told(row: _Score) -> Told:
    about = row.subject or _Subject()
    is_observation = about.kind == "observation"
    trace_id = about.trace_id if is_observation else about.id if about.kind == "trace" else ""
    span_id = about.id if is_observation else row.observation_id or ""
    value = row.value
    if row.data_type == "BOOLEAN" and isinstance(value, int | float):
        value = bool(value)
    label = row.string_value or "" if row.data_type == "CATEGORICAL" else ""
    if isinstance(value, str):
        label, value = value, None
    has_score = row.data_type != "CATEGORICAL" and value is not None
    run = about.id if about.kind == "experiment" else row.dataset_run_id or ""
    at_ns = unix_ns(row.timestamp)
    return Told(
        ScoreItem(
            Result(
                name=row.name,
                score=score_of(value) if has_score else NO_SCORE,
                label=label,
                kind=_KINDS.get(row.source, "llm"),
            ),
            item_id=row.id,
            trace_id=trace_id_of(trace_id or row.trace_id),
            span_id=span_id_of(span_id) if span_id else b"",
            time_ns=at_ns,
            environment=row.environment or "",
        ),
        row.id,
        at_ns,
        (row.id,),
        run=run,
    )


def _calls(walk: Walk, ask: Ask, body: bytes) -> Page:
    rows, meta, unread = _OBSERVATIONS.read(body)
    spans, odd = each(_stored, (row for row in rows if row.trace_id and row.end_time is not None))
    following = _following(ask, meta)
    return Page(
        len(rows),
        max((unix_ns(row.start_time) for row in rows), default=0),
        spans=tuple(span for span in spans if span.start_ns >= walk.begin_ns),
        asks=(following,) if following is not None else (),
        unread=unread + odd,
    )


def _stored(row: _Observation) -> StoredSpan:
    usage = {kind: n for kind, n in (row.usage_details or {}).items() if kind != "total"}
    first_at = row.completion_start_time
    told: dict[str, Any] = {
        f"{_O}type": row.type.lower(),
        f"{_O}model.name": row.provided_model_name or row.model,
        f"{_O}usage_details": msgspec.json.encode(usage).decode() if usage else None,
        f"{_O}completion_start_time": first_at.isoformat() if first_at else None,
        f"{_O}level": row.level,
        f"{_O}status_message": row.status_message,
        f"{_O}prompt.name": row.prompt_name,
        f"{_O}prompt.version": row.prompt_version,
    }
    environment = row.environment or ""
    resource = {"deployment.environment.name": environment} if environment else {}
    return StoredSpan(
        trace_id=row.trace_id or "",
        span_id=row.id,
        parent_id=row.parent_observation_id or "",
        name=row.name or "",
        start_ns=unix_ns(row.start_time),
        end_ns=unix_ns(row.end_time),
        status_code=STATUS_ERROR if row.level == "ERROR" else 0,
        status_message=row.status_message or "",
        attributes={k: Raw(msgspec.json.encode(v)) for k, v in told.items() if v is not None},
        resource=resource,
    )
