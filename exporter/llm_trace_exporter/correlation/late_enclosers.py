"""Which span encloses a call, as long as a span between the two has not come.

It may come after both were settled. Then an agent's sum of its calls would count beside them.
"""

from __future__ import annotations

from collections.abc import Sequence

from .trace import Report, Trace

_MAX_SUMS = 64
"""Spans with a sum that are looked at for each call."""


def sums_in(trace: Trace) -> list[Report]:
    """Agents and chains of a trace that may carry the sum of the calls beneath them."""
    found = []
    for pending in trace.calls:
        if pending.precedence == "evidence":
            node = trace.nodes.get(pending.span_id)
            if node is not None and node.step is not None:
                found.append(pending)
    return found[:_MAX_SUMS]


def sum_around(trace: Trace, pending: Report, sums: Sequence[Report]) -> Report | None:
    """The smallest sum that a call is likely beneath, where it is not known what encloses it.

    The call ran within it and used no more, and the span that did not come is none that is known
    to enclose the sum.
    """
    missing = _missing_above(trace, pending.span_id)
    if not missing:
        return None
    likely = [
        one
        for one in sums
        if one is not pending
        and _is_within(pending, one)
        and missing != _missing_above(trace, one.span_id)
    ]
    return min(likely, key=lambda one: one.reported_tokens, default=None)


def _missing_above(trace: Trace, span_id: bytes) -> bytes:
    """The innermost enclosing span that did not come; empty where all did."""
    top = trace.nodes.get(span_id)
    for _, node in trace.above(span_id):
        top = node
    return top.parent if top is not None and top.parent not in trace.nodes else b""


def _is_within(pending: Report, one: Report) -> bool:
    inner, outer = pending.record, one.record
    return (
        outer.start_ns <= inner.start_ns
        and inner.end_ns <= outer.end_ns
        and pending.reported_tokens <= one.reported_tokens
        and inner.origin.service == outer.origin.service
    )
