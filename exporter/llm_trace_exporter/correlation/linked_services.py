"""Failures of a gateway and of its client, where the calls that are answered show that it is one.

A call that failed has no response id, and where a client's stream begins a trace of its own there
is nothing else to share. That one service stands behind another is known from the calls that are
linked; then a failure alike, of the same model, within the other's time is the same.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator

from ..model import LlmCall
from .bounded_set import BoundedMap
from .call_groups import CallGroup
from .merge import SLACK_NS, contain, same_model
from .partners import drop_from, joined, merged_across, nearest_waiting, reporters_of
from .siblings import may_be_asked_for
from .trace import Report

Pairs = BoundedMap[tuple[str, str], None]
"""Two services, in the order of their names, that told one call."""


class LinkedServices:
    """Failures that wait, by service; which services are linked is remembered elsewhere."""

    def __init__(self, pairs: Pairs) -> None:
        """Nothing waits."""
        self._pairs = pairs
        self._failed: dict[str, dict[int, Report]] = {}

    def add(self, pending: Report, call: LlmCall) -> None:
        """Remember a failure that waits."""
        if call.error_type:
            self._failed.setdefault(call.origin.service, {})[id(pending)] = pending

    def remove(self, pending: Report, call: LlmCall) -> None:
        """Forget one that waits no longer."""
        if call.error_type:
            drop_from(self._failed, call.origin.service, pending)

    def candidates(self, due: Iterable[Report]) -> Iterator[Report]:
        """Waiting failures that those due may tell as well."""
        by_service: dict[str, list[Report]] = defaultdict(list)
        for pending in due if len(self._pairs) and len(self._failed) > 1 else ():
            call = pending.record
            if isinstance(call, LlmCall) and call.error_type:
                by_service[call.origin.service].append(pending)
        for service, members in by_service.items():
            waiting = [
                pending
                for other, reports in self._failed.items()
                if _pair(service, other) in self._pairs
                for pending in reports.values()
            ]
            yield from nearest_waiting(members, waiting, self._fits)

    def merge(self, leaves: list[CallGroup]) -> list[CallGroup]:
        """The same calls, failures of linked services merged."""
        self._learn(leaves)
        failed = [leaf for leaf in leaves if leaf.call.error_type and not leaf.late]
        if not len(self._pairs) or len({leaf.call.origin.service for leaf in failed}) < 2:
            return leaves
        rest = [leaf for leaf in leaves if not leaf.call.error_type or leaf.late]
        return rest + joined(failed, reporters_of, self._fits, merged_across)

    def _learn(self, leaves: list[CallGroup]) -> None:
        for leaf in leaves:
            if len(leaf.reporters) > 1:
                service = leaf.call.origin.service
                for other in {p.record.origin.service for p in leaf.reporters} - {service}:
                    if _pair(service, other) not in self._pairs:
                        self._pairs.add(_pair(service, other), None)

    def _fits(self, one: LlmCall, other: LlmCall) -> bool:
        return (
            _pair(one.origin.service, other.origin.service) in self._pairs
            and contain(one, other, SLACK_NS)
            and may_be_asked_for(one, other)
            and same_model(one, other)
        )


def _pair(one: str, other: str) -> tuple[str, str]:
    return (one, other) if one < other else (other, one)
