"""Raw spans and log records in, readings out. The only door of this room."""

from __future__ import annotations

from typing import Literal

from ..model import (
    Feedback,
    LlmCall,
    Origin,
    Reading,
    Record,
    Role,
    Signal,
    Standing,
    Verdict,
)
from ..otlp.raw import RawLog, RawSpan
from .calls import read_call
from .context import Context, weight_of
from .origin import origin_of
from .shapes import Shapes
from .steps import read_step
from .table import IGNORE, Dialect, Kind, View
from .usage import read_tokens
from .values import text
from .verdicts import Result, guard_result, on_span_results, otel_result, to_records

_EVALUATION = "gen_ai.evaluation.result"


class Reader:
    """Reads records under one configuration; what follows from their shape is remembered."""

    def __init__(self, context: Context) -> None:
        """Start with nothing remembered."""
        self.context = context
        self._shapes = Shapes(context)

    def span(self, span: RawSpan) -> Reading:
        """Everything one span says.

        Raises: RejectedRecord when a number on it cannot be true.
        """
        context = self.context
        shape = self._shapes.of(span)
        dialect = shape.dialect
        if dialect is None:
            return _reading(span, "span", "", drop="not_llm")
        view = View(span, dialect, shape.facts)
        kind = _span_kind(view)
        origin = origin_of(span, "span", dialect, shape, context)
        weight = weight_of(span, origin.service, context)
        tokens = read_tokens(view, _exclusive(view, context))
        naive = tokens.total if tokens else 0
        records: list[Record] = []
        if kind.role == "call":
            records.append(read_call(view, kind, origin, tokens, weight))
        elif kind.role == "step":
            records.append(read_step(view, kind, origin, weight))
        results = _results(view, kind, has_filed=shape.has_results)
        if results:
            records.extend(_judged(results, view, origin, span.end_ns, context, weight))
        return _reading(
            span,
            "span",
            dialect.name,
            records=tuple(records),
            role=_role(kind),
            group=_group(view, origin),
            naive_tokens=naive,
            drop=_drop(kind, records, naive),
        )

    def log(self, log: RawLog) -> Reading:
        """Everything one log record says.

        Raises: RejectedRecord when a number on it cannot be true.
        """
        context = self.context
        shape = self._shapes.of(log)
        dialect = shape.dialect
        if dialect is None:
            return _reading(log, "log", "", drop="not_llm")
        view = View(log, dialect, shape.facts)
        kind = dialect.logs.get(event_name(log, dialect), IGNORE)
        if dialect.refine_log is not None:
            kind = dialect.refine_log(view, kind)
        if kind is IGNORE:
            return _reading(log, "log", "", drop="not_llm")
        origin = origin_of(log, "log", dialect, shape, context)
        weight = weight_of(log, origin.service, context)
        tokens = read_tokens(view, _exclusive(view, context))
        naive = tokens.total if tokens else 0
        records: list[Record] = []
        if kind.role == "step" or kind.name == "tool":
            records.append(read_step(view, Kind("step", "tool"), origin, weight))
        elif kind.role in ("call", "fallback", "lends"):
            records.append(read_call(view, _log_operation(view, kind), origin, tokens, weight))
        elif kind.role == "verdict" and (result := otel_result(log.attrs)) is not None:
            records.extend(_judged([result], view, origin, log.time_ns, context, weight))
        return _reading(
            log,
            "log",
            dialect.name,
            records=tuple(records),
            standing=_log_standing(kind, origin, context),
            group=_group(view, origin),
            naive_tokens=naive,
            drop=_drop(kind, records, naive),
            fingerprint=log.fingerprint,
        )


def event_name(log: RawLog, dialect: Dialect) -> str:
    """The event a log record is: its EventName, else an attribute, else the body."""
    for name in (log.event_name, text(log.attrs.get("event.name")), log.body):
        if name in dialect.logs:
            return name
    return ""


def _reading(
    record: RawSpan | RawLog,
    signal: Signal,
    dialect: str,
    *,
    records: tuple[Record, ...] = (),
    role: Role = "other",
    standing: Standing = "counts",
    group: str = "",
    naive_tokens: int = 0,
    drop: Literal["", "rollup", "duplicate", "not_llm"] = "",
    fingerprint: bytes = b"",
) -> Reading:
    return Reading(
        trace_id=record.trace_id,
        span_id=record.span_id,
        parent_span_id=record.parent_span_id if isinstance(record, RawSpan) else b"",
        signal=signal,
        dialect=dialect,
        records=records,
        role=role,
        standing=standing,
        group=group,
        naive_tokens=naive_tokens,
        drop=drop,
        fingerprint=fingerprint,
    )


def _span_kind(view: View) -> Kind:
    dialect = view.dialect
    kind = IGNORE
    for name in dialect.kind_keys:
        found = dialect.kinds.get(text(view.attrs.get(name)).lower())
        if found is not None:
            kind = found
            break
    return dialect.refine(view, kind) if dialect.refine is not None else kind


def _role(kind: Kind) -> Role:
    if kind.judge or kind.role in ("evaluator", "verdict"):
        return "evaluator"
    if kind.role == "call":
        return "call"
    if kind.role == "step" and kind.name in ("tool", "agent"):
        return "tool" if kind.name == "tool" else "agent"
    return "other"


def _drop(
    kind: Kind, records: list[Record], naive: int
) -> Literal["", "rollup", "duplicate", "not_llm"]:
    if any(isinstance(r, LlmCall) for r in records):
        return ""
    if kind.role == "copy":
        return "duplicate" if kind.name == "duplicate" else "rollup"
    if naive:
        return "rollup"
    return "" if records or kind is not IGNORE else "not_llm"


def _group(view: View, origin: Origin) -> str:
    session = view.text("session")
    return f"{view.dialect.name}\0{origin.service}\0{session}" if session else ""


def _log_standing(kind: Kind, origin: Origin, context: Context) -> Standing:
    if kind.role == "fallback":
        return "fallback"
    if kind.role != "lends":
        return "counts"
    services = context.count_details_logs
    return "counts" if services is None or origin.service in services else "lends"


def _log_operation(view: View, kind: Kind) -> Kind:
    if kind.name:
        return kind
    return view.dialect.kinds.get(
        text(view.attrs.get("gen_ai.operation.name")).lower(), Kind("call", "chat")
    )


def _exclusive(view: View, context: Context) -> bool:
    told = context.cache_inclusion.get(view.record.scope.name)
    if told is not None:
        return told == "exclusive"
    provider = view.text("provider").lower()
    return any(word in provider for word in view.dialect.exclusive_cache_for)


def _results(view: View, kind: Kind, *, has_filed: bool) -> list[Result]:
    """Verdicts and ratings on a span: its own, its events', and those filed on it."""
    results = on_span_results(view.attrs) if has_filed else []
    if kind.role == "verdict":
        # An evaluation span repeats itself in an event.
        own = _own_result(view)
        results += [own] if own is not None else []
    else:
        told = (otel_result(e.attrs) for e in view.events if e.name == _EVALUATION)
        results += [result for result in told if result is not None]
    if kind.role == "step" and kind.name == "guardrail":
        guard = guard_result(
            view.text("guardrail"), view.text("guardrail_status"), view.text("guardrail_error")
        )
        results += [guard] if guard is not None else []
    return results


def _own_result(view: View) -> Result | None:
    if view.dialect.name != "trulens":
        return otel_result(view.attrs)
    name = view.text("judge")
    broke = bool(view.text("judge_error"))
    return Result(name, view.number("judge_score"), "", "llm", failed=broke) if name else None


def _judged(
    results: list[Result],
    view: View,
    origin: Origin,
    time_ns: int,
    context: Context,
    weight: float,
) -> list[Verdict | Feedback]:
    record = view.record
    return to_records(
        results,
        origin,
        time_ns,
        context.judging,
        model=view.text("response_model") or view.text("request_model"),
        response_id=view.text("response_id"),
        target_end_ns=record.end_ns if isinstance(record, RawSpan) else 0,
        weight=weight,
    )
