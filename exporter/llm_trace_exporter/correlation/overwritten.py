"""Calls of an agent's loop that one span tells, each over the one before.

OpenInference's google-adk 1.0.5 makes the agent's span of ADK 2.13 the call's, so that only the
last call's facts are left on it. ADK's log records tell each of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from msgspec.structs import replace

from .call_groups import CallGroup, caller_only
from .merge import fill_missing, same_usage
from .trace import Report


def calls_of_their_own(
    by_span: Mapping[bytes, CallGroup], leaves: Iterable[CallGroup]
) -> list[CallGroup]:
    """Groups of log records that tell calls which their span, another's, does not tell any more.

    One of the records of a span tells what is left on it.

    Args:
        by_span: Span id -> group of the call that the span tells.
        leaves: Groups among which those of log records are looked for.
    """
    found: list[CallGroup] = []
    for span_id, logs in _logs_of(by_span, leaves).items():
        target = by_span[span_id]
        last = [log for log in logs if same_usage(log.call.tokens, target.call.tokens)]
        if len(logs) > 1 and last and not target.late:
            target.is_whole = True
            others = [log for log in logs if log is not last[-1]]
            for log in others:
                _stand_alone(log, target)
            found += others
    return found


def _logs_of(
    by_span: Mapping[bytes, CallGroup], leaves: Iterable[CallGroup]
) -> dict[bytes, list[CallGroup]]:
    """Log records with usage that the emitter of a call's span wrote about it."""
    found: dict[bytes, list[CallGroup]] = {}
    for leaf in leaves:
        reporter = leaf.reporters[0]
        target = by_span.get(reporter.span_id) if reporter.signal == "log" else None
        if (
            target is not None
            and _is_loop(reporter)
            and leaf.call.tokens is not None
            and leaf.call.origin.scope == target.call.origin.scope
        ):
            found.setdefault(reporter.span_id, []).append(leaf)
    return found


def _is_loop(reporter: Report) -> bool:
    node = reporter.trace.nodes.get(reporter.span_id)
    return node is not None and node.role == "loop"


def _stand_alone(log: CallGroup, target: CallGroup) -> None:
    span = target.call
    known = replace(
        caller_only(span), request_model=span.request_model, response_model=span.response_model
    )
    completed = fill_missing(log.call, known, with_usage=False, with_cost=False)
    # A record tells no beginning.
    log.call = replace(completed, origin=span.origin, operation=span.operation, is_untimed=True)
    log.is_whole = True
    for reporter in log.reporters:
        reporter.precedence = "primary"


def overwritten_calls(leaf: CallGroup) -> int:
    """How many calls at least nobody tells, as later ones were written over them."""
    reporter = leaf.reporters[0]
    if leaf.is_whole or not _is_loop(reporter):
        return 0
    nodes = reporter.trace.nodes.values()
    # A tool's result goes to the model once more.
    return int(any(inner.parent == reporter.span_id and inner.role == "tool" for inner in nodes))
