"""When a record ran, and whether and why it failed."""

from __future__ import annotations

from typing import NamedTuple

from ..model import ErrorType, GatewayEvent
from ..otlp.records import STATUS_ERROR, STATUS_UNSET, RawLog, RawSpan
from .coerce import MAX_SECONDS, text
from .error_types import classify, turned_away
from .schema import RecordView

Interval = tuple[int, int, bool]
"""Start and end, Unix nanoseconds; and whether it is untimed: neither an end that can be true nor a
duration is told, so that the end is the start."""


def interval(view: RecordView) -> Interval:
    """Start and end; a told duration outranks a span without length and dates a log record."""
    record = view.record
    duration_s = view.number("duration") if "duration" in view.locations else None
    if duration_s is None and isinstance(record, RawSpan):
        has_end = record.end_ns >= record.start_ns
        return record.start_ns, record.end_ns if has_end else record.start_ns, not has_end
    duration_ns = (
        int(min(duration_s, MAX_SECONDS) * 1e9) if duration_s is not None and duration_s > 0 else 0
    )
    if isinstance(record, RawLog):
        return max(0, record.time_ns - duration_ns), record.time_ns, False
    if not record.has_end:
        return record.start_ns, record.start_ns + duration_ns, not duration_ns
    end_ns = record.end_ns
    if duration_ns > end_ns - record.start_ns and end_ns - record.start_ns < 1_000_000:
        return max(0, end_ns - duration_ns), end_ns, False
    return record.start_ns, end_ns, False


class Failure(NamedTuple):
    """Why a record failed."""

    error_type: ErrorType
    turned_away: GatewayEvent | None
    """What a gateway did instead of asking the model."""


def error_of(view: RecordView) -> ErrorType:
    """Why the record failed; empty when it did not."""
    failure = failure_of(view)
    return failure.error_type if failure is not None else ""


def failure_of(view: RecordView, *, unanswered: bool = False) -> Failure | None:
    """Why the record failed; None when it did not.

    Args:
        unanswered: It is a request that tells nothing of an answer: an exception on it is why,
            although some emitters leave the status unset.
    """
    record = view.record
    fails = isinstance(record, RawSpan) and record.status_code == STATUS_ERROR
    if not fails and not view.events and "failure" not in view.groups:
        return None
    exceptions = [e for e in view.events if e.name == "exception"]
    status = view.number("http_status") if _is_status(view) else None
    if isinstance(record, RawSpan):
        failed = (
            fails
            or view.text("level") == "ERROR"
            or view.flag("success") is False
            or (bool(exceptions) and _exception_fails(view))
            or (unanswered and record.status_code == STATUS_UNSET and bool(exceptions))
            or (record.status_code == STATUS_UNSET and bool(view.text("error_type")))
        )
        message = record.status_message
    else:
        failed = (
            view.flag("success") is False
            or (status is not None and status >= 400)
            or bool(view.text("error_type"))
            or bool(view.text("error_text"))
        )
        message = ""
    if not failed:
        return None
    classes = [view.text("error_type"), _code_in_text(view)]
    classes += [text(e.attrs.get("exception.type")) for e in exceptions]
    prose = [message, text(view.raw("error_text"))]
    prose += [text(e.attrs.get("exception.message")) for e in exceptions]
    joined = "\n".join(prose)
    return Failure(classify(status, classes, joined), turned_away(classes, joined))


def _exception_fails(view: RecordView) -> bool:
    prefixes = view.dialect.exceptions_fail
    return bool(prefixes) and view.record.scope.name.startswith(prefixes)


def _is_status(view: RecordView) -> bool:
    written = text(view.raw("http_status"))
    return len(written) == 3 and written.isascii() and written.isdigit()


def _code_in_text(view: RecordView) -> str:
    written = text(view.raw("http_status"))
    return "" if written.isdigit() else written
