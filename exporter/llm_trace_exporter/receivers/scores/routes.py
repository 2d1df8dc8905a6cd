"""The routes of scores on the OTLP/HTTP listener, behind the same gate and limits as OTLP."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO
from itertools import islice
from typing import Any

from msgspec import Raw
from starlette.requests import Request
from starlette.types import Receive, Scope, Send

from ...consumer import Consumer, Scores, Tenant
from ...dialects import Context
from ...errors import DecodeError
from ...model import ParsedRecord
from ...otlp.json_text import (
    Malformed,
    document,
    items_of,
    load,
    members_of,
    type_name,
    type_of,
    value_of,
)
from ...score_items import InvalidItem, ScoreItem, to_record
from ..auth import tenant_of
from ..otlp_http import HttpReceiver
from ..rejection import Refusal
from ..responses import refuse, start
from .native import read_feedback, read_verdicts
from .vendors import read_langfuse, read_langfuse_event, read_langsmith

_MEDIA_TYPES = ("application/json", "application/x-ndjson")
_BEACON = "text/plain"
"""What `navigator.sendBeacon` sends: browsers ask nobody before they do, nor for no type."""
_SHOWN = 100
_MAX_ITEMS = 10_000
"""Half a second of work: OTLP waits meanwhile."""

Rejected = tuple[int, str]
"""(index of the item, what is allowed)."""


@dataclass(frozen=True, slots=True)
class Sent:
    """The items of one request, unread."""

    items: Sequence[bytes | Raw]
    is_list: bool


@dataclass(frozen=True, slots=True)
class Route:
    """One format."""

    dialect: str
    unpack: Callable[[bytes], Sent]
    """From a document to its items.

    Raises: Malformed where there are none.
    """
    read: Callable[[Mapping[str, Any]], ScoreItem | None]
    """None: an item of another kind, which is acknowledged and not used."""
    answer: Callable[[Sent, Scores], tuple[int, object]]
    """Status and body for a document of which something was taken."""


def _one_or_many(member: str) -> Callable[[bytes], Sent]:
    def unpack(document: bytes) -> Sent:
        if type_of(document) == "an array":
            return Sent(items_of(document), is_list=True)
        members = members_of(document)
        if members.keys() == {member}:
            return Sent(items_of(members[member]), is_list=True)
        return Sent((document,), is_list=False)

    return unpack


def _batch(document: bytes) -> Sent:
    return Sent(items_of(members_of(document).get("batch", b"null")), is_list=True)


def _counts(_: Sent, read: Scores) -> tuple[int, object]:
    rejected = [{"index": at, "error": why} for at, why in read.rejected[:_SHOWN]]
    return 200, {"accepted": len(read.ids), "rejected": rejected}


def _as_langfuse(sent: Sent, read: Scores) -> tuple[int, object]:
    if not sent.is_list:
        return 200, _id_of(read)
    if not read.rejected:
        return 202, {"message": "Accepted"}
    errors = [{"index": at, "message": why} for at, why in read.rejected]
    return 207, {"accepted": len(read.ids), "rejected": len(errors), "errors": errors}


def _as_langfuse_batch(_: Sent, read: Scores) -> tuple[int, object]:
    refused = dict(read.rejected)
    ids = list(enumerate(read.names))
    return 207, {
        "successes": [{"id": i, "status": 201} for at, i in ids if at not in refused],
        "errors": [
            {"id": i, "status": 400, "message": refused[at]} for at, i in ids if at in refused
        ],
    }


def _as_langsmith(_: Sent, read: Scores) -> tuple[int, object]:
    return 200, _id_of(read)


def _id_of(read: Scores) -> object:
    return {"id": next(iter(read.ids), "")}


_LANGSMITH = Route("langsmith", _one_or_many(""), read_langsmith, _as_langsmith)
ROUTES: Mapping[str, Route] = {
    "/v1/verdicts": Route("api", _one_or_many("verdicts"), read_verdicts, _counts),
    "/v1/feedback": Route("api", _one_or_many("feedback"), read_feedback, _counts),
    "/api/public/scores": Route("langfuse", _one_or_many(""), read_langfuse, _as_langfuse),
    "/api/public/ingestion": Route("langfuse", _batch, read_langfuse_event, _as_langfuse_batch),
    "/feedback": _LANGSMITH,
    "/api/v1/feedback": _LANGSMITH,
}
"""Path -> format: ours, and those that the SDKs of Langfuse and LangSmith post to."""


class ScoresApp:
    """An ASGI application in front of the OTLP/HTTP receiver, which it reads bodies with."""

    def __init__(
        self, receiver: HttpReceiver, consumer: Consumer, *, origins: tuple[str, ...] = ()
    ) -> None:
        """Take scores.

        Args:
            receiver: Answers every other path.
            consumer: Counts.
            origins: Web pages that may send without asking first; `*` for all.
        """
        self._receiver = receiver
        self._consumer = consumer
        self._origins = origins

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        route = ROUTES.get(scope["path"].rstrip("/")) if scope["type"] == "http" else None
        if route is None:
            await self._receiver(scope, receive, send)
            return
        request = Request(scope, receive)
        try:
            status, answer = await self._take(request, route)
        except Refusal as refusal:
            self._receiver.refused(refusal.reason)
            if refusal.reason != "aborted":
                await refuse(request, send, refusal)
            return
        body = json.dumps(answer).encode()
        await send(start(status, body, [("Content-Type", "application/json")]))
        await send({"type": "http.response.body", "body": body})

    async def _take(self, request: Request, route: Route) -> tuple[int, object]:
        if request.method != "POST":
            raise Refusal("method", "scores are sent by POST")
        media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if media_type not in _MEDIA_TYPES and not self._may_send(request, media_type):
            raise Refusal("unsupported_media_type", "the content type is not application/json")
        tenant = tenant_of(request.scope)
        return await self._receiver.take(request, lambda body: self._count(body, route, tenant))

    def _may_send(self, request: Request, media_type: str) -> bool:
        if media_type not in ("", _BEACON):
            return False
        origin = request.headers.get("origin")
        if origin is None:
            return not media_type
        return "*" in self._origins or origin in self._origins

    def _count(self, body: bytes, route: Route, tenant: Tenant) -> tuple[int, object]:
        sent = _sent(body, route)
        try:
            read = self._consumer.ingest_scores(
                lambda context, now_ns: _read(sent, route, tenant, context, now_ns), tenant
            )
        except InvalidItem as error:
            raise DecodeError(str(error)) from error
        return route.answer(sent, read)


def _sent(body: bytes, route: Route) -> Sent:
    """The items of a JSON document, or of one a line."""
    try:
        sent = route.unpack(document(body))
    except Malformed:
        raise
    except DecodeError:
        lines = list(islice(filter(None, map(bytes.strip, BytesIO(body))), _MAX_ITEMS + 1))
        if len(lines) < 2 or not lines[0].startswith(b"{"):
            raise
        sent = Sent(lines, is_list=True)
    if len(sent.items) > _MAX_ITEMS:
        raise DecodeError(f"allowed: at most {_MAX_ITEMS} items")
    return sent


def _read(sent: Sent, route: Route, tenant: Tenant, context: Context, now_ns: int) -> Scores:
    readings: list[ParsedRecord] = []
    ids: list[str] = []
    names: list[str] = []
    rejected: list[Rejected] = []
    for index, raw in enumerate(sent.items):
        names.append("")
        try:
            item = _item(raw)
            names[-1] = _name(item)
            ids.append(_taken(item, route, tenant, context, now_ns, readings))
        except (InvalidItem, DecodeError) as error:
            rejected.append((index, str(error)))
    if rejected and not ids:
        raise InvalidItem("; ".join(_worded(rejected[:3])))
    return Scores(tuple(readings), tuple(ids), tuple(rejected), tuple(names))


def _item(raw: bytes | Raw) -> Mapping[str, Any]:
    """One item.

    Raises: DecodeError where it is no JSON object.
    """
    item = load(raw) if isinstance(raw, bytes) else value_of(raw)
    if not isinstance(item, dict):
        raise Malformed(type_name(item), "an object")
    return item


def _name(item: Mapping[str, Any]) -> str:
    name = item.get("id")
    return name if isinstance(name, str) else ""


def _taken(
    item: Mapping[str, Any],
    route: Route,
    tenant: Tenant,
    context: Context,
    now_ns: int,
    readings: list[ParsedRecord],
) -> str:
    """The id of an item that is taken; its record, where it says something, is added."""
    score = route.read(item)
    if score is None:
        return ""
    reading = to_record(score, route.dialect, tenant.name, context, now_ns, _content(item))
    if reading is None:
        raise InvalidItem("allowed: a rating that is positive, negative or neutral")
    readings.append(reading)
    return score.item_id


def _content(item: Mapping[str, Any]) -> bytes:
    """What tells an item from another.

    Raises: InvalidItem where it is nested too deeply.
    """
    try:
        return json.dumps(item, sort_keys=True, ensure_ascii=False).encode("utf-8", "replace")
    except RecursionError as error:
        raise InvalidItem("allowed: no deep nesting") from error


def _worded(rejected: list[Rejected]) -> Iterator[str]:
    for index, why in rejected:
        yield f"item {index}: {why}"
