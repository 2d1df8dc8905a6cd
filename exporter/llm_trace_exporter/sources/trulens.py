"""TruLens: the table of events in its SQLite file, of the apps that are named.

Source: trulens-core 2.16 with OpenTelemetry. Ids are decimal, times have no zone and are those of
the machine that wrote them. An evaluation has a trace of its own and names the record that it is
about; it is written twice where two ways to run it meet, and again and again where it fails: the
first of a record and metric is the one.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
from msgspec import Raw, Struct

from ..dialects import NO_SCORE, Result, score_of
from ..otlp.records import STATUS_ERROR
from ..score_items import ScoreItem, trace_id_of
from .restore_spans import StoredSpan
from .rows import Rows, each, unix_ns
from .system import Ask, Page, Told, Walk

NAME = "trulens"
_AT_ONCE = 1_000
_KEY = "ai.observability."
_BROKEN = "STATUS_CODE_ERROR"


def _attribute(name: str, table: str = "") -> str:
    return f"json_extract({table}record_attributes, '$.\"{_KEY}{name}\"')"


_TYPE, _APP, _RECORD = (_attribute(name) for name in ("span_type", "app_name", "record_id"))
_SCORES = f"""
WITH firsts AS (
  SELECT min(rowid) AS place, {_attribute("eval.target_record_id")} AS about,
         {_attribute("eval_root.metric_name")} AS metric
  FROM trulens_events WHERE {_TYPE} = 'eval_root' AND {_APP} = ? GROUP BY about, metric
), roots AS (
  SELECT {_RECORD} AS about, json_extract(trace, '$.trace_id') AS trace_id,
         start_timestamp AS began
  FROM trulens_events WHERE {_TYPE} = 'record_root' AND {_APP} = ?
)
SELECT firsts.place, firsts.about, firsts.metric, roots.trace_id, roots.began,
       events.timestamp AS at, {_attribute("eval_root.score", "events.")} AS score,
       {_attribute("eval_root.error", "events.")} IS NOT NULL AS has_error,
       json_extract(events.record, '$.status') AS status,
       {_attribute("run.name", "events.")} AS run
FROM firsts JOIN trulens_events AS events ON events.rowid = firsts.place
LEFT JOIN roots ON roots.about = firsts.about
WHERE firsts.place > ? AND roots.began >= ? ORDER BY firsts.place LIMIT ?
"""  # noqa: S608 - names of this module
_CALLS = f"""
SELECT rowid AS place, event_id, record, record_attributes, resource_attributes,
       start_timestamp AS began, timestamp AS at, json_extract(trace, '$.trace_id') AS trace_id
FROM trulens_events
WHERE {_TYPE} NOT LIKE 'eval%' AND {_APP} = ? AND rowid > ? ORDER BY rowid LIMIT ?
"""  # noqa: S608 - names of this module


class _Score(Struct):
    place: int
    about: str
    metric: str
    at: str
    began: str
    trace_id: str = ""
    score: float | str | None = None
    has_error: bool | int = 0
    status: str | None = None
    run: str | None = None


class _Event(Struct):
    name: str = ""
    parent_span_id: str = ""
    status: str = ""


class _Place(Struct):
    place: int


class _Call(Struct):
    place: int
    event_id: str
    trace_id: str
    record: str
    record_attributes: str
    resource_attributes: str
    began: str
    at: str


_SCORE_ROWS, _CALL_ROWS, _PLACES = Rows(_Score, ""), Rows(_Call, ""), Rows(_Place, "")
_event = msgspec.json.Decoder(_Event)
_attributes = msgspec.json.Decoder(dict[str, Raw])
_resource = msgspec.json.Decoder(dict[str, Any])


class TruLens:
    """Implements `System`."""

    name = NAME

    def headers(self, credentials: str) -> Mapping[str, str]:  # noqa: ARG002
        """A file asks for none."""
        return {}

    def first(self, walk: Walk) -> tuple[Ask, ...]:
        """Scores of records that began in the window; rows that came since for calls."""
        scores = _scores_after(walk, 0)
        return (scores, _calls_after(walk, int(walk.cursor or 0))) if walk.with_calls else (scores,)

    def read(self, walk: Walk, ask: Ask, body: bytes) -> Page:
        """What an answer says.

        Raises: SourceError where it is not what TruLens writes.
        """
        return _scores(walk, ask, body) if ask.step == "scores" else _calls(walk, ask, body)


def _scores_after(walk: Walk, place: int) -> Ask:
    since = datetime.fromtimestamp(walk.since_ns / 1e9, ZoneInfo(walk.timezone))
    args = (walk.project, walk.project, place, f"{since:%Y-%m-%d %H:%M:%S}")
    return Ask("scores", "", body={"sql": _SCORES, "args": args}, limit=_AT_ONCE)


def _calls_after(walk: Walk, place: int) -> Ask:
    args = (walk.project, place)
    return Ask("calls", "", body={"sql": _CALLS, "args": args}, limit=_AT_ONCE)


def _scores(walk: Walk, ask: Ask, body: bytes) -> Page:
    rows, _, unread = _SCORE_ROWS.read(body)
    found, odd = each(lambda row: _told(row, walk.timezone), rows)
    told = tuple(found)
    last = _last(body)
    asks = (_scores_after(walk, last),) if len(rows) + unread >= ask.limit else ()
    newest_ns = max((one.target_ns for one in told), default=0)
    return Page(len(rows), newest_ns, told, asks=asks, unread=unread + odd)


def _last(body: bytes) -> int:
    """The place of an answer's last row, also of one that cannot be read; 0: there is none."""
    places, _, _ = _PLACES.read(body)
    return places[-1].place if places else 0


def _told(row: _Score, timezone: str) -> Told:
    return Told(
        ScoreItem(
            Result(
                name=row.metric,
                score=NO_SCORE if row.score is None else score_of(row.score),
                label="",
                kind="llm",
                failed=bool(row.has_error) or row.status == _BROKEN,
            ),
            item_id=f"{row.about}/{row.metric}",
            trace_id=trace_id_of(_hex(row.trace_id, 32)),
            time_ns=_ns(row.at, timezone),
        ),
        row.about,
        _ns(row.began, timezone),
        (row.metric,),
        run=row.run or "",
    )


def _calls(walk: Walk, ask: Ask, body: bytes) -> Page:
    rows, _, unread = _CALL_ROWS.read(body)
    last = _last(body)
    asks = (_calls_after(walk, last),) if len(rows) + unread >= ask.limit else ()
    spans, odd = each(lambda row: _stored(row, walk.timezone), rows)
    return Page(
        len(rows),
        spans=tuple(span for span in spans if span.start_ns >= walk.begin_ns),
        asks=asks,
        cursor=str(last) if last else None,
        unread=unread + odd,
    )


def _stored(row: _Call, timezone: str) -> StoredSpan:
    event = _event.decode(row.record)
    resource = _resource.decode(row.resource_attributes)
    app = resource.get(f"{_KEY}app_name")
    return StoredSpan(
        trace_id=_hex(row.trace_id, 32),
        span_id=_hex(row.event_id, 16),
        parent_id=_hex(event.parent_span_id, 16),
        name=event.name,
        start_ns=_ns(row.began, timezone),
        end_ns=_ns(row.at, timezone),
        status_code=STATUS_ERROR if event.status == _BROKEN else 0,
        status_message="",
        attributes=_attributes.decode(row.record_attributes),
        # It calls every service `trulens`.
        resource={"service.name": app} if isinstance(app, str) else {},
    )


def _ns(written: str, timezone: str) -> int:
    moment = datetime.fromisoformat(written)
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=ZoneInfo(timezone))
    return unix_ns(moment.astimezone(UTC))


def _hex(decimal: str, digits: int) -> str:
    return f"{int(decimal):0{digits}x}" if decimal.isdecimal() else ""
