"""Braintrust: scores in the logs of a project.

Source: braintrust 0.48.1 (`ProjectLogsEvent`, `/btql`) and its SQL reference. A row has all its
scores, which have no id and no author; each write gives it a new transaction id, whose time is that
of the write. Only an order by `_pagination_key` makes a cursor go on. A scorer writes a span of its
own, too, which repeats the score, or has the error.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from msgspec import Raw, Struct, field

from ..dialects import NO_SCORE, Result, score_of
from ..score_items import ScoreItem, span_id_of, trace_id_of
from .credentials import basic_or_bearer
from .rows import NOTHING, Rows, iso_of, unix_ns
from .system import Ask, Page, Told, Walk

NAME = "braintrust"
_AT_ONCE = 1_000
_COLUMNS = (
    "id, _xact_id, created, span_id, root_span_id, span_parents, span_attributes, scores, error, "
    "metadata.model AS model"
)
"""Without input and output: texts are not asked for."""


class _About(Struct):
    name: str | None = None
    type: str | None = None
    purpose: str | None = None


class _Row(Struct):
    id: str
    created: datetime
    xact_id: str | int = field(default="", name="_xact_id")
    span_id: str | None = None
    root_span_id: str | None = None
    span_parents: list[str] | None = None
    span_attributes: _About | None = None
    scores: dict[str, Any] | None = None
    error: Raw = NOTHING
    model: str | None = None


_ROWS = Rows(_Row, "data", "cursor")


@dataclass(frozen=True, slots=True)
class _Query(Ask):
    """A query in SQL, which has its limit and its cursor within."""

    sql: str = ""
    after: str = ""

    @property
    def payload(self) -> Mapping[str, Any]:
        """The JSON that is posted."""
        offset = f" OFFSET {_quoted(self.after)}" if self.after else ""
        query = f"{self.sql} LIMIT {self.limit}{offset}"
        return {"query": query, "fmt": "json", "brainstore_realtime": True}


class Braintrust:
    """Implements `System`."""

    name = NAME

    def headers(self, credentials: str) -> Mapping[str, str]:
        """An API key."""
        return basic_or_bearer(credentials)

    def first(self, walk: Walk) -> tuple[Ask, ...]:
        """Spans that began in the window."""
        since, until = (_quoted(iso_of(ns)) for ns in (walk.since_ns, walk.until_ns))
        sql = (
            f"SELECT {_COLUMNS} FROM project_logs({_quoted(walk.project)}) "  # noqa: S608
            f"WHERE created >= {since} AND created < {until} ORDER BY _pagination_key"
        )
        return (_Query("spans", "/btql", body={}, limit=_AT_ONCE, sql=sql),)

    def read(self, walk: Walk, ask: Ask, body: bytes) -> Page:  # noqa: ARG002
        """What an answer says.

        Raises: SourceError where it is not what Braintrust writes.
        """
        rows, after, unread = _ROWS.read(body)
        told = tuple(one for row in rows for one in _told(row))
        page = Page(
            len(rows),
            max((unix_ns(row.created) for row in rows), default=0),
            told,
            complete=frozenset(row.id for row in rows),
            unread=unread,
        )
        is_last = not (rows or unread) or not isinstance(after, str) or not after
        if is_last or not isinstance(ask, _Query):
            return page
        return replace(page, asks=(replace(ask, after=after),))


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _written_ns(row: _Row) -> int:
    """When the row was written last: the middle 32 bits of a transaction's id are Unix seconds."""
    try:
        seconds = int(row.xact_id) >> 16 & 0xFFFF_FFFF
    except ValueError:
        seconds = 0
    return seconds * 1_000_000_000 or unix_ns(row.created)


def _told(row: _Row) -> Iterator[Told]:
    about = row.span_attributes or _About()
    if about.purpose != "scorer" and about.type != "score":
        for name, value in (row.scores or {}).items():
            if value is not None:
                result = Result(name=name, score=score_of(value), label="", kind="llm")
                yield _score_of(row, result, row.span_id or "")
    elif about.type == "score" and row.error != NOTHING:
        name = about.name or "scorer"
        result = Result(name=name, score=NO_SCORE, label="", kind="llm", failed=True)
        yield _score_of(row, result, next(iter(row.span_parents or ()), ""))


def _score_of(row: _Row, result: Result, span_id: str) -> Told:
    item = ScoreItem(
        result,
        item_id=f"{row.id}\0{result.name}",
        trace_id=trace_id_of(row.root_span_id),
        span_id=span_id_of(span_id),
        time_ns=_written_ns(row),
        model=row.model or "",
    )
    return Told(item, row.id, unix_ns(row.created), (result.name,))
