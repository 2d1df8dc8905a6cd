"""Calls and steps that wait to be settled, in the order in which their time is up."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator

import msgspec

from ..model import LlmCall
from .call_groups import CallGroup
from .duplicates import CopyIndex
from .gateways import GatewayIndex
from .inherited_dimensions import awaits_root
from .limits import Limits
from .linked_services import LinkedServices, Pairs
from .memory_codec import Move, Saved, unpacked, whole_of
from .packed_trace import freeze, thaw
from .trace import Report, Trace

APART = "apart"
"""Name of what is saved here: what waits and is in no trace. The rest is saved with its trace."""

_ROOT_POLL_S = 1.0
"""How often it is looked whether the root of a trace came."""

_decoder = msgspec.msgpack.Decoder(list[bytes])


class Waiting:
    """Not safe for threads."""

    def __init__(self, pairs: Pairs) -> None:
        """Nothing waits; `pairs` are services known to stand behind each other."""
        self._queue: deque[Report] = deque()
        self._count = 0
        self.index = CopyIndex()
        """Those that are calls, by what tells their copies."""
        self.gateways = GatewayIndex(frozenset())
        """The same, by what a gateway's call and its client's agree on."""

        self.linked = LinkedServices(pairs)
        """Failures, by the service that told them."""

    def __len__(self) -> int:
        """How many are not settled yet."""
        return self._count

    def add(self, pending: Report) -> None:
        """Let one wait."""
        if isinstance(pending.record, LlmCall):
            self.index.add(pending, pending.record)
            self.gateways.add(pending, pending.record)
            self.linked.add(pending, pending.record)
        self._count += 1
        self._queue.append(pending)

    def done(self, pending: Report) -> None:
        """Note that one is settled."""
        trace = pending.trace
        pending.settled = True
        trace.waiting -= 1
        self._count -= 1
        if isinstance(pending.record, LlmCall):
            self.index.remove(pending, pending.record)
            self.gateways.remove(pending, pending.record)
            self.linked.remove(pending, pending.record)
        if not trace.trace_id and not trace.waiting:
            trace.clear()

    def candidates(self, due: list[Report]) -> list[Report]:
        """Waiting calls that may be told by those that are due as well."""
        found = self.index, self.gateways, self.linked
        return [pending for each in found for pending in each.candidates(due)]

    def merge_services(self, leaves: list[CallGroup]) -> list[CallGroup]:
        """The same calls, those of a client and its gateway that share nothing merged."""
        return self.linked.merge(self.gateways.merge(leaves))

    def is_due(self, now_s: float) -> bool:
        """Whether one has waited long enough."""
        return bool(self._count) and self._queue[0].deadline_s <= now_s

    def take_due(self, now_s: float, limits: Limits) -> list[Report]:
        """Those whose time is up, and the oldest where there are too many."""
        due: list[Report] = []
        queue, most = self._queue, limits.max_pending
        while queue and (
            queue[0].settled or queue[0].deadline_s <= now_s or self._count - len(due) > most
        ):
            pending = queue.popleft()
            if pending.settled:
                continue
            if self._count <= most and awaits_root(pending, limits.inherited, now_s):
                pending.deadline_s = now_s + max(limits.decision_wait_s, _ROOT_POLL_S)
                queue.append(pending)
                continue
            due.append(pending)
        return due

    def take_all(self) -> list[Report]:
        """All that wait."""
        due = [pending for pending in self._queue if not pending.settled]
        self._queue.clear()
        return due

    def wait_again(self, now_s: float, limits: Limits) -> Iterator[Trace]:
        """Let all that wait do so from now on; gives the traces that this changes."""
        for pending in self._queue:
            pending.deadline_s = now_s + limits.decision_wait_s
            pending.held_until_s = now_s + limits.inherit_wait_s
            yield pending.trace

    def save(self) -> Saved:
        """What waits and is in no trace."""
        apart = {id(p.trace): p.trace for p in self._queue if not (p.settled or p.trace.trace_id)}
        return whole_of(APART, [freeze(trace) for trace in apart.values()])

    def restore(self, value: bytes, move: Move | None, ahead_s: float) -> None:
        """Let wait on what a part holds; then `resume`.

        Args:
            value: One of those that `save` gave.
            move: Where the dimensions had other labels then.
            ahead_s: How far this process's clock is ahead of the one that saved it.

        Raises: UnreadablePart.
        """
        for frozen in unpacked(value, _decoder):
            self._queue.extend(thaw(b"", frozen, move, ahead_s).unsettled())

    def resume(self, traces: Iterable[Trace]) -> None:
        """Let wait on what waits in traces as well, each in its turn."""
        waiting = [p for trace in traces for p in trace.unsettled()]
        for pending in sorted((*self.take_all(), *waiting), key=lambda p: p.deadline_s):
            self.add(pending)
