"""Raw spans and log records in, parsed records out: what `engine` calls of this room."""

from __future__ import annotations

from typing import Literal

from msgspec.structs import replace

from ..model import (
    DropReason,
    Feedback,
    LlmCall,
    Origin,
    ParsedRecord,
    Precedence,
    Record,
    Role,
    Root,
    Signal,
    Step,
    Verdict,
)
from ..otlp.records import Attributes, RawEvent, RawLog, RawSpan
from .attribute_layout import AttributeLayout, AttributeLayouts
from .calls import read_call
from .coerce import text
from .context import Context, weight_of
from .evaluations import Result, guard_result, on_span_results, otel_result, to_records
from .evidence import suspected
from .filling import filled
from .http_attempts import http_attempt, lists_models
from .kinds import kind_of
from .not_understood import as_lost, is_lost
from .origin import Sender, group_of, origin_of, place_of, sender_of
from .plans import NotingView, Plans, shape_of
from .roots import begins, root_of
from .schema import GUARDRAIL, IGNORE, LEFT_OUT, Dialect, Kind, RecordView
from .score_values import score_of
from .steps import read_step
from .usage import Usage, read_usage
from .vendors import undescribed

_UNKNOWN = Dialect(name="")
_OPEN_ROLES = ("call", "fallback", "supplement", "ignore")
"""What may be a call is read by all names on it; what only encloses, by those that are listed."""
_EVALUATION = "gen_ai.evaluation.result"


class RecordParser:
    """Reads records under one configuration; what follows from their shape is remembered."""

    def __init__(self, context: Context) -> None:
        """Start with nothing remembered."""
        self.context = context
        self._layouts = AttributeLayouts(context)
        self._plans = Plans()

    def span(self, span: RawSpan) -> ParsedRecord:
        """Everything one span says.

        Raises: RejectedRecord when a number on it cannot be true.
        """
        sender = sender_of(span.resource, self.context)
        layout = self._layouts.of(span, sender.detect_by)
        dialect, deciding = layout.dialect, layout.deciding
        if dialect is None or not deciding.is_planned:
            return self._in_full(span, layout, sender)
        response_id = _first_text(span.attrs, deciding.ids) if deciding.ids else ""
        shape = shape_of(span, deciding, response_id)
        if shape is None:
            return self._in_full(span, layout, sender)
        plan = self._plans.get(shape)
        if plan is not None:
            deciding.hits += 1
            if not plan.readings:
                return self._in_full(span, layout, sender)
            reading = filled(plan, span, dialect, layout, sender, response_id)
            if reading is not None:
                return reading
        at = layout.listed
        view = NotingView(span, span.attrs, (), dialect, at, at.locations, at.groups)
        reading, kind, usage = self._read(span, layout, sender, view)
        self._plans.keep(shape, deciding, view, kind, usage, reading)
        return reading

    def in_full(self, span: RawSpan) -> ParsedRecord:
        """The same without any plan: as the first span of each shape is read.

        Raises: RejectedRecord when a number on it cannot be true.
        """
        sender = sender_of(span.resource, self.context)
        return self._in_full(span, self._layouts.of(span, sender.detect_by), sender)

    def _in_full(self, span: RawSpan, layout: AttributeLayout, sender: Sender) -> ParsedRecord:
        dialect = layout.dialect
        if dialect is None:
            return self._unread(span, layout, sender)
        if dialect.facts_in_events and span.events:
            span = _with_event_facts(span, dialect)
            layout = self._layouts.of(span, sender.detect_by)
        view = _view(span, span.events, dialect, layout)
        return self._read(span, layout, sender, view)[0]

    def _read(
        self, span: RawSpan, shape: AttributeLayout, sender: Sender, view: RecordView
    ) -> tuple[ParsedRecord, Kind, Usage]:
        """What a span says that a dialect reads; what it is by its own words, and its usage."""
        context, dialect = self.context, view.dialect
        asks_what_there_is = lists_models(span.name)
        kind = IGNORE if asks_what_there_is else _span_kind(view, shape)
        if kind.role in _OPEN_ROLES:
            view.use(shape.open)
        origin = origin_of(span, "span", dialect, shape, sender)
        weight = weight_of(span, origin.service, context)
        usage = read_usage(view, kind.name, context)
        naive = 0 if usage.tokens is None else usage.tokens.total
        records: list[Record] = []
        precedence: Precedence = "primary"
        if kind.role == "call":
            records.append(read_call(view, kind, origin, usage, weight))
        else:
            if kind.role == "step":
                records.append(read_step(view, kind, origin, weight))
            call = None if asks_what_there_is else suspected(view, kind, naive)
            if call is not None:
                precedence = "evidence"
                records.append(read_call(view, call, origin, usage, weight, is_suspected=True))
        if kind is IGNORE and not records and dialect is undescribed.DIALECT:
            return self._unread(span, shape, sender), kind, usage
        if shape.has_results or view.events or kind.role == "verdict" or kind is GUARDRAIL:
            results = _results(view, kind, has_filed=shape.has_results)
            if results:
                records.extend(_judged(results, view, origin, span.ended_ns, context, weight))
        reading = ParsedRecord(
            trace_id=span.trace_id,
            span_id=span.span_id,
            parent_span_id=span.parent_span_id,
            signal="span",
            dialect=dialect.name,
            records=tuple(records),
            role=_role(kind),
            precedence=precedence,
            group=group_of(view, origin.service),
            reported_tokens=naive,
            drop=_drop(view, kind, records, usage),
            root=root_of(span, origin, weight, failed=_failed(records)) if begins(span) else None,
            attempt=http_attempt(span) if kind is IGNORE else None,
            unreadable=len(view.unreadable),
            inherited=origin.dimensions if shape.dimensions and not records else (),
        )
        return reading, kind, usage

    def _unread(self, span: RawSpan, shape: AttributeLayout, sender: Sender) -> ParsedRecord:
        reading = self._unknown(span, shape, sender)
        if not shape.may_be_llm:
            return reading
        view = _view(span, (), undescribed.DIALECT, shape)
        view.use(shape.open)
        return as_lost(reading, view, self.context)

    def _unknown(self, span: RawSpan, shape: AttributeLayout, sender: Sender) -> ParsedRecord:
        if not begins(span):
            dimensions = place_of(span.attrs, shape, sender)[2] if shape.dimensions else ()
            return _not_llm(span, "span", inherited=dimensions)
        origin = origin_of(span, "span", _UNKNOWN, shape, sender)
        weight = weight_of(span, origin.service, self.context)
        return _not_llm(span, "span", root_of(span, origin, weight, failed=False))

    def log(self, log: RawLog) -> ParsedRecord:
        """Everything one log record says.

        Raises: RejectedRecord when a number on it cannot be true.
        """
        context = self.context
        sender = sender_of(log.resource, context)
        shape = self._layouts.of(log, sender.detect_by)
        dialect = shape.dialect
        if dialect is None:
            return _not_llm(log, "log")
        view = _view(log, (), dialect, shape)
        kind = dialect.logs.get(event_name(log, dialect), IGNORE)
        if dialect.refine_log is not None:
            kind = dialect.refine_log(view, kind)
        if kind is IGNORE:
            view.use(shape.open)
            reading = _not_llm(log, "log")
            return as_lost(reading, view, context) if shape.may_be_llm else reading
        if kind.role in _OPEN_ROLES:
            view.use(shape.open)
        origin = origin_of(log, "log", dialect, shape, sender)
        weight = weight_of(log, origin.service, context)
        usage = read_usage(view, kind.name, context)
        naive = 0 if usage.tokens is None else usage.tokens.total
        records: list[Record] = []
        if kind.role == "step" or kind.name == "tool":
            records.append(read_step(view, Kind("step", "tool"), origin, weight))
        elif kind.role in ("call", "fallback", "supplement"):
            records.append(read_call(view, _log_operation(view, kind), origin, usage, weight))
        elif kind.role == "verdict" and (result := otel_result(log.attrs)) is not None:
            records.extend(_judged([result], view, origin, log.time_ns, context, weight))
        return ParsedRecord(
            trace_id=log.trace_id,
            span_id=log.span_id,
            parent_span_id=b"",
            signal="log",
            dialect=dialect.name,
            records=tuple(records),
            precedence=_log_precedence(kind, origin, context),
            group=group_of(view, origin.service),
            reported_tokens=naive,
            drop=_drop(view, kind, records, usage),
            fingerprint=log.fingerprint,
            unreadable=len(view.unreadable),
        )


def _view(
    record: RawSpan | RawLog,
    events: tuple[RawEvent, ...],
    dialect: Dialect,
    shape: AttributeLayout,
) -> RecordView:
    at = shape.listed
    return RecordView(record, record.attrs, events, dialect, at, at.locations, at.groups)


def _first_text(attrs: Attributes, names: tuple[str, ...]) -> str:
    for name in names:
        if found := text(attrs[name]):
            return found
    return ""


def _with_event_facts(span: RawSpan, dialect: Dialect) -> RawSpan:
    """The span with the attributes of its events for its own; the last event says most."""
    attrs = dict(span.attrs)
    for event in span.events:
        if event.name.lower() in dialect.kinds:
            attrs.update(event.attrs)
    return replace(span, attrs=attrs)


def event_name(log: RawLog, dialect: Dialect) -> str:
    """The event a log record is: its EventName, else an attribute, else the body."""
    for name in (log.event_name, text(log.attrs.get("event.name")), log.body):
        known = name.rpartition(".")[2] if dialect.events_by_ending else name
        if known in dialect.logs:
            return known
    return ""


def _failed(records: list[Record]) -> bool:
    return any(isinstance(r, LlmCall | Step) and r.error_type for r in records)


def _not_llm(
    record: RawSpan | RawLog,
    signal: Signal,
    root: Root | None = None,
    inherited: tuple[str, ...] = (),
) -> ParsedRecord:
    parent_id = record.parent_span_id if isinstance(record, RawSpan) else b""
    attempt = http_attempt(record) if isinstance(record, RawSpan) else None
    return ParsedRecord(
        *(record.trace_id, record.span_id, parent_id, signal, ""),
        drop="not_llm",
        root=root,
        attempt=attempt,
        inherited=inherited,
    )


def _span_kind(view: RecordView, shape: AttributeLayout) -> Kind:
    dialect, attrs = view.dialect, view.attrs
    kind = IGNORE
    for name in (*dialect.kind_keys, *shape.kind_keys):
        value = attrs.get(name)
        if value is not None:
            kind = shape.kinds.get(value, IGNORE) if isinstance(value, str) else IGNORE
            if kind is IGNORE:
                kind = kind_of(text(value), shape.kinds)
            if kind is not IGNORE:
                break
    return dialect.refine(view, kind) if dialect.refine is not None else kind


def _role(kind: Kind) -> Role:
    if kind.judge or kind.role in ("evaluator", "verdict"):
        return "evaluator"
    if kind.role == "call":
        return "loop" if kind.loops else "call"
    if kind.role == "step" and kind.name in ("tool", "agent"):
        return "tool" if kind.name == "tool" else "agent"
    return "other"


def _drop(
    view: RecordView, kind: Kind, records: list[Record], usage: Usage
) -> Literal["", DropReason]:
    # An agent's own call comes after the step that the agent is.
    if records and (isinstance(records[0], LlmCall) or isinstance(records[-1], LlmCall)):
        return ""
    if kind.role == "copy":
        return "duplicate" if kind.name == "duplicate" else "rollup"
    if kind is IGNORE and not records:
        return "unknown_kind" if is_lost(view, usage) else "not_llm"
    if kind is LEFT_OUT:
        return "not_llm"
    if usage.tokens is not None and usage.tokens.total:
        return "rollup"
    return "" if records else "structure"


def _log_precedence(kind: Kind, origin: Origin, context: Context) -> Precedence:
    if kind.role == "fallback":
        return "fallback"
    if kind.role != "supplement":
        return "primary"
    services = context.count_details_logs
    return "primary" if services is None or origin.service in services else "supplement"


def _log_operation(view: RecordView, kind: Kind) -> Kind:
    if kind.name:
        return kind
    return view.dialect.kinds.get(
        text(view.attrs.get("gen_ai.operation.name")).lower(), Kind("call", "chat")
    )


def _results(view: RecordView, kind: Kind, *, has_filed: bool) -> list[Result]:
    """Verdicts and ratings on a span: its own, its events', and those filed on it."""
    results = on_span_results(view.attrs) if has_filed else []
    if kind.role == "verdict":
        # An evaluation span repeats itself in an event.
        own = _own_result(view)
        results += [own] if own is not None else []
    elif view.events:
        events = (otel_result(e.attrs) for e in view.events if e.name == _EVALUATION)
        results += [result for result in events if result is not None]
    if kind.role == "step" and kind.name == "guardrail":
        guard = guard_result(
            view.text("guardrail"), view.text("guardrail_status"), view.text("guardrail_error")
        )
        results += [guard] if guard is not None else []
    return results


def _own_result(view: RecordView) -> Result | None:
    if not view.dialect.verdicts_by_field:
        return otel_result(view.attrs)
    name = view.text("judge")
    broke = bool(view.text("judge_error"))
    score = score_of(view.raw("judge_score"))
    return Result(name, score, "", "llm", failed=broke) if name else None


def _judged(
    results: list[Result],
    view: RecordView,
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
        target_end_ns=record.end_ns if isinstance(record, RawSpan) and record.has_end else 0,
        weight=weight,
    )
