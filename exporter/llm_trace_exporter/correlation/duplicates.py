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
from .matching import closest_pairs, order, timelines
from .merge import SLACK_NS, fill_missing
from .nesting import CallGroup
from .trace import Content, Report

_K = TypeVar("_K")
_Reporter = tuple[str, str]
"""Signal and scope."""


class CopyIndex:
    """Reporters that wait, by the two ways in which copies find each other."""

    def __init__(self) -> None:
        self._by_id: dict[tuple[str, str], dict[int, Report]] = {}
        # Content -> who tells it -> reporters by identity.
        self._by_content: dict[Content, dict[_Reporter, dict[int, Report]]] = {}

    def add(self, pending: Report, call: LlmCall) -> None:
        """Remember who tells a call and waits."""
        if call.response_id:
            link = (call.origin.service, call.response_id)
            self._by_id.setdefault(link, {})[id(pending)] = pending
        pending.content = content_of(call)
        group = self._by_content.setdefault(pending.content, {})
        group.setdefault(_reporter(call), {})[id(pending)] = pending

    def remove(self, pending: Report, call: LlmCall) -> None:
        """Forget a reporter who waits no longer."""
        content, pending.content = pending.content, None
        if content is None:
            return
        if call.response_id:
            _discard(self._by_id, (call.origin.service, call.response_id), pending)
        group = self._by_content.get(content)
        if group is not None:
            _discard(group, _reporter(call), pending)
            if not group:
                del self._by_content[content]

    def candidates(self, due: Iterable[Report]) -> Iterator[Report]:
        """Waiting calls that may be copies of those that are due."""
        by_content: dict[Content, list[Report]] = defaultdict(list)
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


def _partners(due: list[Report], waiting: list[Report]) -> Iterator[Report]:
    """The nearest of those waiting of other instrumentations whose time fits one that is due."""
    told = timelines(waiting, lambda p: _reporter(_call(p)), _call)
    for pending in due:
        call = _call(pending)
        own = _reporter(call)
        for reporter, timeline in told.items():
            if reporter != own:
                for at in (*timeline.before(call), *timeline.after(call)):
                    yield timeline.items[at]


def _call(pending: Report) -> LlmCall:
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


def merge_copies(leaves: list[CallGroup]) -> list[CallGroup]:
    """The same calls with copies merged, each call once."""
    return _merge_by_content(_merge_by_id(leaves))


def _merge_by_id(leaves: list[CallGroup]) -> list[CallGroup]:
    groups: dict[tuple[str, str], list[CallGroup]] = defaultdict(list)
    rest: list[CallGroup] = []
    for leaf in leaves:
        call = leaf.call
        if is_linked(call) and not leaf.late:
            groups[call.origin.service, call.response_id].append(leaf)
        else:
            rest.append(leaf)
    return rest + [_merged(told) for group in groups.values() for told in _at_one_time(group)]


def _at_one_time(leaves: list[CallGroup]) -> list[list[CallGroup]]:
    """Groups with one id, by the moment: ids come again where servers count or draw them."""
    if len(leaves) == 1:
        return [leaves]
    moments: list[list[CallGroup]] = []
    end_ns = 0
    for leaf in sorted(leaves, key=lambda leaf: order(leaf.call)):
        if moments and leaf.call.start_ns <= end_ns + SLACK_NS:
            moments[-1].append(leaf)
        else:
            moments.append([leaf])
        end_ns = max(end_ns, leaf.call.end_ns)
    return moments


def _merge_by_content(leaves: list[CallGroup]) -> list[CallGroup]:
    by_content: dict[Content, list[CallGroup]] = defaultdict(list)
    for leaf in leaves:
        first = leaf.reporters[0]
        known = first.content if leaf.call is first.record else None
        by_content[known or content_of(leaf.call)].append(leaf)
    found: list[CallGroup] = []
    for group in by_content.values():
        if len(group) == 1:
            found.append(group[0])
            continue
        before, paired = len(group) + 1, group
        # A third reporter joins a pair in the next round.
        while len(paired) < before:
            before, paired = len(paired), _paired(paired)
        found.extend(paired)
    return found


def _paired(leaves: list[CallGroup]) -> list[CallGroup]:
    """Partners with the least time between them first; each group has one partner at most."""
    if len({scope for leaf in leaves for scope in leaf.scopes}) < 2:
        return leaves
    told = timelines(leaves, lambda leaf: frozenset(leaf.scopes), lambda leaf: leaf.call)
    taken: set[int] = set()
    merged: list[CallGroup] = []
    for one, other in closest_pairs(told):
        taken |= {id(one), id(other)}
        merged.append(_merged([one, other]))
    return merged + [leaf for leaf in leaves if id(leaf) not in taken]


def _merged(group: list[CallGroup]) -> CallGroup:
    """One group of several copies: the tightest interval tells best, logs only add."""
    if len(group) == 1:
        return group[0]
    best, *others = sorted(group, key=_rank)
    for other in others:
        best.call = fill_missing(best.call, other.call, with_usage=True, with_cost=True)
        best.reporters.extend(other.reporters)
        best.scopes |= other.scopes
        best.late = best.late or other.late
    return best


def _rank(leaf: CallGroup) -> tuple[bool, bool, bool, int, int, bytes]:
    call = leaf.call
    return (
        all(reporter.precedence != "primary" for reporter in leaf.reporters),
        call.origin.signal == "log",
        call.tokens is None,
        call.end_ns - call.start_ns,
        call.start_ns,
        call.origin.span_id,
    )


def _reporter(call: LlmCall) -> _Reporter:
    return call.origin.signal, call.origin.scope


def _discard(index: dict[_K, dict[int, Report]], key: _K, pending: Report) -> None:
    found = index.get(key)
    if found is not None:
        found.pop(id(pending), None)
        if not found:
            del index[key]


def distinct(items: Iterable[Report]) -> list[Report]:
    """The items, each once, in order."""
    return list({id(item): item for item in items}.values())
