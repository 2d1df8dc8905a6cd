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
from .matching import lanes, order, pairs
from .merge import SLACK_NS, lend
from .nesting import Leaf
from .trace import Content, Pending

_K = TypeVar("_K")
_Teller = tuple[str, str]
"""Signal and scope."""


class CopyIndex:
    """Tellers that wait, by the two ways in which copies find each other."""

    def __init__(self) -> None:
        self._by_id: dict[tuple[str, str], dict[int, Pending]] = {}
        # Content -> who tells it -> tellers by identity.
        self._by_content: dict[Content, dict[_Teller, dict[int, Pending]]] = {}

    def add(self, pending: Pending, call: LlmCall) -> None:
        """Remember who tells a call and waits."""
        if call.response_id:
            link = (call.origin.service, call.response_id)
            self._by_id.setdefault(link, {})[id(pending)] = pending
        pending.content = content_of(call)
        group = self._by_content.setdefault(pending.content, {})
        group.setdefault(_teller(call), {})[id(pending)] = pending

    def remove(self, pending: Pending, call: LlmCall) -> None:
        """Forget a teller who waits no longer."""
        content, pending.content = pending.content, None
        if content is None:
            return
        if call.response_id:
            _discard(self._by_id, (call.origin.service, call.response_id), pending)
        group = self._by_content.get(content)
        if group is not None:
            _discard(group, _teller(call), pending)
            if not group:
                del self._by_content[content]

    def candidates(self, due: Iterable[Pending]) -> Iterator[Pending]:
        """Waiting calls that may be copies of those that are due."""
        by_content: dict[Content, list[Pending]] = defaultdict(list)
        links: dict[tuple[str, str], None] = {}  # in order: a replayed journal must do the same
        for pending in due:
            call, content = pending.record, pending.content
            if content is None or not isinstance(call, LlmCall):
                continue
            if call.response_id:
                links[call.origin.service, call.response_id] = None
            if len(self._by_content.get(content, ())) > 1:
                by_content[content].append(pending)
        for link in links:
            yield from self._by_id.get(link, {}).values()
        for content, members in by_content.items():
            group = self._by_content[content].values()
            yield from _partners(members, [p for told in group for p in told.values()])


def _partners(due: list[Pending], waiting: list[Pending]) -> Iterator[Pending]:
    """The nearest of those waiting of other instrumentations whose time fits one that is due."""
    told = lanes(waiting, lambda p: _teller(_call(p)), _call)
    for pending in due:
        call = _call(pending)
        own = _teller(call)
        for teller, lane in told.items():
            if teller != own:
                for at in (*lane.before(call), *lane.after(call)):
                    yield lane.items[at]


def _call(pending: Pending) -> LlmCall:
    if not isinstance(pending.record, LlmCall):
        raise TypeError("steps have no copies")
    return pending.record


def content_of(call: LlmCall) -> Content:
    """What a copy of this call would say as well."""
    service, usage = call.origin.service, call.tokens
    if call.error_type or usage is None:
        return service, bool(call.error_type), -1, -1
    return service, False, usage.input_all, usage.output_all


def is_linked(call: LlmCall) -> bool:
    """Whether the response id links copies: a gateway's cache gives one id to many calls."""
    if not call.gateway_events:
        return bool(call.response_id)
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
    return rest + [_merged(told) for group in groups.values() for told in _at_one_time(group)]


def _at_one_time(leaves: list[Leaf]) -> list[list[Leaf]]:
    """Leaves with one id, by the moment: ids come again where servers count or draw them."""
    if len(leaves) == 1:
        return [leaves]
    moments: list[list[Leaf]] = []
    end_ns = 0
    for leaf in sorted(leaves, key=lambda leaf: order(leaf.call)):
        if moments and leaf.call.start_ns <= end_ns + SLACK_NS:
            moments[-1].append(leaf)
        else:
            moments.append([leaf])
        end_ns = max(end_ns, leaf.call.end_ns)
    return moments


def _merge_by_content(leaves: list[Leaf]) -> list[Leaf]:
    by_content: dict[Content, list[Leaf]] = defaultdict(list)
    for leaf in leaves:
        first = leaf.tellers[0]
        known = first.content if leaf.call is first.record else None
        by_content[known or content_of(leaf.call)].append(leaf)
    found: list[Leaf] = []
    for group in by_content.values():
        if len(group) == 1:
            found.append(group[0])
            continue
        before, paired = len(group) + 1, group
        # A third teller joins a pair in the next round.
        while len(paired) < before:
            before, paired = len(paired), _paired(paired)
        found.extend(paired)
    return found


def _paired(leaves: list[Leaf]) -> list[Leaf]:
    """Partners with the least time between them first; each leaf has one partner at most."""
    if len({scope for leaf in leaves for scope in leaf.scopes}) < 2:
        return leaves
    told = lanes(leaves, lambda leaf: frozenset(leaf.scopes), lambda leaf: leaf.call)
    taken: set[int] = set()
    merged: list[Leaf] = []
    for one, other in pairs(told):
        taken |= {id(one), id(other)}
        merged.append(_merged([one, other]))
    return merged + [leaf for leaf in leaves if id(leaf) not in taken]


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


def _teller(call: LlmCall) -> _Teller:
    return call.origin.signal, call.origin.scope


def _discard(index: dict[_K, dict[int, Pending]], key: _K, pending: Pending) -> None:
    found = index.get(key)
    if found is not None:
        found.pop(id(pending), None)
        if not found:
            del index[key]


def distinct(items: Iterable[Pending]) -> list[Pending]:
    """The items, each once, in order."""
    return list({id(item): item for item in items}.values())
