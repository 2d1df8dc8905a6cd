"""Executing a shape plan: the reading of a span from that of another of its shape.

Only what differs is touched: ids, times, who sends it, numbers. What stands in no attribute of its
own, or is rare, is read by the code that reads it of any span, and nothing else of the span is.
"""

from __future__ import annotations

from msgspec.structs import replace

from ..model import LlmCall, Origin, ParsedRecord, Step, Tokens
from ..otlp.records import Attributes, RawSpan
from .attribute_layout import AttributeLayout
from .calls import gateway_events, linking_id, reported_cost, streaming
from .coerce import MAX_TOKENS
from .context import weight_of
from .http_attempts import http_attempt
from .origin import Sender, group_of, place_of
from .outcome import interval
from .plans import Plan
from .roots import begins, root_of
from .schema import Dialect, RecordView
from .usage import NOTHING, Usage, read_usage


def filled(
    plan: Plan,
    span: RawSpan,
    dialect: Dialect,
    layout: AttributeLayout,
    sender: Sender,
    response_id: str,
) -> ParsedRecord | None:
    """Everything one span says; None where none that tells as much of its usage was read yet.

    Args:
        plan: That of its shape.
        span: The span.
        dialect: Who reads it.
        layout: Its layout.
        sender: Who sends it.
        response_id: As it tells it.

    Raises: RejectedRecord when a number on it cannot be true.
    """
    context, attrs = sender.context, span.attrs
    service, environment, dimensions = place_of(attrs, layout, sender)
    is_whole = not (context.sampling or span.trace_state)
    weight = 1.0 if is_whole else weight_of(span, service, context)
    view = None
    usage, n = NOTHING, 0
    tokens = None if plan.plain is None else _plain(attrs, *plan.plain)
    if tokens is None and "usage" in plan.places.groups:
        view = _view(span, dialect, plan)
        usage = read_usage(view, plan.operation, context)
        tokens = usage.tokens
    if tokens is not None:
        n = tokens.total
    read = plan.readings[0 if tokens is None else 2 if n else 1]
    if read is None:
        return None
    if plan.left_open:
        view = view or _view(span, dialect, plan)
    trace_id, span_id, parent_id = span.trace_id, span.span_id, span.parent_span_id
    origin = Origin(
        trace_id,
        span_id,
        parent_id,
        "span",
        dialect.name,
        plan.reporter,
        service,
        environment,
        dimensions,
    )
    records: tuple[LlmCall | Step, ...] = ()
    for record in read.records:
        if isinstance(record, LlmCall):
            call = _call(record, span, origin, tokens, weight, response_id)
            has_more = plan.left_open or usage.tier or usage.web_searches
            records += (_with_more(call, view, usage) if has_more and view is not None else call,)
        elif isinstance(record, Step):
            records += (_step(record, span, origin, weight, view),)
    return ParsedRecord(
        trace_id,
        span_id,
        parent_id,
        "span",
        dialect.name,
        records,
        read.role,
        read.precedence,
        group_of(view, service) if plan.left_open and view is not None else "",
        n,
        read.drop,
        b"",
        root_of(span, origin, weight, failed=False) if begins(span) else None,
        http_attempt(span) if plan.is_ignored else None,
        0 if view is None else len(view.unreadable),
        dimensions if layout.dimensions and not records else (),
    )


def _view(span: RawSpan, dialect: Dialect, plan: Plan) -> RecordView:
    at = plan.places
    return RecordView(span, span.attrs, (), dialect, at, at.locations, at.groups)


def _plain(attrs: Attributes, input_at: str, output_at: str) -> Tokens | None:
    """The usage of a record that tells whole numbers and no parts; None where it does not."""
    given, written = attrs[input_at], attrs[output_at]
    if (
        type(given) is int
        and type(written) is int
        and 0 < given <= MAX_TOKENS
        and 0 < written <= MAX_TOKENS
    ):
        return Tokens(given, 0, 0, written)
    return None


def _call(
    template: LlmCall,
    span: RawSpan,
    origin: Origin,
    tokens: Tokens | None,
    weight: float,
    response_id: str,
) -> LlmCall:
    return LlmCall(
        origin,
        span.start_ns,
        span.end_ns,
        template.operation,
        template.provider,
        template.request_model,
        template.response_model,
        tokens,
        "",
        template.finish_reasons,
        template.streaming,
        None,
        None,
        linking_id(response_id) if response_id else "",
        template.service_tier,
        template.gateway_events,
        "",
        weight,
        0,
        template.region,
    )


def _with_more(call: LlmCall, view: RecordView, usage: Usage) -> LlmCall:
    """A call with what is read of each span that tells it."""
    start_ns, end_ns, is_untimed = interval(view)
    is_streamed, ttft_s = streaming(view, start_ns)
    return replace(
        call,
        start_ns=start_ns,
        end_ns=end_ns,
        streaming=is_streamed,
        ttft_s=ttft_s,
        reported_cost=reported_cost(view, failed=False),
        service_tier=usage.tier or call.service_tier,
        gateway_events=gateway_events(view, None),
        web_searches=usage.web_searches,
        is_untimed=is_untimed,
    )


def _step(
    template: Step, span: RawSpan, origin: Origin, weight: float, view: RecordView | None
) -> Step:
    start_ns, end_ns, is_untimed = span.start_ns, span.end_ns, False
    if view is not None and "duration" in view.locations:
        start_ns, end_ns, is_untimed = interval(view)
    return Step(
        origin,
        start_ns,
        end_ns,
        template.kind,
        template.name,
        "",
        None,
        None,
        template.guardrail_action,
        template.named,
        weight,
        is_untimed,
    )
