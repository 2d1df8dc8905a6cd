"""An application and its gateway side by side in one trace, where neither encloses the other.

A gateway that gets the context of the span around the application's own becomes its sibling. Two
services, two instrumentations, the same usage and outcome, and one ran within the other: one call.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from ..model import LlmCall
from ..operations import WORDLESS
from .call_groups import CallGroup
from .merge import SLACK_NS, Interval, contain, overlap, same_outcome
from .partners import Outcome, joined, merged_across, outcome_of, reporters_of
from .trace import Report, Reporter, Trace

_NEWEST = 64
"""Settled calls that say the same of which one may be the partner of a call that comes late."""

_SiblingKey = tuple[bytes, Outcome]


def siblings_of(trace: Trace, due: Iterable[Report]) -> list[Report]:
    """Calls of other services that wait in the trace and ran when one of those due did."""
    ran: dict[str, Interval] = {}
    for one in due:
        call, service = one.record, one.record.origin.service
        known = ran.get(service, call)
        ran[service] = Interval(min(known.start_ns, call.start_ns), max(known.end_ns, call.end_ns))
    return [
        p
        for p in trace.calls
        if not p.settled
        and any(s != p.record.origin.service and overlap(p.record, at) for s, at in ran.items())
    ]


def has_services(trace: Trace) -> bool:
    """Whether several services tell calls in a trace."""
    calls = trace.calls
    if len(calls) < 2:
        return False
    first = calls[0].record.origin.service
    return any(p.record.origin.service != first for p in calls)


def merge_siblings(leaves: list[CallGroup], shared: set[bytes]) -> list[CallGroup]:
    """The same calls, those of two services in one trace that are one merged.

    Args:
        leaves: The calls.
        shared: The traces in which several services tell calls.
    """
    if not shared:
        return leaves
    by_trace: dict[_SiblingKey, list[CallGroup]] = defaultdict(list)
    found: list[CallGroup] = []
    for leaf in leaves:
        call = leaf.call
        is_alone = leaf.late or call.origin.trace_id not in shared or not _may_pair(call)
        (found if is_alone else by_trace[_key(call)]).append(leaf)
    for group in by_trace.values():
        found.extend(
            joined(group, reporters_of, are_siblings, merged_across)
            if len({leaf.call.origin.service for leaf in group}) > 1
            else group
        )
    return found


def are_siblings(one: LlmCall, other: LlmCall) -> bool:
    """Whether two calls of one trace, known to agree in usage, may be one of two services."""
    return (
        one.origin.service != other.origin.service
        and one.origin.scope != other.origin.scope
        and not (one.response_id and other.response_id and one.response_id != other.response_id)
        and contain(one, other, SLACK_NS)
        and may_be_asked_for(one, other)
    )


def may_be_asked_for(one: LlmCall, other: LlmCall) -> bool:
    """Whether two services may mean one request, which each names in its own API's words."""
    wordless = {one.operation, other.operation} & WORDLESS
    return same_outcome(one.error_type, other.error_type) and (
        one.operation == other.operation or not wordless
    )


def mark_late_siblings(trace: Trace, leaves: list[CallGroup]) -> None:
    """Mark as late the calls whose sibling was settled before they came."""
    settled: dict[_SiblingKey, list[tuple[Reporter, LlmCall]]] = defaultdict(list)
    for pending in trace.calls:
        record = pending.record
        if pending.settled and isinstance(record, LlmCall) and _may_pair(record):
            settled[_key(record)].append((pending.reporter, record))
    for leaf in leaves if settled else ():
        if leaf.late or not _may_pair(leaf.call):
            continue
        known = settled[_key(leaf.call)]
        if _was_reported(leaf, known[-_NEWEST:]):
            leaf.late = True
            known.extend((reporter, leaf.call) for reporter in leaf.reported_by)


def _was_reported(leaf: CallGroup, known: list[tuple[Reporter, LlmCall]]) -> bool:
    """Whether a service told a call that fits, and has no partner of this one's reporter yet."""
    fitting: dict[Reporter, list[LlmCall]] = defaultdict(list)
    for reporter, call in known:
        if reporter not in leaf.reported_by and are_siblings(leaf.call, call):
            fitting[reporter].append(call)
    own = [call for reporter, call in known if reporter in leaf.reported_by]
    return any(
        len(calls) > sum(1 for one in own if any(are_siblings(one, call) for call in calls))
        for calls in fitting.values()
    )


def _may_pair(call: LlmCall) -> bool:
    """Whether a call says enough to be known by it."""
    return bool(call.error_type) or (call.tokens is not None and call.tokens.total > 0)


def _key(call: LlmCall) -> _SiblingKey:
    return call.origin.trace_id, outcome_of(call)
