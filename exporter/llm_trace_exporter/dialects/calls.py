"""A request to a model, from what one record says of it."""

from __future__ import annotations

from ..model import ErrorType, GatewayEvent, LlmCall, Origin, ReportedCost
from ..otlp.records import Value
from ..service_tiers import normalize_tier
from .cache_inclusion import APART, GOOGLE
from .coerce import MAX_SECONDS, instant_ns, is_made_up
from .finish_reasons import finish_reasons, finished_in_error
from .outcome import Failure, failure_of, interval
from .region import region_of
from .schema import Kind, RecordView
from .usage import Usage


def read_call(
    view: RecordView,
    kind: Kind,
    origin: Origin,
    usage: Usage,
    weight: float,
    *,
    is_suspected: bool = False,
) -> LlmCall:
    """The call that a record tells; its usage was read already.

    Args:
        is_suspected: Nothing but the evidence on it says that it is one.
    """
    tokens = usage.tokens
    start_ns, end_ns, is_untimed = interval(view)
    finish = _finish_of(view)
    failure = failure_of(view, unanswered=is_suspected and tokens is None and finish is None)
    error: ErrorType = failure.error_type if failure is not None else ""
    if not error and view.dialect.errors_finish and finished_in_error(finish):
        error = "other"
    is_streamed, ttft_s = streaming(view, start_ns)
    model = view.model if view.dialect.wrapped_model else view.text
    request_model, response_model = model("request_model"), model("response_model")
    served_model = view.text("served_model")
    is_alias = not request_model or not response_model.startswith(request_model)
    if served_model and is_alias:
        response_model = served_model
    if not request_model and not response_model:
        request_model = view.text("fallback_model") or _model_in_name(view)
    return LlmCall(
        origin=origin,
        start_ns=start_ns,
        end_ns=end_ns,
        operation=kind.name,
        provider=_provider(view),
        request_model=view.text("routed_from") or request_model,
        response_model=response_model,
        tokens=tokens if finish is not None or not _is_estimate(view, error) else None,
        error_type=error,
        finish_reasons=finish_reasons(finish),
        streaming=is_streamed,
        ttft_s=ttft_s,
        reported_cost=reported_cost(view, failed=bool(error)),
        response_id="" if error else linking_id(view.text("response_id")),
        service_tier=usage.tier or _tier(view),
        gateway_events=gateway_events(view, failure),
        weight=weight,
        web_searches=usage.web_searches,
        region=region_of(view),
        is_untimed=is_untimed,
    )


def linking_id(written: str) -> str:
    """A response id as far as it links what tells of one answer; empty where it links nothing."""
    return "" if is_made_up(written) else written


_BROKEN_OFF = frozenset(("connection", "timeout", "cancelled"))
_TELLS_AT_FIRST = (*APART, *GOOGLE)


def _is_estimate(view: RecordView, error: ErrorType) -> bool:
    """Whether the emitter of a call without an end counted what the provider never told.

    OpenAI's API and those like it tell the usage of a stream in its last part; of one that broke
    off before, ddtrace 4.16 and LiteLLM write what they think it was.
    """
    if error not in _BROKEN_OFF or "usage" not in view.groups:
        return False
    names = f"{view.text('provider')} {view.text('request_model')}".lower()
    return not any(word in names for word in _TELLS_AT_FIRST)


def _finish_of(view: RecordView) -> Value:
    reasons = view.raw("finish")
    if reasons is not None:
        return reasons
    if not view.events:
        return None
    found: list[Value] = [
        e.attrs["finish_reason"]
        for e in view.events
        if e.name == "gen_ai.choice" and "finish_reason" in e.attrs
    ]
    return found or None


def streaming(view: RecordView, start_ns: int) -> tuple[bool, float | None]:
    """Whether the answer was streamed, and seconds from the start to its first token."""
    if not view.events and "streaming" not in view.groups:
        return view.dialect.always_streams, None
    flag = view.flag("streaming")
    ttft_s = view.number("ttft")
    if ttft_s is None and flag:
        ttft_s = view.number("ttft_if_streaming")
    if ttft_s is None and (at := instant_ns(view.raw("first_token_at"))) is not None:
        ttft_s = (at - start_ns) / 1e9
    if ttft_s is None:
        first = [e.time_ns for e in view.events if e.name in view.dialect.first_token_events]
        if first:
            ttft_s = (min(first) - start_ns) / 1e9
    if ttft_s is not None and not 0 <= ttft_s <= MAX_SECONDS:
        ttft_s = None
    streamed = flag is True or view.dialect.always_streams or ttft_s is not None
    operation = view.text("operation").lower()
    return streamed or ".dostream" in operation, ttft_s


def _provider(view: RecordView) -> str:
    """Whoever answers, as the emitter calls it; some call `unknown` whom they do not know."""
    named = view.text("provider")
    if named in _UNKNOWN:
        named = view.first_text("provider", but=_UNKNOWN)
    elif named == "google":
        # OpenInference names the maker; which of Google's services it was may stand beside.
        named = view.first_text("provider", but=_MAKER) or named
    return named or view.dialect.provider


_UNKNOWN = frozenset(("unknown", "other", "custom", "default"))
_MAKER = _UNKNOWN | {"google"}


def _model_in_name(view: RecordView) -> str:
    words = view.span_name().split()
    return words[1] if view.dialect.model_in_name and len(words) == 2 else ""


def reported_cost(view: RecordView, *, failed: bool) -> ReportedCost | None:
    """What the record says that the call cost; None where it says nothing that can be true."""
    if "cost" not in view.groups:
        return None
    currency = view.text("cost_currency")
    if currency and currency.upper() != "USD":
        return None
    parts = _cost_parts(view)
    total = view.usd("cost")
    if total is None and parts:
        total = sum(amount for _, amount in parts)
    if total is None or (total == 0 and (failed or view.dialect.untrusted_cost)):
        return None
    return ReportedCost(total, parts)


def _cost_parts(view: RecordView) -> tuple[tuple[str, float], ...]:
    """Dollars by token type; the input's contain those of its cached tokens."""
    on_input, on_output = view.usd("cost_input"), view.usd("cost_output")
    if on_input is None or on_output is None:
        return ()
    read, write = view.usd("cost_cache_read") or 0.0, view.usd("cost_cache_write") or 0.0
    uncached = max(0.0, on_input - read - write)
    parts = (("input", uncached), ("cache_read", read), ("cache_write", write))
    return tuple(part for part in (*parts, ("output", on_output)) if part[1])


def _tier(view: RecordView) -> str:
    if "service_tier" not in view.locations:
        return ""
    return normalize_tier(view.text("service_tier"))


def gateway_events(
    view: RecordView, failure: Failure | None
) -> tuple[tuple[GatewayEvent, int], ...]:
    """What a gateway did of itself, and how often."""
    if failure is not None and failure.turned_away is not None:
        return ((failure.turned_away, 1), *_counted_events(view))
    return _counted_events(view)


def _counted_events(view: RecordView) -> tuple[tuple[GatewayEvent, int], ...]:
    if "gateway" not in view.groups:
        return ()
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
