"""Calls told by two instrumentations that do not nest: copies in other traces, and log records.

Known by (service, response id). Calls without an id are matched by what they say: another
instrumentation, same service, model, outcome and usage, one interval inside the other, each with
one partner at most.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import TypeVar

from ..model import LlmCall
from .merge import SLACK_NS, Interval, lend, may_be_copies
from .nesting import Leaf
from .trace_table import Pending

_K = TypeVar("_K")

_SECOND_NS = 1_000_000_000
_REACH_S = 2
"""How much longer than the call it tells an enclosing teller may last and still be found."""
_MAX_SECONDS = 600

Slot = dict[int, dict[int, Pending]]
"""Second of the end -> pending tellers, by identity."""


class CopyIndex:
    """Tellers that wait, by the two ways in which copies find each other."""

    def __init__(self) -> None:
        self._by_id: dict[tuple[str, str], dict[int, Pending]] = {}
        self._by_scope: dict[str, dict[str, Slot]] = {}

    def add(self, pending: Pending) -> None:
        """Remember a waiting call."""
        call = pending.record
        if not isinstance(call, LlmCall):
            return
        service = call.origin.service
        if call.response_id:
            self._by_id.setdefault((service, call.response_id), {})[id(pending)] = pending
        scopes = self._by_scope.setdefault(service, {})
        slot = scopes.setdefault(_teller(call), {})
        slot.setdefault(call.end_ns // _SECOND_NS, {})[id(pending)] = pending

    def remove(self, pending: Pending) -> None:
        """Forget a call that waits no longer."""
        call = pending.record
        if not isinstance(call, LlmCall):
            return
        service = call.origin.service
        _discard(self._by_id, (service, call.response_id), pending)
        scopes = self._by_scope.get(service, {})
        slot = scopes.get(_teller(call), {})
        _discard(slot, call.end_ns // _SECOND_NS, pending)
        if not slot and scopes.pop(_teller(call), None) is not None and not scopes:
            self._by_scope.pop(service, None)

    def candidates(self, pending: Pending) -> Iterator[Pending]:
        """Waiting calls that may be copies of this one."""
        call = pending.record
        if not isinstance(call, LlmCall):
            return
        service = call.origin.service
        if call.response_id:
            yield from self._by_id.get((service, call.response_id), {}).values()
        scopes = self._by_scope.get(service, {})
        if len(scopes) < 2:
            return
        first = (call.start_ns - SLACK_NS) // _SECOND_NS
        last = call.end_ns // _SECOND_NS + _REACH_S
        seconds = range(max(first, last - _MAX_SECONDS), last + 1)
        own = _teller(call)
        for scope, slot in scopes.items():
            if scope == own:
                continue
            for second in seconds if len(slot) > len(seconds) else slot:
                if second in seconds:
                    for other in slot.get(second, {}).values():
                        other_call = other.record
                        if isinstance(other_call, LlmCall) and may_be_copies(call, other_call):
                            yield other


def is_linked(call: LlmCall) -> bool:
    """Whether the response id links copies: a gateway's cache gives one id to many calls."""
    return bool(call.response_id) and all(event != "cache_hit" for event, _ in call.gateway_events)


def merge_copies(leaves: list[Leaf]) -> list[Leaf]:
    """The same calls with copies merged, each call once."""
    return _merge_by_content(_merge_by_id(leaves))


def _merge_by_id(leaves: list[Leaf]) -> list[Leaf]:
    groups: dict[tuple[str, str], list[Leaf]] = defaultdict(list)
    rest: list[Leaf] = []
    for leaf in leaves:
        call = leaf.call
        if is_linked(call) and not leaf.late:
            groups[call.origin.service, call.response_id].append(leaf)
        else:
            rest.append(leaf)
    return rest + [_merged(group) for group in groups.values()]


def _merge_by_content(leaves: list[Leaf]) -> list[Leaf]:
    by_service: dict[str, list[Leaf]] = defaultdict(list)
    for leaf in leaves:
        by_service[leaf.call.origin.service].append(leaf)
    found: list[Leaf] = []
    for group in by_service.values():
        found.extend(_paired(group))
    return found


def _paired(leaves: list[Leaf]) -> list[Leaf]:
    """Partners with the least time between them first; each leaf has one partner at most."""
    if len({scope for leaf in leaves for scope in leaf.scopes}) < 2:
        return leaves
    leaves = sorted(leaves, key=_order)
    pairs: list[tuple[int, int, int]] = []
    for i, one in enumerate(leaves):
        for j in range(i + 1, len(leaves)):
            other = leaves[j]
            if other.call.start_ns > one.call.end_ns + SLACK_NS:
                break
            if not (one.scopes & other.scopes) and may_be_copies(one.call, other.call):
                apart = _interval(one).apart_ns(_interval(other))
                pairs.append((apart, i, j))
    taken: set[int] = set()
    merged: list[Leaf] = []
    for _, i, j in sorted(pairs):
        if i not in taken and j not in taken:
            taken |= {i, j}
            merged.append(_merged([leaves[i], leaves[j]]))
    return merged + [leaf for i, leaf in enumerate(leaves) if i not in taken]


def _merged(group: list[Leaf]) -> Leaf:
    """One leaf of several copies: the tightest interval tells best, logs only add."""
    if len(group) == 1:
        return group[0]
    best, *others = sorted(group, key=_rank)
    for other in others:
        best.call = lend(best.call, other.call, with_usage=True, with_cost=True)
        best.tellers.extend(other.tellers)
        best.scopes |= other.scopes
        best.late = best.late or other.late
    return best


def _rank(leaf: Leaf) -> tuple[bool, bool, bool, int, int, bytes]:
    call = leaf.call
    return (
        all(teller.standing != "counts" for teller in leaf.tellers),
        call.origin.signal == "log",
        call.tokens is None,
        call.end_ns - call.start_ns,
        call.start_ns,
        call.origin.span_id,
    )


def _order(leaf: Leaf) -> tuple[int, int, bytes]:
    return (leaf.call.start_ns, leaf.call.end_ns, leaf.call.origin.span_id)


def _interval(leaf: Leaf) -> Interval:
    return Interval(leaf.call.start_ns, leaf.call.end_ns)


def _teller(call: LlmCall) -> str:
    return f"{call.origin.signal}\0{call.origin.scope}"


def _discard(index: dict[_K, dict[int, Pending]], key: _K, pending: Pending) -> None:
    found = index.get(key)
    if found is not None:
        found.pop(id(pending), None)
        if not found:
            del index[key]


def distinct(items: Iterable[Pending]) -> list[Pending]:
    """The items, each once, in order."""
    return list({id(item): item for item in items}.values())
