"""Datadog LLM Observability: evaluations of an application's spans.

Source: datadog-api-client 2.62.0 (`LLMObsSpansResponse`; a preview) and the reference of its export
API. A span has all its evaluations, by name and without a time; ids of spans are decimal, those of
traces hexadecimal. `status` tells an evaluation that broke (`ERROR`) from one that was skipped.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import msgspec
from msgspec import Struct

from ..dialects import NO_SCORE, Result, score_of
from ..score_items import ScoreItem, trace_id_of
from .errors import SourceError
from .rows import Rows, iso_of
from .system import Ask, Page, Told, Walk

NAME = "datadog"
_AT_ONCE = 1_000
_SPAN_IDS = 2**64


class _Evaluation(Struct):
    value: Any = None
    assessment: str | None = None
    status: str | None = None


class _Attributes(Struct):
    span_id: str
    trace_id: str
    start_ns: int
    duration: float = 0.0
    model_name: str | None = None
    tags: list[str] | None = None
    evaluation: dict[str, _Evaluation] | None = None


class _Span(Struct):
    id: str
    attributes: _Attributes


class _Page(Struct):
    after: str | None = None


class _Meta(Struct):
    status: str | None = None
    page: _Page | None = None


_SPANS = Rows(_Span, "data", "meta")


class Datadog:
    """Implements `System`."""

    name = NAME

    def headers(self, credentials: str) -> Mapping[str, str]:
        """`API key:application key`."""
        api, _, application = credentials.partition(":")
        return {"DD-API-KEY": api, "DD-APPLICATION-KEY": application}

    def first(self, walk: Walk) -> tuple[Ask, ...]:
        """Spans of an application that began in the window."""
        params = (
            ("filter[from]", iso_of(walk.since_ns)),
            ("filter[to]", iso_of(walk.until_ns)),
            ("filter[ml_app]", walk.project),
            ("sort", "timestamp"),
            ("include_attachments", "false"),
        )
        path = "/api/v2/llm-obs/v1/spans/events"
        return (Ask("spans", path, params, limit=_AT_ONCE, limit_key="page[limit]"),)

    def read(self, walk: Walk, ask: Ask, body: bytes) -> Page:
        """What an answer says.

        Raises: SourceError where it is not what Datadog writes, or only a part of it.
        """
        rows, told_of, unread = _SPANS.read(body)
        try:
            meta = msgspec.convert(told_of or {}, _Meta)
        except msgspec.ValidationError as error:
            raise SourceError("the answer is not what this system writes") from error
        if meta.status == "timeout":
            raise SourceError("the search did not end in time")
        # Its window is of whole spans' times as they were taken in.
        rows = [row for row in rows if row.attributes.start_ns >= walk.since_ns]
        told = tuple(one for row in rows for one in _told(row.attributes))
        page = Page(
            len(rows),
            max((row.attributes.start_ns for row in rows), default=0),
            told,
            complete=frozenset(_target(row.attributes) for row in rows),
            unread=unread,
        )
        after = meta.page.after if meta.page is not None else None
        if not after:
            return page
        own = [pair for pair in ask.params if pair[0] != "page[cursor]"]
        return replace(page, asks=(replace(ask, params=(*own, ("page[cursor]", after))),))


def _target(span: _Attributes) -> str:
    return f"{span.trace_id}/{span.span_id}"


def _tag(span: _Attributes, name: str) -> str:
    prefix = f"{name}:"
    return next((tag[len(prefix) :] for tag in span.tags or () if tag.startswith(prefix)), "")


def _span_id(told: str) -> bytes:
    number = int(told) if told.isascii() and told.isdecimal() and len(told) <= 20 else 0
    return number.to_bytes(8, "big") if 0 < number < _SPAN_IDS else b""


def _told(span: _Attributes) -> Iterator[Told]:
    for name, evaluation in (span.evaluation or {}).items():
        result = _result(name, evaluation)
        if result is None:
            continue
        item = ScoreItem(
            result,
            item_id="\0".join((_target(span), name)),
            trace_id=trace_id_of(span.trace_id),
            span_id=_span_id(span.span_id),
            time_ns=span.start_ns + int(span.duration),
            service=_tag(span, "service"),
            environment=_tag(span, "env"),
            model=span.model_name or "",
        )
        run = _tag(span, "experiment_id")
        yield Told(item, _target(span), span.start_ns, (name,), run=run)


def _result(name: str, told: _Evaluation) -> Result | None:
    """What an evaluation says; None: it was skipped, or is a document without an assessment."""
    failed = told.status == "ERROR"
    value = told.value if isinstance(told.value, bool | int | float | str) else None
    label = told.assessment or (value if isinstance(value, str) else "")
    score = NO_SCORE if value is None or isinstance(value, str) else score_of(value)
    if not (failed or label) and score == NO_SCORE:
        return None
    return Result(name, score, label, "llm", failed=failed)
