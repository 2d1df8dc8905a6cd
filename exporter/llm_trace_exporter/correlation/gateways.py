"""Calls of gateways that the configuration names: each has a client that tells it, too.

Without a shared trace or id, a gateway's call and its client's are known by usage, outcome and
time. A gateway's call without a partner counts: better told twice than a bill that is lost.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator

from ..model import LlmCall
from .call_groups import CallGroup
from .merge import contain, same_usage
from .partners import (
    Outcome,
    asked_by,
    drop_from,
    joined,
    nearest_waiting,
    outcome_of,
    reporters_of,
)
from .siblings import may_be_asked_for
from .trace import Report

GATEWAY_SLACK_NS = 500_000_000
"""Clocks of a client and of its gateway are read this far apart at most."""

_UNKNOWN: Outcome = (False, -1, -1)


class GatewayIndex:
    """Calls that wait, by what a gateway's and its client's agree on."""

    def __init__(self, names: frozenset[str]) -> None:
        """Remember nothing yet; without names, nothing ever."""
        self.names = names
        self._clients: dict[Outcome, dict[int, Report]] = {}
        self._gateways: dict[Outcome, dict[int, Report]] = {}

    def add(self, pending: Report, call: LlmCall) -> None:
        """Remember one that waits."""
        if self.names:
            self._side(call).setdefault(outcome_of(call), {})[id(pending)] = pending

    def remove(self, pending: Report, call: LlmCall) -> None:
        """Forget one that waits no longer."""
        if self.names:
            drop_from(self._side(call), outcome_of(call), pending)

    def candidates(self, due: Iterable[Report]) -> Iterator[Report]:
        """Waiting calls that may be told by those due as well."""
        if not self.names:
            return
        by_usage: dict[tuple[bool, Outcome], list[Report]] = defaultdict(list)
        for pending in due:
            call = pending.record
            if isinstance(call, LlmCall):
                by_usage[call.origin.service in self.names, outcome_of(call)].append(pending)
        for (is_gateway, usage), members in by_usage.items():
            others = self._others(is_gateway=is_gateway, usage=usage)
            yield from nearest_waiting(members, others, self._is_pair)

    def merge(self, leaves: list[CallGroup]) -> list[CallGroup]:
        """The same calls, those of gateways merged into their clients'."""
        if not self.names:
            return leaves
        by_usage: dict[Outcome, list[CallGroup]] = defaultdict(list)
        found: list[CallGroup] = []
        for leaf in leaves:
            (found if leaf.late else by_usage[outcome_of(leaf.call)]).append(leaf)
        rest: list[CallGroup] = []
        for group in by_usage.values():
            rest.extend(joined(group, reporters_of, self._agree, self._one))
        # Streams often do not tell a client their usage.
        return found + joined(rest, reporters_of, self._may_agree, self._one)

    def _side(self, call: LlmCall) -> dict[Outcome, dict[int, Report]]:
        return self._gateways if call.origin.service in self.names else self._clients

    def _others(self, *, is_gateway: bool, usage: Outcome) -> list[Report]:
        if is_gateway:
            indexes = [self._clients.get(usage, {}), self._clients.get(_UNKNOWN, {})]
            indexes = indexes if not usage[0] and usage != _UNKNOWN else indexes[:1]
        elif usage == _UNKNOWN:
            indexes = [known for (failed, *_), known in self._gateways.items() if not failed]
        else:
            indexes = [self._gateways.get(usage, {})]
        return [pending for known in indexes for pending in known.values()]

    def _is_pair(self, one: LlmCall, other: LlmCall) -> bool:
        names = self.names
        return (
            (one.origin.service in names) != (other.origin.service in names)
            and contain(one, other, GATEWAY_SLACK_NS)
            and may_be_asked_for(one, other)
        )

    def _agree(self, one: LlmCall, other: LlmCall) -> bool:
        return self._is_pair(one, other) and (
            bool(one.error_type) or same_usage(one.tokens, other.tokens)
        )

    def _may_agree(self, one: LlmCall, other: LlmCall) -> bool:
        client = other if one.origin.service in self.names else one
        return client.tokens is None and not client.error_type and self._is_pair(one, other)

    def _one(self, one: CallGroup, other: CallGroup) -> CallGroup:
        is_first = one.call.origin.service in self.names
        return asked_by(client=other if is_first else one, gateway=one if is_first else other)
