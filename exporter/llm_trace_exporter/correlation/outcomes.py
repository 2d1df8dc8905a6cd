"""How a call ended, where its own span does not say: HTTP client spans beneath, agents around it.

Spans of streams are often closed without a word when the connection breaks, and SDKs try again
without telling. The HTTP library beneath tells each attempt.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from msgspec.structs import replace

from ..model import ErrorType, GatewayEvent, HttpAttempt, LlmCall, Step
from .call_groups import CallGroup
from .merge import SLACK_NS
from .trace import Trace


def fill_outcomes(trace: Trace, leaves: Iterable[CallGroup]) -> None:
    """Give calls the errors and the retries that only spans beneath and around them tell."""
    attempts = _by_call(trace) if trace.attempts else {}
    for leaf in leaves:
        if leaf.late or leaf.is_covered:
            continue
        if attempts and (made := _made_for(leaf, attempts)):
            leaf.call = _as_attempted(leaf.call, made)
        elif attempts and leaf.call.tokens is None:
            leaf.lists_models = any(reporter.span_id in attempts for reporter in leaf.reporters)
        is_open = leaf.call.error_type == "other" or _tells_no_answer(leaf.call)
        if is_open and (error := _error_around(trace, leaf)):
            leaf.call = replace(leaf.call, error_type=error)


def _by_call(trace: Trace) -> dict[bytes, list[HttpAttempt]]:
    """Attempts by the span of the call that they were made for."""
    found: dict[bytes, list[HttpAttempt]] = defaultdict(list)
    for span_id, attempt in trace.attempts.items():
        for above, node in trace.above(span_id):
            if above in trace.attempts:
                break  # One library above another tells the same request.
            if node.call is not None:
                found[above].append(attempt)
            if node.call is not None or node.role in ("tool", "agent", "evaluator"):
                break  # What a tool asks for is its own.
    return found


def _made_for(leaf: CallGroup, attempts: dict[bytes, list[HttpAttempt]]) -> list[HttpAttempt]:
    made = [a for p in leaf.reporters for a in attempts.get(p.span_id, ()) if a.is_generation]
    return sorted(made, key=lambda attempt: (attempt.start_ns, attempt.end_ns))


def _as_attempted(call: LlmCall, made: list[HttpAttempt]) -> LlmCall:
    """A call with what its attempts, in their order, tell of its end and of those before."""
    last = made[-1].error_type
    if last and (call.error_type == "other" or _tells_no_answer(call)):
        call = replace(call, error_type=last)
    retries = sum(1 for attempt in made[:-1] if attempt.error_type)
    if retries and not any(event == "retry" for event, _ in call.gateway_events):
        retried: tuple[GatewayEvent, int] = ("retry", retries)
        call = replace(call, gateway_events=(*call.gateway_events, retried))
    return call


def _tells_no_answer(call: LlmCall) -> bool:
    return (
        not call.error_type
        and call.tokens is None
        and call.ttft_s is None
        and not call.finish_reasons
        and not call.response_id
        and not call.gateway_events
    )


def _error_around(trace: Trace, leaf: CallGroup) -> ErrorType:
    """The error of the agent that ended with the call: its last, and a model's fault."""
    reporter = leaf.reporters[0]
    for agent_id, node in trace.above(reporter.span_id) if reporter.signal == "span" else ():
        if node.role == "evaluator":
            return ""
        if node.role != "agent" or node.step is None:
            continue
        step = node.step.record
        if not 0 <= step.end_ns - leaf.call.end_ns <= SLACK_NS:
            return ""
        if step.error_type not in ("", "other", "cancelled"):
            return step.error_type if _is_last(trace, agent_id, leaf.call) else ""
    return ""


def _is_last(trace: Trace, agent_id: bytes, call: LlmCall) -> bool:
    """Whether an agent did nothing after a call."""
    return not any(
        later.record.start_ns > call.end_ns
        for later in (*trace.calls, *trace.steps)
        if isinstance(later.record, LlmCall | Step)
        and any(above == agent_id for above, _ in trace.above(later.span_id))
    )
