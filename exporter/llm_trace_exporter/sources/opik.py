"""Opik: feedback scores of traces, spans and threads of a project.

Source: opik 2.2.122 (`rest_api`). Lists are streams of a JSON object a line, newest first by an id
that is a UUIDv7; the next page begins below the last id. A row has all its scores, which have no
id: a name and who gave it tell one from another. A metric that fails writes no score.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
from msgspec import Struct

from ..dialects import NO_SCORE, Result, score_of
from ..model import JudgeKind
from ..score_items import ScoreItem, span_id_of, trace_id_of
from .errors import SourceError
from .rows import Rows, iso_of, lines_of, list_of, unix_ns
from .system import Ask, Page, Told, Walk

NAME = "opik"
_AT_ONCE = 1_000
_KINDS: Mapping[str, JudgeKind] = {"online_scoring": "llm", "sdk": "llm", "ui": "human"}
_NOT_PRODUCTION = frozenset({"experiment", "playground", "optimization", "evaluator"})
_TEXTS = ("input", "output", "metadata", "tags", "error_info", "comments", "created_by", "usage")
_NOT_OF_SPANS = ("span_feedback_scores", "guardrails_validations", "providers")
_SEARCHES: Mapping[str, tuple[str, str, tuple[str, ...]]] = {
    "traces": ("/api/v1/private/traces/search", "last_retrieved_id", (*_TEXTS, *_NOT_OF_SPANS)),
    "spans": ("/api/v1/private/spans/search", "last_retrieved_id", _TEXTS),
    "threads": (
        "/api/v1/private/traces/threads/search", "last_retrieved_thread_model_id", (),
    ),
}  # fmt: skip
"""Step -> (path, where the next page begins, members that are not asked for)."""


class _By(Struct):
    value: float | str | None = None
    source: str | None = None
    category_name: str | None = None
    last_updated_at: datetime | None = None


class _Score(Struct):
    name: str
    value: float | str | None = None
    source: str = ""
    category_name: str | None = None
    created_at: datetime | None = None
    last_updated_at: datetime | None = None
    last_updated_by: str | None = None
    value_by_author: dict[str, _By] | None = None


class _Experiment(Struct):
    id: str


class _Row(Struct):
    id: str
    trace_id: str | None = None
    thread_model_id: str | None = None
    model: str | None = None
    environment: str | None = None
    source: str | None = None
    experiment: _Experiment | None = None
    feedback_scores: list[_Score] | None = None


class _Position(Struct):
    id: str
    thread_model_id: str | None = None


_ROWS = Rows(_Row, "")
_position = msgspec.json.Decoder(_Position)


class Opik:
    """Implements `System`."""

    name = NAME

    def headers(self, credentials: str) -> Mapping[str, str]:
        """`workspace:key`, or a key alone where there is one workspace."""
        workspace, _, key = credentials.rpartition(":")
        told = {"Authorization": key}
        return {**told, "Comet-Workspace": workspace} if workspace else told

    def first(self, walk: Walk) -> tuple[Ask, ...]:
        """Traces, spans and threads that began in the window."""
        return tuple(_ask(step, walk) for step in _SEARCHES)

    def read(self, walk: Walk, ask: Ask, body: bytes) -> Page:
        """What an answer says.

        Raises: SourceError where it is not what Opik writes.
        """
        lines = lines_of(body)
        if not lines:
            return Page()
        rows, _, unread = _ROWS.read(list_of(lines))
        last = _last(lines[-1])
        rows = [row for row in rows if _began_ns(_target(row)) >= walk.since_ns]
        told = tuple(one for row in rows for one in _told(ask.step, row))
        times = [_began_ns(_target(row)) for row in rows]
        page = Page(
            len(rows),
            max(times, default=0),
            told,
            complete=frozenset(map(_target, rows)),
            unread=unread,
        )
        # Servers that do not know the window tell of all there ever was, newest first.
        if len(lines) < ask.limit or _began_ns(last) < walk.since_ns:
            return page
        body_after = {**(ask.body or {}), _SEARCHES[ask.step][1]: last}
        return replace(page, asks=(replace(ask, body=body_after),))


def _ask(step: str, walk: Walk) -> Ask:
    path, _, unwanted = _SEARCHES[step]
    told: dict[str, Any] = {
        _project_key(walk.project): walk.project,
        "from_time": iso_of(walk.since_ns),
        "to_time": iso_of(walk.until_ns),
        "truncate": True,
    }
    if unwanted:
        told["exclude"] = unwanted
    # Older servers have no threads.
    return Ask(step, path, body=told, limit=_AT_ONCE, may_be_absent=step == "threads")


def _project_key(project: str) -> str:
    try:
        UUID(project)
    except ValueError:
        return "project_name"
    return "project_id"


def _last(line: bytes) -> str:
    """Where the next page begins: the stream's own position, whether its row can be read or not.

    Raises: SourceError where the stream ends with something else: it broke off.
    """
    try:
        told = _position.decode(line)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise SourceError("the answer broke off") from error
    return told.thread_model_id or told.id


def _began_ns(row_id: str) -> int:
    """When a UUIDv7 was made, Unix nanoseconds; 0 for anything else."""
    try:
        known = UUID(row_id)
    except ValueError:
        return 0
    return (known.int >> 80) * 1_000_000 if known.version == 7 else 0


def _target(row: _Row) -> str:
    return row.thread_model_id or row.id


def _told(step: str, row: _Row) -> Iterator[Told]:
    is_span = step == "spans"
    run = row.experiment.id if row.experiment is not None else ""
    if row.source in _NOT_PRODUCTION and not run:
        return
    target, trace = _target(row), row.trace_id if is_span else row.id
    began_ns = _began_ns(target)
    for score in row.feedback_scores or ():
        for author, by in _by_author(score):
            if by.value is None and not by.category_name:
                continue
            result = Result(
                name=score.name,
                score=NO_SCORE if by.value is None else score_of(by.value),
                label=by.category_name or "",
                kind=_KINDS.get(by.source or score.source, "llm"),
            )
            item = ScoreItem(
                result,
                item_id="\0".join((target, score.name, author)),
                trace_id=trace_id_of(trace) if step != "threads" else b"",
                span_id=span_id_of(row.id) if is_span else b"",
                time_ns=unix_ns(by.last_updated_at or score.created_at) or began_ns,
                environment=row.environment or "",
                model=row.model or "",
            )
            yield Told(item, target, began_ns, (score.name, author), run=run)


def _by_author(score: _Score) -> Iterator[tuple[str, _By]]:
    """Who gave a score and what: its own value is the mean of all that several gave."""
    if score.value_by_author:
        yield from score.value_by_author.items()
        return
    at = score.last_updated_at or score.created_at
    author = score.last_updated_by or ""
    yield author, _By(score.value, score.source, score.category_name, at)
