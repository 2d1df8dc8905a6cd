"""Arize AX: evaluations and annotations of a project's spans.

Source: arize 8.61.0 (`POST /v2/spans`, `ListSpansResponse`). Spans come newest first; each has all
its evaluations and annotations, none of which has an id, and evaluations no time either. Texts of
attributes cannot be left out, and are cut to one character each.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import msgspec
from msgspec import Struct

from ..dialects import NO_SCORE, Result, score_of
from ..model import JudgeKind
from ..score_items import ScoreItem, span_id_of, trace_id_of
from .credentials import basic_or_bearer
from .rows import Rows, iso_of, unix_ns
from .system import Ask, Page, Told, Walk

NAME = "arize"
_AT_ONCE = 500
_UNPARSED = "NOT_PARSABLE"
"""The label of a judge whose answer was none of its words."""


class _Context(Struct):
    trace_id: str
    span_id: str


class _Annotator(Struct):
    id: str | None = None
    email: str | None = None


class _Given(Struct):
    """An evaluation, or an annotation."""

    name: str
    score: float | str | None = None
    label: str | None = None
    updated_at: datetime | None = None
    annotator: _Annotator | None = None


class _Span(Struct):
    context: _Context
    start_time: datetime
    end_time: datetime | None = None
    evaluations: list[_Given] | None = None
    annotations: list[_Given] | None = None
    trace_annotations: list[_Given] | None = None


class _Position(Struct):
    next_cursor: str | None = None


_SPANS = Rows(_Span, "spans", "pagination")


@dataclass(frozen=True, slots=True)
class _Search(Ask):
    """What is searched for is posted, how much of it is in the URL."""

    @property
    def query(self) -> list[tuple[str, str]]:
        """The query of the URL."""
        return [*self.params, ("limit", str(self.limit))]

    @property
    def payload(self) -> Mapping[str, Any]:
        """The JSON that is posted."""
        return self.body or {}


class Arize:
    """Implements `System`."""

    name = NAME

    def headers(self, credentials: str) -> Mapping[str, str]:
        """An API key."""
        return basic_or_bearer(credentials)

    def first(self, walk: Walk) -> tuple[Ask, ...]:
        """Spans that began in the window."""
        body = {
            "project_id": walk.project,
            "start_time": iso_of(walk.since_ns),
            "end_time": iso_of(walk.until_ns),
            "truncate_string_length": 1,
        }
        return (_Search("spans", "/v2/spans", body=body, limit=_AT_ONCE),)

    def read(self, walk: Walk, ask: Ask, body: bytes) -> Page:  # noqa: ARG002
        """What an answer says.

        Raises: SourceError where it is not what Arize writes.
        """
        rows, position, unread = _SPANS.read(body)
        told = tuple(one for row in rows for one in _told(row))
        page = Page(
            len(rows),
            max((unix_ns(row.start_time) for row in rows), default=0),
            told,
            complete=frozenset(_target(row) for row in rows),
            unread=unread,
        )
        try:
            after = msgspec.convert(position or {}, _Position).next_cursor
        except msgspec.ValidationError:
            after = None
        return replace(page, asks=(replace(ask, params=(("cursor", after),)),)) if after else page


def _target(row: _Span) -> str:
    return f"{row.context.trace_id}/{row.context.span_id}"


def _told(row: _Span) -> Iterator[Told]:
    for given in row.evaluations or ():
        yield _score(row, given, "llm", _target(row))
    for given in row.annotations or ():
        if given.label or given.score is not None:
            yield _score(row, given, "human", _target(row))
    for given in row.trace_annotations or ():
        if given.label or given.score is not None:
            # Any span of the trace may tell of it.
            yield _score(row, given, "human", row.context.trace_id)


def _score(row: _Span, given: _Given, kind: JudgeKind, target: str) -> Told:
    by = given.annotator or _Annotator()
    key = (given.name, by.id or by.email or "")
    failed = given.label == _UNPARSED
    result = Result(
        name=given.name,
        score=NO_SCORE if given.score is None or failed else score_of(given.score),
        label="" if failed else given.label or "",
        kind=kind,
        failed=failed,
    )
    at_ns = unix_ns(row.start_time)
    item = ScoreItem(
        result,
        item_id="\0".join((target, kind, *key)),
        trace_id=trace_id_of(row.context.trace_id),
        span_id=span_id_of(row.context.span_id) if target == _target(row) else b"",
        time_ns=unix_ns(given.updated_at or row.end_time) or at_ns,
    )
    is_empty = not failed and not given.label and given.score is None
    return Told(item, target, at_ns, key, is_empty=is_empty)
