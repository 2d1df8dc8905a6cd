"""LiteLLM's proxy: the calls in its spend logs. It keeps no scores.

Source: litellm 1.108 (`/spend/logs/v2`). A success is known by the provider's response id, a
failure by the proxy's own; no row names a trace; both ends of a window are within it, in whole
seconds, and rows of one moment have no order, so that pages may miss one until the next poll.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from hashlib import blake2b
from typing import Any

import msgspec
from msgspec import Raw, Struct

from ..otlp.records import STATUS_ERROR
from .credentials import basic_or_bearer
from .restore_spans import StoredSpan
from .rows import Row, Rows, each, unix_ns
from .system import Ask, Page, Walk

NAME = "litellm"
_AT_ONCE = 1_000
_FROM_CACHE = "True"
_OPERATIONS: Mapping[str, str] = {
    "embedding": "embeddings", "rerank": "rerank", "moderation": "moderation",
    "text_completion": "text_completion", "image_generation": "image_generation",
}  # fmt: skip
"""What `call_type` says, without the `a` of the asynchronous ones; all others are chats."""


class _Prompt(Struct):
    cached_tokens: int | None = None


class _Completion(Struct):
    reasoning_tokens: int | None = None


class _Usage(Struct):
    prompt_tokens_details: _Prompt | None = None
    completion_tokens_details: _Completion | None = None


class _Error(Struct):
    error_class: str | None = None
    error_code: str | int | None = None


class _Metadata(Struct):
    usage_object: _Usage | None = None
    error_information: _Error | None = None
    user_api_key_team_alias: str | None = None


class _Row(Row):
    request_id: str
    started: datetime = msgspec.field(name="startTime")
    ended: datetime | None = msgspec.field(default=None, name="endTime")
    call_type: str = ""
    model: str = ""
    model_group: str | None = None
    custom_llm_provider: str | None = None
    prompt_tokens: int = 0
    completion_tokens: int = 0
    status: str | None = None
    cache_hit: str | None = None
    metadata: _Metadata | None = None


_ROWS = Rows(_Row, "data", "total_pages")


class LiteLLM:
    """Implements `System`."""

    name = NAME

    def headers(self, credentials: str) -> Mapping[str, str]:
        """The master key, or that of a proxy administrator."""
        return basic_or_bearer(credentials)

    def first(self, walk: Walk) -> tuple[Ask, ...]:
        """Calls that began in the window."""
        since_ns = max(walk.since_ns, walk.begin_ns) if walk.with_calls else walk.until_ns
        params = (
            ("start_date", _seconds(since_ns)),
            ("end_date", _seconds(walk.until_ns)),
            ("sort_by", "startTime"),
            ("sort_order", "asc"),
            ("page", "1"),
        )
        return (Ask("calls", "/spend/logs/v2", params, limit=_AT_ONCE, limit_key="page_size"),)

    def read(self, walk: Walk, ask: Ask, body: bytes) -> Page:
        """What an answer says.

        Raises: SourceError where it is not what LiteLLM writes.
        """
        rows, pages, unread = _ROWS.read(body)
        spans, odd = each(_stored, (row for row in rows if row.cache_hit != _FROM_CACHE))
        number = int(dict(ask.params)["page"])
        has_more = isinstance(pages, int) and number < pages
        following = replace(ask, params=(*ask.params[:-1], ("page", str(number + 1))))
        return Page(
            len(rows),
            max((unix_ns(row.started) for row in rows), default=0),
            spans=tuple(span for span in spans if span.start_ns >= walk.begin_ns),
            asks=(following,) if has_more else (),
            unread=unread + odd,
        )


def _seconds(ns: int) -> str:
    return datetime.fromtimestamp(ns // 1_000_000_000, UTC).strftime("%Y-%m-%d %H:%M:%S")


def _stored(row: _Row) -> StoredSpan:
    told = row.metadata or _Metadata()
    error, has_failed = told.error_information or _Error(), row.status == "failure"
    usage = told.usage_object or _Usage()
    prompt, completion = usage.prompt_tokens_details, usage.completion_tokens_details
    provider = row.custom_llm_provider or ""
    attributes: dict[str, Any] = {
        "gen_ai.operation.name": _operation(row.call_type),
        "gen_ai.provider.name": provider,
        "gen_ai.request.model": row.model_group or row.model,
        "gen_ai.response.model": "" if has_failed else row.model.removeprefix(f"{provider}/"),
        "gen_ai.response.id": "" if has_failed else row.request_id,
        "gen_ai.usage.input_tokens": None if has_failed else row.prompt_tokens,
        "gen_ai.usage.output_tokens": None if has_failed else row.completion_tokens,
        "gen_ai.usage.cache_read.input_tokens": prompt.cached_tokens if prompt else None,
        "gen_ai.usage.reasoning.output_tokens": completion.reasoning_tokens if completion else None,
        "error.type": error.error_class,
        "http.response.status_code": str(error.error_code or ""),
        "metadata.user_api_key_team_alias": told.user_api_key_team_alias,
    }
    known_by = blake2b(row.request_id.encode(), digest_size=16).hexdigest()
    start_ns = unix_ns(row.started)
    return StoredSpan(
        trace_id=known_by,
        span_id=known_by[:16],
        parent_id="",
        name="litellm request",
        start_ns=start_ns,
        end_ns=unix_ns(row.ended) or start_ns,
        status_code=STATUS_ERROR if has_failed else 0,
        status_message="",
        attributes={
            key: Raw(msgspec.json.encode(value))
            for key, value in attributes.items()
            if value not in (None, "")
        },
    )


def _operation(call_type: str) -> str:
    return _OPERATIONS.get(call_type) or _OPERATIONS.get(call_type.removeprefix("a"), "chat")
