"""Raw spans and log records in, readings out. The only door of this room."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Literal

from ..model import (
    ErrorType,
    Feedback,
    FinishReason,
    GatewayEvent,
    GuardrailAction,
    LlmCall,
    Origin,
    Reading,
    Record,
    ReportedCost,
    Role,
    Signal,
    Standing,
    Step,
    StepKind,
    Verdict,
)
from ..otlp.raw import RawLog, RawSpan
from .context import Context, origin_of, weight_of
from .failures import classify
from .finish import finish_reasons
from .registry import TABLES, dialect_of
from .table import IGNORE, Dialect, Kind, View
from .usage import read_tokens
from .values import MAX_SECONDS, instant_ns, is_made_up, parse_object, text
from .verdicts import Result, guard_result, on_span_results, otel_result, to_records

_EVALUATION = "gen_ai.evaluation.result"
_IDS_IN_NAMES = re.compile(
    r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}|\b[0-9a-f]{16,}\b|\d{6,}", re.IGNORECASE
)
_OPERATION_IN_NAME = re.compile(
    r"^(?:execute_tool|running tool:?|invoke_agent|invoke_workflow|retrieval|vector_db_retrieve"
    r"|apply_guardrail)\s+|\.(?:tool|agent|workflow|task|guard|__call__)$"
)
_ACTIONS: dict[str, GuardrailAction] = {
    **dict.fromkeys(("passed", "pass", "allow", "allowed", "none", "true", "success"), "allow"),
    **dict.fromkeys(
        ("failed", "fail", "block", "blocked", "deny", "denied", "intervened", "false",
         "guardrail_intervened", "reject", "rejected"),
        "block",
    ),
    **dict.fromkeys(("modify", "modified", "redact", "redacted", "mask", "masked", "anonymized",
                     "rewrite", "transform"), "modify"),
    **dict.fromkeys(("warn", "warning", "flag", "flagged", "monitor"), "warn"),
}  # fmt: skip


def read_span(span: RawSpan, context: Context) -> Reading:
    """Everything one span says.

    Raises: RejectedRecord when a number on it cannot be true.
    """
    dialect = dialect_of(span, context.disabled)
    if dialect is None:
        return _reading(span, "span", "", drop="not_llm")
    view = View(span, dialect, TABLES[dialect.name])
    kind = _span_kind(view)
    origin = origin_of(span, "span", dialect, context)
    weight = weight_of(span, origin.service, context)
    tokens = read_tokens(view, _exclusive(view, context))
    naive = tokens.total if tokens else 0
    records: list[Record] = []
    if kind.role in ("call", "step"):
        records.append(
            _call(view, kind, origin, context, weight)
            if kind.role == "call"
            else _step(view, kind, origin, weight)
        )
    records.extend(_results(view, kind, origin, context, weight))
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


def read_log(log: RawLog, context: Context) -> Reading:
    """Everything one log record says.

    Raises: RejectedRecord when a number on it cannot be true.
    """
    dialect = dialect_of(log, context.disabled)
    kind, view = IGNORE, None
    if dialect is not None:
        view = View(log, dialect, TABLES[dialect.name])
        kind = dialect.logs.get(event_name(log, dialect), IGNORE)
        if dialect.refine_log is not None:
            kind = dialect.refine_log(view, kind)
    if dialect is None or view is None or kind is IGNORE:
        return _reading(log, "log", "", drop="not_llm")
    origin = origin_of(log, "log", dialect, context)
    weight = weight_of(log, origin.service, context)
    tokens = read_tokens(view, _exclusive(view, context))
    naive = tokens.total if tokens else 0
    records: list[Record] = []
    if kind.role == "step" or kind.name == "tool":
        records.append(_step(view, Kind("step", "tool"), origin, weight))
    elif kind.role in ("call", "fallback", "lends"):
        records.append(_call(view, _log_operation(view, kind), origin, context, weight))
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
    if view.dialect.name == "openlit":
        return "anthropic" in view.text("provider").lower()
    return view.dialect.exclusive_cache


def _call(view: View, kind: Kind, origin: Origin, context: Context, weight: float) -> LlmCall:
    start_ns, end_ns = _interval(view)
    error = _error(view)
    tokens = read_tokens(view, _exclusive(view, context))
    streaming, ttft_s = _streaming(view, start_ns)
    request_model, response_model = view.text("request_model"), view.text("response_model")
    served_model = view.text("served_model")
    is_alias = not request_model or not response_model.startswith(request_model)
    if served_model and is_alias:
        response_model = served_model
    if not request_model and not response_model:
        request_model = _model_in_name(view)
    response_id = view.text("response_id")
    return LlmCall(
        origin=origin,
        start_ns=start_ns,
        end_ns=end_ns,
        operation=kind.name,
        provider=view.text("provider") or _implied_provider(view),
        request_model=view.text("routed_from") or request_model,
        response_model=response_model,
        tokens=tokens,
        error_type=error,
        finish_reasons=_finish(view),
        streaming=streaming,
        ttft_s=ttft_s,
        reported_cost=_reported_cost(view, failed=bool(error)),
        response_id="" if is_made_up(response_id) or error else response_id,
        service_tier=_tier(view),
        gateway_events=_gateway_events(view),
        weight=weight,
    )


def _finish(view: View) -> tuple[FinishReason, ...]:
    told = view.raw("finish")
    if told is None:
        told = [
            e.attrs["finish_reason"]
            for e in view.events
            if e.name == "gen_ai.choice" and "finish_reason" in e.attrs
        ]
    return finish_reasons(told)


def _interval(view: View) -> tuple[int, int]:
    """Start and end; a told duration outranks a span without length and dates a log record."""
    record = view.record
    told = view.number("duration")
    told_ns = int(min(told, MAX_SECONDS) * 1e9) if told is not None and told > 0 else 0
    if isinstance(record, RawLog):
        return max(0, record.time_ns - told_ns), record.time_ns
    end_ns = max(record.start_ns, record.end_ns)
    if told_ns > end_ns - record.start_ns and end_ns - record.start_ns < 1_000_000:
        return max(0, end_ns - told_ns), end_ns
    return record.start_ns, end_ns


def _error(view: View) -> ErrorType:
    record = view.record
    exceptions = [e for e in view.events if e.name == "exception"]
    status = view.number("http_status") if _is_status(view) else None
    if isinstance(record, RawSpan):
        failed = (
            record.status_code == 2
            or view.text("level") == "ERROR"
            or view.flag("success") is False
            or (view.dialect.name == "langsmith" and bool(exceptions))
            or (record.status_code == 0 and bool(view.text("error_type")))
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
        return ""
    classes = [view.text("error_type"), _code_in_text(view)]
    classes += [text(e.attrs.get("exception.type")) for e in exceptions]
    prose = [message, text(view.raw("error_text"))]
    prose += [text(e.attrs.get("exception.message")) for e in exceptions]
    return classify(status, classes, "\n".join(prose))


def _is_status(view: View) -> bool:
    written = text(view.raw("http_status"))
    return len(written) == 3 and written.isascii() and written.isdigit()


def _code_in_text(view: View) -> str:
    written = text(view.raw("http_status"))
    return "" if written.isdigit() else written


def _streaming(view: View, start_ns: int) -> tuple[bool, float | None]:
    """Whether the answer was streamed, and when its first token came, in seconds after the start."""
    told = view.flag("streaming")
    ttft_s = view.number("ttft")
    if ttft_s is None and told:
        ttft_s = view.number("ttft_if_streaming")
    if ttft_s is None and (at := instant_ns(view.raw("first_token_at"))) is not None:
        ttft_s = (at - start_ns) / 1e9
    if ttft_s is None:
        first = [e.time_ns for e in view.events if e.name in view.dialect.first_token_events]
        if first:
            ttft_s = (min(first) - start_ns) / 1e9
    if ttft_s is not None and not 0 <= ttft_s <= MAX_SECONDS:
        ttft_s = None
    streamed = told is True or view.dialect.always_streams or ttft_s is not None
    operation = view.text("operation").lower()
    return streamed or ".dostream" in operation, ttft_s


def _implied_provider(view: View) -> str:
    return {"claude_code": "anthropic", "codex_cli": "openai", "gemini_cli": "gcp.gemini"}.get(
        view.dialect.name, ""
    )


def _model_in_name(view: View) -> str:
    words = view.span_name().split()
    known = view.dialect.name == "openlit" and len(words) == 2
    return words[1] if known else ""


def _reported_cost(view: View, *, failed: bool) -> ReportedCost | None:
    total = view.usd("cost")
    currency = view.text("cost_currency")
    unknown = total == 0 and (failed or view.dialect.untrusted_cost)
    if total is None or unknown or (currency and currency.upper() != "USD"):
        return None
    parts = tuple(
        (type_, amount)
        for type_, fact in (("input", "cost_input"), ("output", "cost_output"))
        if (amount := view.usd(fact)) is not None
    )
    return ReportedCost(total, parts if len(parts) == 2 else ())


def _tier(view: View) -> str:
    tier = view.text("service_tier").lower()
    return "" if tier in ("default", "standard", "auto", "on_demand") else tier


def _gateway_events(view: View) -> tuple[tuple[GatewayEvent, int], ...]:
    found: list[tuple[GatewayEvent, int]] = []
    retries = int(view.number("retries") or 0)
    attempt = view.number("attempt")
    if attempt is not None:
        retries = max(retries, int(attempt) - 1)
    if 0 < retries <= 1000:
        found.append(("retry", retries))
    fallbacks = int(view.number("fallbacks") or 0)
    if 0 < fallbacks <= 1000:
        found.append(("fallback", fallbacks))
    if view.flag("cache_hit") or view.text("cache_hit").lower() == "hit":
        found.append(("cache_hit", 1))
    return tuple(found)


_STEP_FACTS: dict[str, str] = {
    "tool": "tool",
    "agent": "agent",
    "workflow": "workflow",
    "retrieval": "retriever",
    "guardrail": "guardrail",
}


def _step(view: View, kind: Kind, origin: Origin, weight: float) -> Step:
    step_kind: StepKind = kind.name  # type: ignore[assignment]
    told = view.text(_STEP_FACTS.get(kind.name, ""))
    start_ns, end_ns = _interval(view)
    documents, top_score = _documents(view) if step_kind == "retrieval" else (None, None)
    return Step(
        origin=origin,
        start_ns=start_ns,
        end_ns=end_ns,
        kind=step_kind,
        name=_clean_name(told or view.span_name()),
        named=bool(told),
        error_type=_error(view),
        documents=documents,
        top_score=top_score,
        guardrail_action=_action(view) if step_kind == "guardrail" else None,
        weight=weight,
    )


def _clean_name(name: str) -> str:
    """A step's name without the operation around it and without ids that would make it endless."""
    return _IDS_IN_NAMES.sub("*", _OPERATION_IN_NAME.sub("", name))


def _action(view: View) -> GuardrailAction | None:
    if view.text("guardrail_error"):
        return None
    told = view.text("guardrail_status") or view.text("guardrail_passed")
    return _ACTIONS.get(told.lower())


_DOCUMENT = re.compile(r"^retrieval\.documents\.(\d{1,4})\.document\.(\w+)$")


def _documents(view: View) -> tuple[int | None, float | None]:
    """How many documents came back, and their best score; None where unknown."""
    highest, scores = -1, []
    for name, value in view.attrs.items():
        if (matched := _DOCUMENT.match(name)) is not None:
            highest = max(highest, int(matched[1]))
            if matched[2] == "score" and isinstance(value, int | float):
                scores.append(float(value))
    if highest >= 0:
        return highest + 1, max(scores, default=None)
    told = view.raw("documents")
    if isinstance(told, int | float) and not isinstance(told, bool):
        return max(0, int(told)), None
    listed = parse_object(told)
    if not isinstance(listed, list):
        return None, None
    found = [d.get("score") for d in listed if isinstance(d, dict)]
    scores = [float(s) for s in found if isinstance(s, int | float) and not isinstance(s, bool)]
    return len(listed), max(scores, default=None)


def _results(
    view: View, kind: Kind, origin: Origin, context: Context, weight: float
) -> list[Verdict | Feedback]:
    """Verdicts and ratings on a span: its own, its events', and those filed on it."""
    span = view.record
    assert isinstance(span, RawSpan)
    results: list[Result] = list(on_span_results(span.attrs))
    if kind.role == "verdict":
        # An evaluation span repeats itself in an event.
        own = _own_result(view)
        results += [own] if own is not None else []
    else:
        told = (otel_result(e.attrs) for e in span.events if e.name == _EVALUATION)
        results += [result for result in told if result is not None]
    if kind.role == "step" and kind.name == "guardrail":
        guard = guard_result(
            view.text("guardrail"), view.text("guardrail_status"), view.text("guardrail_error")
        )
        results += [guard] if guard is not None else []
    return _judged(results, view, origin, span.end_ns, context, weight) if results else []


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
    kinds = context.judge_kinds
    return to_records(
        [replace(r, kind=kinds[r.name]) if r.name in kinds else r for r in results],
        origin,
        time_ns,
        context.labels,
        model=view.text("response_model") or view.text("request_model"),
        target_end_ns=record.end_ns if isinstance(record, RawSpan) else 0,
        weight=weight,
    )


