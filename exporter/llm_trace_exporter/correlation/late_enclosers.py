"""Which span encloses a call, as long as a span between the two has not come.

It may come after both were settled. Then an agent's sum of its calls would count beside them. That
a call ran within an agent proves nothing, as agents run side by side: only that the calls beneath
one missing span add up to what the agent tells.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from .trace import Report, Trace

_MAX_SUMS = 64
"""Spans with a sum that are looked at for each call."""


class Sum(NamedTuple):
    """An agent or chain, and the calls that it is proved to carry the sum of."""

    report: Report
    calls: frozenset[int]
    """By the `id` of their reports."""


def sums_in(trace: Trace) -> list[Sum]:
    """Agents and chains of a trace that carry the sum of calls beneath a span that did not come."""
    sums = []
    for pending in trace.calls:
        if pending.precedence == "evidence":
            node = trace.nodes.get(pending.span_id)
            if node is not None and node.step is not None:
                sums.append(pending)
    if not sums:
        return []
    carried = {id(one) for one in sums}
    orphans: dict[bytes, list[Report]] = {}
    for call in trace.calls:
        if id(call) not in carried and (missing := _missing_above(trace, call.span_id)):
            orphans.setdefault(missing, []).append(call)
    return [
        found
        for one in sums[:_MAX_SUMS]
        if (found := Sum(one, frozenset(_carried(trace, one, orphans)))).calls
    ]


def sum_around(pending: Report, sums: Sequence[Sum]) -> Report | None:
    """The smallest sum that a call is part of, where it is not known what encloses it."""
    around = [one.report for one in sums if id(pending) in one.calls]
    return min(around, key=lambda one: one.reported_tokens, default=None)


def _carried(trace: Trace, one: Report, orphans: dict[bytes, list[Report]]) -> Iterable[int]:
    above = _missing_above(trace, one.span_id)
    for missing, calls in orphans.items():
        within = [call for call in calls if _is_within(call, one)] if missing != above else []
        if within and sum(call.reported_tokens for call in within) == one.reported_tokens:
            yield from map(id, within)


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
        and inner.origin.service == outer.origin.service
    )
