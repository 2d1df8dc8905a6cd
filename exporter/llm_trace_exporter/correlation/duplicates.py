"""Calls told by two instrumentations that do not nest: copies in other traces, and log records.

Known by the response id, within one service where they ran at one time, across services where one
ran within the other and says the same. Calls without an id are matched by what they say: another
instrumentation, same service, model, outcome and usage, one interval inside the other. Each has one
partner of each instrumentation at most: none tells one call twice.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator

from ..model import LlmCall
from .call_groups import CallGroup
from .evaluations import Answer
from .merge import SLACK_NS, contain, may_be_copies, overlap, same_usage
from .partners import (
    drop_from,
    joined,
    merged_across,
    nearest_waiting,
    outcome_of,
    reporters_of,
    scopes_of,
)
from .trace import Content, Report

_Reporter = tuple[str, str]
"""Signal and scope."""
_UNTOLD = (False, -1, -1)
"""Outcome of a call that was answered and whose usage nobody told."""


class CopyIndex:
    """Reporters that wait, by the two ways in which copies find each other."""

    def __init__(self) -> None:
        self._by_id: dict[str, dict[int, Report]] = {}
        # Content -> who tells it -> reporters by identity.
        self._by_content: dict[Content, dict[_Reporter, dict[int, Report]]] = {}

    def add(self, pending: Report, call: LlmCall) -> None:
        """Remember who tells a call and waits."""
        if call.response_id:
            self._by_id.setdefault(call.response_id, {})[id(pending)] = pending
        pending.content = content_of(call)
        group = self._by_content.setdefault(pending.content, {})
        group.setdefault(_reporter(call), {})[id(pending)] = pending

    def remove(self, pending: Report, call: LlmCall) -> None:
        """Forget a reporter who waits no longer."""
        content, pending.content = pending.content, None
        if content is None:
            return
        if call.response_id:
            drop_from(self._by_id, call.response_id, pending)
        group = self._by_content.get(content)
        if group is not None:
            drop_from(group, _reporter(call), pending)
            if not group:
                del self._by_content[content]

    def candidates(self, due: Iterable[Report]) -> Iterator[Report]:
        """Waiting calls that may be copies of those that are due."""
        by_content: dict[Content, list[Report]] = defaultdict(list)
        by_id: dict[str, list[Report]] = {}  # in order: a replayed journal must do the same
        for pending in due:
            call, content = pending.record, pending.content
            if content is None or not isinstance(call, LlmCall):
                continue
            if call.response_id and len(self._by_id.get(call.response_id, ())) > 1:
                by_id.setdefault(call.response_id, []).append(pending)
            by_content[content].append(pending)
        for response_id, members in by_id.items():
            yield from nearest_waiting(members, self._by_id[response_id].values(), overlap)
        parts = self._parts(by_content)
        for content, members in by_content.items():
            groups = [*self._by_content[content].values(), *parts.get(content, ())]
            if len(groups) > 1:
                waiting = [p for reports in groups for p in reports.values()]
                yield from nearest_waiting(members, waiting, may_be_copies)

    def _parts(self, due: Iterable[Content]) -> dict[Content, list[dict[int, Report]]]:
        """What tells the same output where one of the two knows no input, or no usage."""
        found: dict[Content, list[dict[int, Report]]] = {}
        partial: dict[tuple[str, int], Content] = {}
        for content in due:
            service, failed, given, written = content
            if not failed and (silent := self._without_usage(content)):
                found[content] = silent
            if given == 0:
                partial[service, written] = content
            elif written > 0 and (known := self._by_content.get((service, False, 0, written))):
                found.setdefault(content, []).extend(known.values())
        if partial:
            for (service, _, given, written), known in self._by_content.items():
                if given > 0 and (content := partial.get((service, written))) is not None:  # type: ignore[assignment]
                    found.setdefault(content, []).extend(known.values())
        return found

    def _without_usage(self, content: Content) -> list[dict[int, Report]]:
        """What may be the same call of one that tells a usage, or that tells none."""
        service, _, given, _ = content
        if given >= 0:
            return list(self._by_content.get((service, *_UNTOLD), {}).values())
        return [
            reports
            for (of, failed, used, _), known in self._by_content.items()
            if of == service and not failed and used >= 0
            for reports in known.values()
        ]


def content_of(call: LlmCall) -> Content:
    """What a copy of this call would say as well."""
    return call.origin.service, *outcome_of(call)


def is_linked(call: LlmCall) -> bool:
    """Whether the response id links copies: a gateway's cache gives one id to many calls."""
    if not call.gateway_events:
        return bool(call.response_id)
    return bool(call.response_id) and all(event != "cache_hit" for event, _ in call.gateway_events)


def merge_copies(leaves: list[CallGroup]) -> list[CallGroup]:
    """The same calls with copies merged, each call once."""
    return _merge_by_content(_merge_by_id(leaves))


def _merge_by_id(leaves: list[CallGroup]) -> list[CallGroup]:
    by_id: dict[str, list[CallGroup]] = defaultdict(list)
    found: list[CallGroup] = []
    for leaf in leaves:
        linked = is_linked(leaf.call) and not leaf.late
        (by_id[leaf.call.response_id] if linked else found).append(leaf)
    for group in by_id.values():
        found.extend(_with_one_id(group) if len(group) > 1 else group)
    return found


def _with_one_id(leaves: list[CallGroup]) -> list[CallGroup]:
    """Calls with one id: ids come again where servers count, draw or never change them."""
    by_service: dict[str, list[CallGroup]] = defaultdict(list)
    for leaf in leaves:
        by_service[leaf.call.origin.service].append(leaf)
    found = [
        leaf
        for group in by_service.values()
        for leaf in joined(joined(group, reporters_of, _same_answer), reporters_of, _one_answer)
    ]
    if len(by_service) == 1:
        return found
    return joined(found, reporters_of, links_services, merged_across)


def _same_answer(one: LlmCall, other: LlmCall) -> bool:
    return overlap(one, other) and same_usage(one.tokens, other.tokens)


def _one_answer(one: LlmCall, other: LlmCall) -> bool:
    """Whether two calls with one id are one, though a reporter may not count to the end."""
    if not overlap(one, other) or one.tokens is None or other.tokens is None:
        return overlap(one, other)
    first, second = one.tokens, other.tokens
    return first.input_all == second.input_all or first.output_all == second.output_all


def links_services(one: LlmCall, other: LlmCall) -> bool:
    """Whether one id links calls of two services: what one asked the other to ask for it."""
    return (
        one.origin.service != other.origin.service
        and contain(one, other, SLACK_NS)
        and (one.tokens is None or other.tokens is None or same_usage(one.tokens, other.tokens))
    )


def is_answer_elsewhere(call: LlmCall, answer: Answer) -> bool:
    """Whether a call is another service's that was counted by the same id."""
    used = call.tokens
    return contain(call, answer, SLACK_NS) and (
        used is None or answer.usage in (None, (used.input_all, used.output_all))
    )


def _merge_by_content(leaves: list[CallGroup]) -> list[CallGroup]:
    by_content: dict[Content, list[CallGroup]] = defaultdict(list)
    for leaf in leaves:
        first = leaf.reporters[0]
        known = first.content if leaf.call is first.record else None
        by_content[known or content_of(leaf.call)].append(leaf)
    found = [leaf for group in by_content.values() for leaf in joined(group, scopes_of)]
    if any(given == 0 for _, _, given, _ in by_content):
        found = _merge_by_output(found)
    if any(told == _UNTOLD for told in (content_of(leaf.call)[1:] for leaf in found)):
        found = _merge_untold(found)
    return found


def _merge_by_output(found: list[CallGroup]) -> list[CallGroup]:
    by_output: dict[tuple[str, int], list[CallGroup]] = defaultdict(list)
    for leaf in found:
        service, _, _, written = content_of(leaf.call)
        by_output[service, written].append(leaf)
    return [leaf for group in by_output.values() for leaf in joined(group, scopes_of)]


def _merge_untold(found: list[CallGroup]) -> list[CallGroup]:
    """Answers without usage, and those with it of which another reporter may have told them."""
    by_service: dict[tuple[str, bool], list[CallGroup]] = defaultdict(list)
    for leaf in found:
        service, failed, _, _ = content_of(leaf.call)
        by_service[service, failed].append(leaf)
    return [
        leaf
        for (_, failed), group in by_service.items()
        for leaf in (group if failed else joined(group, scopes_of))
    ]


def _reporter(call: LlmCall) -> _Reporter:
    return call.origin.signal, call.origin.scope


def distinct(items: Iterable[Report]) -> list[Report]:
    """The items, each once, in order."""
    return list({id(item): item for item in items}.values())
