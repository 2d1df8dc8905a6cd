"""W&B Weave: feedback of a project, and which of it is about calls of an evaluation.

Source: weave 0.54.0 (`trace/feedback.py`, and its client of `/feedback/query` and
`/calls/stream_query`). A row never changes: to edit it is to purge it and to write another. An
evaluation writes its scorers' feedback as production does; its calls have an attribute that says
so, and one trace is one run of it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from msgspec import UNSET, Struct

from ..dialects import NO_SCORE, Result, score_of
from ..model import JudgeKind, Rating
from ..score_items import ScoreItem, span_id_of, trace_id_of
from .credentials import basic_or_bearer
from .errors import SourceError
from .rows import Rows, batched, iso_of, lines_of, list_of, unix_ns
from .system import Ask, Page, Told, Walk

NAME = "weave"
_AT_ONCE = 1_000
_CALLS_AT_ONCE = 250
_MEMBERS = 16
_LABEL_CHARS = 64
"""What is longer is a text, and no label."""
_FIELDS = ("id", "weave_ref", "feedback_type", "payload", "created_at")
_COLUMNS = ("id", "trace_id", "attributes")
_CALL = re.compile(r"weave:///[^/]+/[^/]+/call/([^/]+)")
_SCORER, _ANNOTATION = "wandb.runnable.", "wandb.annotation."
_REACTIONS = frozenset({"wandb.reaction.1", "wandb.agent_user_feedback"})
_RATINGS: Mapping[str, Rating] = {"\N{THUMBS UP SIGN}": "positive",
                                  "\N{THUMBS DOWN SIGN}": "negative"}  # fmt: skip
"""By the first character: a colour of skin follows."""


class _Payload(Struct):
    output: Any = UNSET
    value: Any = None
    emoji: str | None = None


class _Feedback(Struct):
    id: str
    weave_ref: str
    feedback_type: str
    created_at: datetime
    payload: _Payload


class _Attributes(Struct, rename={"evaluation": "_weave_eval_meta"}):
    evaluation: dict[str, Any] | None = None


class _Call(Struct):
    id: str
    trace_id: str | None = None
    attributes: _Attributes | None = None


_FEEDBACK = Rows(_Feedback, "result", "total_count")
_CALLS = Rows(_Call, "")


@dataclass(frozen=True, slots=True)
class _CallsOf(Ask):
    """Asks for calls by their ids, in what is posted."""

    @property
    def query(self) -> list[tuple[str, str]]:
        """The query of the URL: none."""
        return []

    @property
    def payload(self) -> Mapping[str, Any]:
        """The JSON that is posted."""
        return {**(self.body or {}), "filter": {"call_ids": self.ids}}


class Weave:
    """Implements `System`."""

    name = NAME

    def headers(self, credentials: str) -> Mapping[str, str]:
        """An API key, as a password."""
        return basic_or_bearer(f"api:{credentials}")

    def first(self, walk: Walk) -> tuple[Ask, ...]:
        """Feedback that was given in the window."""
        return (_feedback_since(walk, iso_of(walk.since_ns)),)

    def read(self, walk: Walk, ask: Ask, body: bytes) -> Page:
        """What an answer says.

        Raises: SourceError where it is not what Weave writes.
        """
        return _calls(ask, body) if ask.step == "calls" else _feedback(walk, ask, body)


def _feedback_since(walk: Walk, since: str) -> Ask:
    def bound(operator: str, at: str) -> Mapping[str, Any]:
        return {operator: [{"$getField": "created_at"}, {"$literal": at}]}

    within = [bound("$gte", since), {"$not": [bound("$gte", iso_of(walk.until_ns))]}]
    told: dict[str, Any] = {
        "project_id": walk.project,
        "fields": _FIELDS,
        "query": {"$expr": {"$and": within}},
        "sort_by": [{"field": "created_at", "direction": "asc"}],
        "offset": 0,
    }
    return Ask("feedback", "/feedback/query", body=told, limit=_AT_ONCE)


def _feedback(walk: Walk, ask: Ask, body: bytes) -> Page:
    rows, total, unread = _FEEDBACK.read(body)
    if not isinstance(total, int):
        # Else a message would be a list of none, and all that is known be deleted.
        raise SourceError("the answer is not what this system writes")
    about: dict[str, list[Told]] = {}
    told: list[Told] = []
    for row in rows:
        call = _CALL.match(row.weave_ref)
        of_row = about.setdefault(call[1], []) if call is not None else told
        # The first rows of a page are the last ones of the page before.
        of_row.extend(one for one in _told(row) if one.identity not in ask.seen)
    of_calls = [one for some in about.values() for one in some]
    seen = ask.seen | {one.identity for one in (*told, *of_calls)}
    asks: list[Ask] = [
        _CallsOf(
            "calls",
            "/calls/stream_query",
            body={"project_id": walk.project, "columns": _COLUMNS},
            ids=ids,
            known={call: tuple(about[call]) for call in ids},
        )
        for ids in batched([call for call, some in about.items() if some], _CALLS_AT_ONCE)
    ]
    is_full = len(rows) + unread >= ask.limit
    if is_full:
        asks.append(replace(_following(walk, ask, rows), seen=seen))
    return Page(
        len(rows),
        max((unix_ns(row.created_at) for row in rows), default=0),
        tuple(told),
        asks=tuple(asks),
        complete_window=not (is_full or unread or (ask.body or {}).get("offset")),
        seen=seen,
        unread=unread,
    )


def _following(walk: Walk, ask: Ask, rows: list[_Feedback]) -> Ask:
    """The next page: from the last row's time on, as rows that are purged move all that follow."""
    times = sorted({unix_ns(row.created_at) for row in rows})
    if len(times) > 1:
        return replace(_feedback_since(walk, iso_of(times[-1])), limit=ask.limit)
    body = ask.body or {}
    return replace(ask, body={**body, "offset": body.get("offset", 0) + ask.limit})


def _calls(ask: Ask, body: bytes) -> Page:
    rows, _, unread = _CALLS.read(list_of(lines_of(body)))
    found = {row.id: row for row in rows}
    told = tuple(
        _placed(one, found.get(call)) for call in ask.ids for one in ask.known.get(call, ())
    )
    return Page(len(rows), scores=told, unread=unread)


def _placed(told: Told, call: _Call | None) -> Told:
    """A score with what its call says; a call may have been deleted."""
    if call is None:
        return told
    item = replace(told.item, trace_id=trace_id_of(call.trace_id), span_id=span_id_of(call.id))
    is_offline = call.attributes is not None and call.attributes.evaluation
    return replace(told, item=item, run=(call.trace_id or call.id) if is_offline else "")


def _told(row: _Feedback) -> Iterator[Told]:
    at_ns = unix_ns(row.created_at)
    if row.feedback_type in _REACTIONS:
        rating = _RATINGS.get((row.payload.emoji or "")[:1])
        if rating is not None:
            result = Result("reaction", NO_SCORE, "", "human")
            item = ScoreItem(result, item_id=row.id, time_ns=at_ns, rating=rating)
            yield Told(item, row.id, at_ns, (row.id,))
        return
    for result in _results(row):
        item = ScoreItem(result, item_id=f"{row.id}\0{result.name}", time_ns=at_ns)
        is_empty = result.score == NO_SCORE and not result.label
        yield Told(item, row.id, at_ns, (row.id, result.name), is_empty=is_empty)


def _results(row: _Feedback) -> Iterator[Result]:
    """What a row says: a scorer's output, what a person chose, or what a program sent."""
    kind, payload = row.feedback_type, row.payload
    if kind.startswith(_SCORER):
        yield from _of_output(kind.removeprefix(_SCORER), payload.output)
    elif kind.startswith(_ANNOTATION):
        yield from _of_value(kind.removeprefix(_ANNOTATION), payload.value, "human")
    elif not kind.startswith("wandb."):
        yield from _of_value(kind, payload.value, "llm")


def _of_output(name: str, output: Any) -> Iterator[Result]:
    """A scorer's output; null: it said nothing."""
    if output is None:
        yield Result(name, NO_SCORE, "", "llm")
    elif not isinstance(output, dict):
        yield from _of_value(name, output, "llm")
    elif isinstance(output.get("passed"), bool):
        yield from _of_value(name, output["passed"], "llm")
    else:
        members = [pair for pair in output.items() if isinstance(pair[1], bool | int | float)]
        for member, value in members[:_MEMBERS]:
            yield from _of_value(f"{name}.{member}", value, "llm")


def _of_value(name: str, value: Any, kind: JudgeKind) -> Iterator[Result]:
    if isinstance(value, bool | int | float):
        yield Result(name, score_of(value), "", kind)
    elif isinstance(value, str) and 0 < len(value) <= _LABEL_CHARS:
        yield Result(name, NO_SCORE, value, kind)
