"""MLflow tracking servers: traces of an experiment with their assessments, and spans of each.

Source: mlflow 3.17. Page tokens are offsets, so a page begins where the last trace of the one
before began; an assessment's times cannot be asked for; what is overridden stays, as not valid; an
evaluation writes into the traces that it looks at; traces with a parent elsewhere never end.
"""

from __future__ import annotations

import json
from base64 import b64decode
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

import msgspec
from msgspec import Raw, Struct

from ..dialects import NO_SCORE, Result, score_of
from ..model import JudgeKind
from ..score_items import ScoreItem, span_id_of, trace_id_of
from .credentials import basic_or_bearer
from .restore_spans import StoredSpan
from .rows import NOTHING, Nanoseconds, Row, Rows, batched, each, unix_ns
from .system import Ask, Page, Told, Walk

NAME = "mlflow"
_TRACES_AT_ONCE = 500
"""The store refuses more."""
_IDS_AT_ONCE = 100
_PREFIX = "tr-"
_KINDS: Mapping[str, JudgeKind] = {"LLM_JUDGE": "llm", "CODE": "code", "HUMAN": "human"}
_STATUS: Mapping[str, int] = {"STATUS_CODE_OK": 1, "STATUS_CODE_ERROR": 2}
_RUN_OF_TRACE, _RUN_OF_ASSESSMENT = "mlflow.sourceRun", "mlflow.assessment.sourceRunId"


class _From(Struct):
    source_type: str = ""


class _Feedback(Struct):
    value: Any = None
    error: Raw = NOTHING


class _Assessment(Row):
    assessment_id: str
    assessment_name: str
    span_id: str = ""
    source: _From = msgspec.field(default_factory=_From)
    create_time: datetime | None = None
    last_update_time: datetime | None = None
    feedback: _Feedback | None = None
    metadata: dict[str, Any] = msgspec.field(default_factory=dict)
    valid: bool = True


class _Trace(Row):
    trace_id: str
    request_time: datetime
    trace_metadata: dict[str, Raw] = msgspec.field(default_factory=dict)
    tags: dict[str, Raw] = msgspec.field(default_factory=dict)
    assessments: list[_Assessment] = msgspec.field(default_factory=list)


class _Attribute(Struct):
    key: str
    value: Any = None


class _Status(Struct):
    code: str = ""
    message: str = ""


class _Event(Struct):
    name: str = ""
    time_unix_nano: Nanoseconds = 0
    attributes: list[_Attribute] = msgspec.field(default_factory=list)


class _Span(Struct):
    trace_id: str
    span_id: str
    start_time_unix_nano: Nanoseconds
    end_time_unix_nano: Nanoseconds = 0
    parent_span_id: str = ""
    name: str = ""
    attributes: list[_Attribute] = msgspec.field(default_factory=list)
    events: list[_Event] = msgspec.field(default_factory=list)
    status: _Status = msgspec.field(default_factory=_Status)


class _Whole(Struct):
    trace_info: _Trace
    spans: list[_Span] = msgspec.field(default_factory=list)


# Protobuf's JSON leaves out lists that are empty.
_TRACES = Rows(_Trace, "traces", "next_page_token", may_lack=True)
_WHOLE = Rows(_Whole, "traces", may_lack=True)


class MLflow:
    """Implements `System`."""

    name = NAME

    def headers(self, credentials: str) -> Mapping[str, str]:
        """A token, or user and password with a colon in between."""
        return basic_or_bearer(credentials)

    def first(self, walk: Walk) -> tuple[Ask, ...]:
        """Traces that began in the window, oldest first."""
        return (_search(walk, walk.since_ns // 1_000_000),)

    def read(self, walk: Walk, ask: Ask, body: bytes) -> Page:
        """What an answer says.

        Raises: SourceError where it is not what MLflow writes.
        """
        return _traces(walk, ask, body) if ask.step == "traces" else _spans(walk, body)


def _search(walk: Walk, since_ms: int, token: str = "") -> Ask:
    body: dict[str, Any] = {
        "locations": [
            {"type": "MLFLOW_EXPERIMENT", "mlflow_experiment": {"experiment_id": walk.project}}
        ],
        "filter": f"attributes.timestamp_ms >= {since_ms}",
        "order_by": ["attributes.timestamp_ms ASC", "attributes.request_id ASC"],
    }
    if token:
        body["page_token"] = token
    path = "/api/3.0/mlflow/traces/search"
    return Ask("traces", path, body=body, limit=_TRACES_AT_ONCE, limit_key="max_results")


def _traces(walk: Walk, ask: Ask, body: bytes) -> Page:
    rows, token, unread = _TRACES.read(body)
    told: list[Told] = []
    for row in rows:
        run = _text(row.trace_metadata.get(_RUN_OF_TRACE))
        found, odd = each(
            lambda one, row=row, run=run: _told(row, one, run),  # type: ignore[misc]
            filter(_is_said, row.assessments),
        )
        told += found
        unread += odd
    times = [unix_ns(row.request_time) for row in rows]
    asks = [_following(walk, ask, times, str(token))] if token and rows else []
    if walk.with_calls:
        ids = tuple(row.trace_id for row in rows if _RUN_OF_TRACE not in row.trace_metadata)
        asks += [
            Ask("spans", "/api/3.0/mlflow/traces/batchGet", ids=some, ids_key="trace_ids")
            for some in batched(ids, _IDS_AT_ONCE)
        ]
    return Page(
        len(rows),
        max(times, default=0),
        tuple(told),
        asks=tuple(asks),
        complete=frozenset(row.trace_id for row in rows),
        unread=unread,
    )


def _following(walk: Walk, ask: Ask, times: list[int], token: str) -> Ask:
    """The next page: from the last moment on, or by offset where a page holds one moment only."""
    first_ms, last_ms = times[0] // 1_000_000, times[-1] // 1_000_000
    if last_ms > first_ms:
        return replace(_search(walk, last_ms), limit=ask.limit)
    since_ms = int(str((ask.body or {})["filter"]).rpartition(" ")[2])
    return replace(_search(walk, since_ms, token), limit=ask.limit)


def _is_said(row: _Assessment) -> bool:
    """Whether it is a result: expectations and issues are none."""
    told = row.feedback
    return told is not None and (told.value is not None or told.error != NOTHING)


def _told(trace: _Trace, row: _Assessment, run: str) -> Told:
    feedback = row.feedback or _Feedback()
    value = feedback.value
    is_word = isinstance(value, str)
    return Told(
        ScoreItem(
            Result(
                name=row.assessment_name,
                score=NO_SCORE if is_word or value is None else score_of(value),
                label=value if is_word else "",
                kind=_KINDS.get(row.source.source_type, "llm"),
                failed=feedback.error != NOTHING,
            ),
            item_id=row.assessment_id,
            trace_id=trace_id_of(trace.trace_id.removeprefix(_PREFIX)),
            span_id=span_id_of(row.span_id) if row.span_id else b"",
            time_ns=unix_ns(row.last_update_time or row.create_time),
            service=_text(trace.tags.get("service.name")),
        ),
        trace.trace_id,
        unix_ns(trace.request_time),
        (row.assessment_id,),
        is_valid=row.valid,
        run=str(row.metadata.get(_RUN_OF_ASSESSMENT, "")) or run,
    )


def _spans(walk: Walk, body: bytes) -> Page:
    rows, _, unread = _WHOLE.read(body)
    spans, odd = each(
        lambda pair: _stored(*pair),
        ((span, row.trace_info) for row in rows for span in row.spans if _counts(span, walk)),
    )
    return Page(len(rows), spans=tuple(spans), unread=unread + odd)


def _counts(span: _Span, walk: Walk) -> bool:
    return span.end_time_unix_nano > 0 and span.start_time_unix_nano >= walk.begin_ns


def _stored(span: _Span, trace: _Trace) -> StoredSpan:
    service = _text(trace.tags.get("service.name"))
    return StoredSpan(
        trace_id=_hex(span.trace_id),
        span_id=_hex(span.span_id),
        parent_id=_hex(span.parent_span_id),
        name=span.name,
        start_ns=span.start_time_unix_nano,
        end_ns=span.end_time_unix_nano,
        status_code=_STATUS.get(span.status.code, 0),
        status_message=span.status.message,
        attributes=_plain(span.attributes),
        events=tuple((e.name, e.time_unix_nano, _plain(e.attributes)) for e in span.events),
        resource={"service.name": service} if service else {},
    )


def _plain(attributes: list[_Attribute]) -> Mapping[str, Raw]:
    return {one.key: Raw(msgspec.json.encode(_any(one.value))) for one in attributes}


def _any(value: Any) -> Any:
    """An OTLP AnyValue, in snake case, as a plain value."""
    if not isinstance(value, dict):
        return None
    for kind, told in value.items():
        if kind == "array_value":
            return [_any(one) for one in (told or {}).get("values", ())]
        if kind == "kvlist_value":
            return {one["key"]: _any(one.get("value")) for one in (told or {}).get("values", ())}
        return int(told) if kind == "int_value" else told
    return None


def _hex(told: str) -> str:
    """An id, which the store writes in base64."""
    try:
        return b64decode(told, validate=True).hex()
    except ValueError:
        return ""


def _text(raw: Raw | None) -> str:
    if raw is None:
        return ""
    found = json.loads(bytes(raw))
    return found if isinstance(found, str) else ""
