"""Arize Phoenix: spans of a project, and the annotations of each by its ids.

Source: arize-phoenix 20.26. Row ids are given again after a deletion, an annotation names no trace,
nothing says when an annotation changed, and of ids that are all unknown the answer is 404.
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Literal
from urllib.parse import quote

import msgspec
from msgspec import Raw, Struct

from ..dialects import NO_SCORE, Result, score_of
from ..model import JudgeKind
from ..pulled import Identity
from ..score_items import ScoreItem, span_id_of, trace_id_of
from .restore_spans import StoredSpan
from .rows import NOTHING, Row, Rows, batched, each, iso_of, unix_ns
from .system import Ask, Page, Told, Walk

NAME = "phoenix"
_SPANS_AT_ONCE = 1_000
_IDS_AT_ONCE = 1_000
"""The store refuses more."""
_ANNOTATIONS_AT_ONCE = 10_000
_OVERLAP = 200
"""Row ids are given before their rows can be seen."""
_KINDS: Mapping[str, JudgeKind] = {"LLM": "llm", "CODE": "code", "HUMAN": "human"}
_STATUS: Mapping[str, int] = {"OK": 1, "ERROR": 2}


class _Ids(Struct):
    trace_id: str
    span_id: str


class _Span(Row):
    context: _Ids
    start_time: datetime


class _Event(Row):
    name: str = ""
    timestamp: datetime | None = None
    attributes: dict[str, Raw] = msgspec.field(default_factory=dict)


class _Call(Row):
    id: str
    context: _Ids
    start_time: datetime
    end_time: datetime | None = None
    name: str = ""
    span_kind: str = ""
    parent_id: str | None = None
    status_code: str = ""
    status_message: str = ""
    attributes: dict[str, Raw] = msgspec.field(default_factory=dict)
    events: list[_Event] = msgspec.field(default_factory=list)


class _Result(Struct):
    label: str | None = None
    score: float | str | bool | None = None
    explanation: Raw = NOTHING


class _Annotation(Row):
    name: str
    annotator_kind: str = ""
    identifier: str | None = None
    result: _Result | None = None
    updated_at: datetime | None = None
    span_id: str = ""
    trace_id: str = ""


_SPANS = Rows(_Span, "data", "next_cursor")
_CALLS = Rows(_Call, "data", "next_cursor")
_ANNOTATIONS = Rows(_Annotation, "data", "next_cursor")


class Phoenix:
    """Implements `System`."""

    name = NAME

    def headers(self, credentials: str) -> Mapping[str, str]:
        """An API key."""
        return {"Authorization": f"Bearer {credentials}"}

    def first(self, walk: Walk) -> tuple[Ask, ...]:
        """Spans that began in the window; for calls those that came since the last time."""
        spans = Ask(
            "spans",
            f"{_project(walk)}/spans",
            (("sort", "id"), ("order", "asc"), ("start_time", iso_of(walk.since_ns))),
            limit=_SPANS_AT_ONCE,
        )
        return (spans, _calls(walk, walk.cursor)) if walk.with_calls else (spans,)

    def read(self, walk: Walk, ask: Ask, body: bytes) -> Page:
        """What an answer says.

        Raises: SourceError where it is not what Phoenix writes.
        """
        if ask.step == "spans":
            return _spans(walk, ask, body)
        if ask.step == "calls":
            return _called(ask, body)
        return _annotations(ask, body)


def _project(walk: Walk) -> str:
    return f"/v1/projects/{quote(walk.project, safe='')}"


def _spans(walk: Walk, ask: Ask, body: bytes) -> Page:
    rows, after, unread = _SPANS.read(body)
    began = {row.context.span_id: (row.context.trace_id, unix_ns(row.start_time)) for row in rows}
    traces: dict[str, tuple[str, int]] = {}
    for trace_id, start_ns in began.values():
        traces[trace_id] = (trace_id, min(start_ns, traces.get(trace_id, ("", start_ns))[1]))
    asks = [*_about("span", walk, began), *_about("trace", walk, traces)]
    if after:
        asks.append(_next(ask, after))
    newest_ns = max((start_ns for _, start_ns in began.values()), default=0)
    return Page(len(rows), newest_ns, asks=tuple(asks), unread=unread)


def _about(
    what: Literal["span", "trace"], walk: Walk, known: Mapping[str, tuple[str, int]]
) -> Iterable[Ask]:
    for ids in batched(tuple(known), _IDS_AT_ONCE):
        yield Ask(
            f"{what}_annotations",
            f"{_project(walk)}/{what}_annotations",
            limit=_ANNOTATIONS_AT_ONCE,
            ids=ids,
            ids_key=f"{what}_ids",
            may_be_absent=True,
            known={one: known[one] for one in ids},
        )


def _next(ask: Ask, cursor: str, seen: frozenset[Identity] = frozenset()) -> Ask:
    params = [pair for pair in ask.params if pair[0] != "cursor"]
    return replace(ask, params=(*params, ("cursor", cursor)), seen=seen)


def _annotations(ask: Ask, body: bytes) -> Page:
    rows, after, unread = _ANNOTATIONS.read(body) if body else ([], None, 0)
    found, odd = each(lambda row: _told(row, ask.known), filter(_is_said, rows))
    told, unread = tuple(found), unread + odd
    seen = ask.seen | {one.identity for one in told}
    if after:
        following = replace(_next(ask, after, seen), had_unread=ask.had_unread or unread > 0)
        return Page(len(rows), scores=told, asks=(following,), unread=unread)
    # What could not be read may be what is missed.
    complete = frozenset(ask.ids) if not (unread or ask.had_unread) else frozenset()
    return Page(len(rows), scores=told, complete=complete, seen=ask.seen, unread=unread)


def _is_said(row: _Annotation) -> bool:
    """A note says nothing of what it is about; nor does what has no result yet."""
    result = row.result
    if result is None:
        return False
    is_said = result.label is not None or result.score is not None
    return is_said or (row.annotator_kind != "HUMAN" and result.explanation != NOTHING)


def _told(row: _Annotation, known: Mapping[str, tuple[str, int]]) -> Told:
    result = row.result or _Result()
    target = row.span_id or row.trace_id
    trace_id, start_ns = known.get(target, (row.trace_id, 0))
    is_empty = result.label is None and result.score is None
    key = (row.name, row.identifier or "")
    return Told(
        ScoreItem(
            Result(
                name=row.name,
                score=score_of(result.score) if result.score is not None else NO_SCORE,
                label=result.label or "",
                kind=_KINDS.get(row.annotator_kind, "llm"),
            ),
            item_id="/".join((target, *key, row.annotator_kind)),
            trace_id=trace_id_of(trace_id),
            span_id=span_id_of(row.span_id) if row.span_id else b"",
            time_ns=unix_ns(row.updated_at),
        ),
        target,
        start_ns,
        key,
        is_empty=is_empty,
    )


def _calls(walk: Walk, cursor: str) -> Ask:
    """Spans in the order in which they came in, from some before those that were seen."""
    params = [("sort", "id"), ("order", "asc")]
    row = max(0, int(cursor or 0) - _OVERLAP)
    if row:
        params.append(("cursor", b64encode(b"Span:%d" % row).decode()))
    params.append(("start_time", iso_of(walk.begin_ns)))
    return Ask("calls", f"{_project(walk)}/spans", tuple(params), limit=_SPANS_AT_ONCE)


def _called(ask: Ask, body: bytes) -> Page:
    rows, after, unread = _CALLS.read(body)
    newest = max(map(_row_of, rows), default=0)
    spans, odd = each(_stored, rows)
    # Row ids begin anew in an emptied table: with nothing at the cursor, from the start.
    cursor = str(newest) if rows else None if unread else "0"
    asks = (_next(ask, after),) if after else ()
    return Page(len(rows), spans=tuple(spans), asks=asks, cursor=cursor, unread=unread + odd)


def _row_of(row: _Call) -> int:
    try:
        return int(b64decode(row.id).rpartition(b":")[2])
    except ValueError:
        return 0


def _stored(row: _Call) -> StoredSpan:
    attrs = dict(row.attributes)
    if row.span_kind:
        attrs["openinference.span.kind"] = Raw(msgspec.json.encode(row.span_kind))
    return StoredSpan(
        trace_id=row.context.trace_id,
        span_id=row.context.span_id,
        parent_id=row.parent_id or "",
        name=row.name,
        start_ns=unix_ns(row.start_time),
        end_ns=unix_ns(row.end_time),
        status_code=_STATUS.get(row.status_code, 0),
        status_message=row.status_message,
        attributes=attrs,
        events=tuple((e.name, unix_ns(e.timestamp), e.attributes) for e in row.events),
    )
