"""What one item of a request says, whoever's format it is in, and the record that comes of it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from hashlib import blake2b
from typing import Any
from uuid import UUID

from .dialects import Context, Result, judged, labels_of, to_records
from .model import Feedback, Origin, ParsedRecord, Rating, Verdict, VerdictValue

_HEX_TRACE = re.compile(r"[0-9a-f]{32}", re.IGNORECASE)
_HEX_SPAN = re.compile(r"[0-9a-f]{16}", re.IGNORECASE)
_MAX_UNIX_S = 4e9


class InvalidItem(ValueError):
    """An item that cannot be counted; its text says where and what is allowed, and no value."""


@dataclass(frozen=True, slots=True)
class ScoreItem:
    """One result or rating."""

    result: Result
    item_id: str = ""
    """The sender's own id of it."""
    trace_id: bytes = b""
    span_id: bytes = b""
    response_id: str = ""
    time_ns: int = 0
    """0: not told."""
    verdict: VerdictValue | None = None
    """Told in so many words; else label and score decide."""
    rating: Rating | None = None
    """Set for feedback that is told as such."""
    service: str = ""
    environment: str = ""
    model: str = ""
    dimensions: Mapping[str, str] = field(default_factory=dict)


def to_record(
    score: ScoreItem, dialect: str, tenant: str, context: Context, now_ns: int, raw: bytes
) -> ParsedRecord | None:
    """What a log record would have said; None for a rating that says nothing.

    Args:
        score: What was said.
        dialect: Whose format it was in.
        tenant: Who sent it: ids of different senders are different ids.
        context: The configuration, with what the sender's token fixes.
        now_ns: When it came, Unix nanoseconds.
        raw: The item as it came: tells a resent one where it has no id.
    """
    fixed = context.fixed
    values = {**score.dimensions, **fixed}
    origin = Origin(
        score.trace_id,
        score.span_id,
        b"",
        "log",
        dialect,
        dialect,
        fixed.get("service") or score.service or "unknown_service",
        fixed.get("environment") or score.environment,
        tuple(values.get(label, "") for label in labels_of(context)),
    )
    if score.item_id:
        # Five equal ratings with ids of their own are five.
        fact = blake2b("\0".join((dialect, tenant, score.item_id)).encode(), digest_size=8).digest()
        score = replace(score, result=replace(score.result, fact=fact))
    record = _record(score, origin, context, score.time_ns or now_ns)
    if record is None:
        return None
    said = score.item_id.encode() or raw
    kind, known_by = type(record).__name__, "id" if score.item_id else "content"
    sender = "\0".join((dialect, kind, tenant, known_by)).encode()
    return ParsedRecord(
        trace_id=origin.trace_id,
        span_id=origin.span_id,
        parent_span_id=b"",
        signal="log",
        dialect=origin.dialect,
        records=(record,),
        fingerprint=blake2b(b"\0".join((sender, said)), digest_size=16).digest(),
    )


def _record(
    score: ScoreItem, origin: Origin, context: Context, time_ns: int
) -> Verdict | Feedback | None:
    result, judging = score.result, context.judging
    if score.rating is not None:
        return Feedback(
            origin,
            time_ns,
            score.rating,
            result.name,
            model=score.model,
            response_id=score.response_id,
            fact=result.fact,
        )
    if score.verdict is not None:
        return Verdict(
            origin,
            time_ns,
            result.name,
            judging.kind(result.name, result.kind, origin.dialect),
            score.verdict,
            score=judged(result, judging, origin.dialect)[1],
            model=score.model,
            response_id=score.response_id,
            fact=result.fact,
        )
    found = to_records(
        [result], origin, time_ns, judging, model=score.model, response_id=score.response_id
    )
    return found[0] if found else None


def trace_id_of(value: object) -> bytes:
    """An OpenTelemetry trace id from 32 hexadecimal digits or a UUID; empty for anything else."""
    if isinstance(value, str):
        digits = value.replace("-", "")
        if _HEX_TRACE.fullmatch(digits) and digits.strip("0"):
            return bytes.fromhex(digits)
    return b""


def span_id_of(value: object) -> bytes:
    """An OpenTelemetry span id from 16 hexadecimal digits, or as LangSmith makes it of a UUID."""
    if isinstance(value, str):
        if _HEX_SPAN.fullmatch(value):
            return bytes.fromhex(value) if value.strip("0") else b""
        try:
            return UUID(value).bytes[:8]
        except ValueError:
            return b""
    return b""


def time_ns_of(value: object) -> int:
    """Unix nanoseconds from ISO 8601 or Unix seconds; 0 where it is not told.

    Raises: InvalidItem for what is neither.
    """
    if value is None:
        return 0
    if isinstance(value, int | float) and not isinstance(value, bool):
        if 0 <= value <= _MAX_UNIX_S:
            return int(value * 1e9)
        raise InvalidItem("time: allowed: Unix seconds")
    try:
        moment = datetime.fromisoformat(str(value))
        # Without a zone it could be any of a day's hours.
        seconds = moment.timestamp() if moment.tzinfo is not None else -1.0
    except (ValueError, OverflowError):
        seconds = -1.0
    if not 0 <= seconds <= _MAX_UNIX_S:
        raise InvalidItem("time: allowed: a time with its zone, as 2026-11-21T10:00:00Z")
    return int(seconds * 1e9)


def text_of(item: Mapping[str, Any], key: str, limit: int = 256) -> str:
    """A short text; empty where there is none.

    Raises: InvalidItem for what is no text, or too long a one.
    """
    value = item.get(key)
    if value is None:
        return ""
    if not isinstance(value, str) or len(value) > limit:
        raise InvalidItem(f"{key}: allowed: a text of at most {limit} characters")
    return value
