"""The traces that are remembered, bounded in number, spans and age.

Most of them have gone quiet: those are kept frozen, hundreds of thousands of them for an hour.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from operator import itemgetter

import msgspec

from .memory_codec import Move, Part, Saved, UnreadablePart, parts_of, unpacked
from .packed_trace import freeze, head_of, shifted, thaw
from .trace import Node, Trace

QUIET_S = 60.0
"""Silence after which a trace in which nothing waits is frozen."""

_LIVE_SHARE = 8
"""One in so many spans may be of traces that are not frozen; beyond it they freeze sooner."""
_MIN_LIVE = 1_000
_SLACK = 10_000
_MAX_SAVED = 1.5
"""Spans in the file for each that is remembered, from which all is written anew."""
_TRACES = "traces"

_Frozen = bytes | tuple[int, bytes]
"""A frozen trace; with the number of its labels where those are not the ones in force."""

_decoder = msgspec.msgpack.Decoder(list[tuple[bytes, bytes]])


class TraceTable:
    """Traces by id, the longest unseen first."""

    def __init__(self, max_spans: int, max_age_s: float, *, tracks: bool = False) -> None:
        """Remember nothing yet; `tracks` notes what changes, for `save`."""
        self._live: OrderedDict[bytes, Trace] = OrderedDict()
        self._frozen: OrderedDict[bytes, _Frozen] = OrderedDict()
        self._changed: dict[bytes, None] | None = {} if tracks else None
        self._moves: list[Move] = []
        self._live_spans = 0
        self._saved_spans = 0
        self._saves_every = False
        self._found: dict[bytes, tuple[bytes, tuple[int | None, float, bool]]] = {}
        self.max_spans = max_spans
        self.max_age_s = max_age_s
        self.spans = 0
        self.evicted = 0
        """Traces forgotten for want of room, before their age was up."""

    def __len__(self) -> int:
        """How many traces are remembered."""
        return len(self._live) + len(self._frozen)

    def trace(self, trace_id: bytes, now_s: float) -> Trace:
        """The trace with this id, made if need be; it counts as seen now."""
        trace = self._live.get(trace_id)
        if trace is not None:
            self._live.move_to_end(trace_id)
        else:
            trace = self._thawed(trace_id) if trace_id in self._frozen else Trace(trace_id)
            self._live[trace_id] = trace
        trace.seen_s = now_s
        if self._changed is not None:
            self._changed[trace_id] = None
        return trace

    def peek(self, trace_id: bytes) -> Trace | None:
        """The trace with this id, if it is remembered."""
        trace = self._live.get(trace_id)
        if trace is None and trace_id in self._frozen:
            trace = self._live[trace_id] = self._thawed(trace_id)
            self._live.move_to_end(trace_id, last=False)
        return trace

    def live(self, trace_id: bytes) -> Trace | None:
        """The trace with this id, if it is not frozen."""
        return self._live.get(trace_id)

    def add(self, trace: Trace, span_id: bytes, node: Node) -> None:
        """Remember a span."""
        trace.nodes[span_id] = node
        if node.role == "evaluator":
            trace.has_evaluators = True
        self.spans += 1
        self._live_spans += 1

    def changed(self, trace: Trace) -> None:
        """Note that something in a trace was settled."""
        if self._changed is not None and trace.trace_id in self._live:
            self._changed[trace.trace_id] = None

    def freeze_quiet(self, now_s: float, idle_timeout_s: float) -> None:
        """Freeze the traces that nothing was seen of for long; sooner where there are many."""
        live = self._live
        most = max(_MIN_LIVE, self.max_spans // _LIVE_SHARE)
        while live:
            trace_id, oldest = next(iter(live.items()))
            is_crowded = max(self._live_spans, len(live)) > most
            if oldest.waiting or not (is_crowded or now_s - oldest.seen_s > idle_timeout_s):
                return
            self._frozen[trace_id] = freeze(oldest)
            del live[trace_id]
            self._live_spans -= len(oldest.nodes)
            oldest.clear()

    def overdue(self, now_s: float) -> Iterator[bytes]:
        """Ids of traces that must go now: too many spans, or too long unseen. Caller drops each."""
        while self._frozen or self._live:
            seen, trace_id = self._oldest()
            # Log records name traces whose spans never come: those count, too.
            crowded = max(self.spans, len(self)) > self.max_spans
            if not crowded and now_s - seen <= self.max_age_s:
                return
            if crowded:
                self.evicted += 1
            yield trace_id

    def _oldest(self) -> tuple[float, bytes]:
        """When the longest unseen trace was seen, and its id."""
        # What froze is not always older: of an earlier process all but what waits is frozen.
        fronts = [(t.seen_s, trace_id) for trace_id, t in islice(self._live.items(), 1)]
        for trace_id, frozen in islice(self._frozen.items(), 1):
            fronts.insert(0, (head_of(_bytes(frozen))[0], trace_id))
        return min(fronts, key=itemgetter(0))

    def drop(self, trace_id: bytes) -> None:
        """Forget a trace."""
        self._forget(trace_id)
        if self._changed is None:
            return
        self._changed[trace_id] = None
        if len(self._changed) > 2 * self.max_spans + _SLACK:
            # Nobody has saved for long: all there is will be less than all that changed.
            self._changed.clear()
            self._saves_every = True

    def relabel(self, move: Move) -> None:
        """Go on with other dimensions: what is frozen follows when it thaws."""
        for trace in self._live.values():
            trace.relabel(move)
        self._moves = [_one_after_the_other(old, move) for old in self._moves]
        number = self._number(move)
        for trace_id, frozen in self._frozen.items():
            if isinstance(frozen, bytes):
                self._frozen[trace_id] = (number, frozen)

    def save(self, *, every: bool) -> Saved:
        """What changed since the last time; all there is where that is asked for, or shorter."""
        every = every or self._saves_every or self._saved_spans > _MAX_SAVED * self.spans + _SLACK
        self._saves_every = False
        ids: Iterable[bytes] = self._changed or ()
        if every:
            ids = (*self._frozen, *self._live)
            self._saved_spans = 0
        packed = [(trace_id, self._packed(trace_id)) for trace_id in ids]
        if self._changed is not None:
            self._changed.clear()
        parts = parts_of(_TRACES, packed, _spans_in)
        self._saved_spans += sum(part.entries for part in parts)
        return Saved(parts, frozenset((_TRACES,)) if every else frozenset())

    def restore(self, part: Part, move: Move | None, ahead_s: float) -> None:
        """Read a part of what an earlier process remembered; then `restored`.

        Args:
            part: One of those that `save` gave, in their order.
            move: Where the dimensions had other labels then.
            ahead_s: How far this process's clock is ahead of the one that saved it.

        Raises: UnreadablePart.
        """
        number = None if move is None else self._number(move)
        part_of, found = (number, ahead_s, part.is_stale), self._found
        for trace_id, frozen in unpacked(part.value, _decoder):
            found.pop(trace_id, None)
            if frozen:
                # Where something waits, there are more times in it: it is thawed.
                is_waiting = head_of(frozen)[2]
                later = frozen if is_waiting or not ahead_s else shifted(frozen, ahead_s)
                found[trace_id] = (later, part_of)
        self._saved_spans += part.entries

    def restored(self) -> tuple[list[Trace], int]:
        """Remember what was read, each trace as it was last saved.

        Returns: Traces in which something waits; how many could not be read.
        """
        waiting: list[Trace] = []
        unreadable = 0
        found, self._found = self._found, {}
        for trace_id in list(found):
            frozen, (number, ahead_s, is_stale) = found.pop(trace_id)
            _, spans, is_waiting = head_of(frozen)
            self.spans += spans
            if not is_waiting:
                self._frozen[trace_id] = frozen if number is None else (number, frozen)
                continue
            move = self._moves[number] if number is not None else None
            try:
                trace = self._live[trace_id] = thaw(trace_id, frozen, move, ahead_s)
            except UnreadablePart:
                self.spans -= spans
                unreadable += 1
                continue
            self._live_spans += spans
            if is_stale:
                # What waited then may have been counted since: never twice.
                trace.settle_all()
            else:
                waiting.append(trace)
        return waiting, unreadable

    def _forget(self, trace_id: bytes) -> None:
        trace = self._live.pop(trace_id, None)
        if trace is not None:
            self._live_spans -= len(trace.nodes)
            self.spans -= len(trace.nodes)
            trace.clear()
        elif (frozen := self._frozen.pop(trace_id, None)) is not None:
            self.spans -= head_of(_bytes(frozen))[1]

    def _thawed(self, trace_id: bytes) -> Trace:
        frozen = self._frozen.pop(trace_id)
        try:
            if isinstance(frozen, bytes):
                trace = thaw(trace_id, frozen)
            else:
                trace = thaw(trace_id, frozen[1], self._moves[frozen[0]])
        except UnreadablePart:
            self.spans -= head_of(_bytes(frozen))[1]
            return Trace(trace_id)
        self._live_spans += len(trace.nodes)
        return trace

    def _packed(self, trace_id: bytes) -> bytes:
        """A trace as it is now; empty where it is forgotten."""
        trace = self._live.get(trace_id)
        if trace is not None:
            return freeze(trace)
        frozen = self._frozen.get(trace_id, b"")
        if not isinstance(frozen, bytes):
            frozen = freeze(thaw(trace_id, frozen[1], self._moves[frozen[0]]))
            self._frozen[trace_id] = frozen
        return frozen

    def _number(self, move: Move) -> int:
        self._moves.append(move)
        return len(self._moves) - 1


def _bytes(frozen: _Frozen) -> bytes:
    return frozen if isinstance(frozen, bytes) else frozen[1]


def _spans_in(packed: Sequence[tuple[bytes, bytes]]) -> int:
    """How many spans entries are about; one where an entry says that a trace is forgotten."""
    return sum(max(1, head_of(frozen)[1]) if frozen else 1 for _, frozen in packed)


def _one_after_the_other(first: Move, second: Move) -> Move:
    return lambda values: second(first(values))
