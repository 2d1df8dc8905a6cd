"""The newest records and what was decided of them, by trace: bounded by their number.

Each takes about a kilobyte: all texts in it are names that are cut, so that the number bounds the
memory.
"""

from __future__ import annotations

from collections import Counter, OrderedDict, deque
from collections.abc import Iterable, Mapping, Sequence
from copy import copy

from msgspec import Struct

from ..correlation import Decision, Key
from .records import OPEN, Arrival, Charge, Explained, State

_MAX_REASONS = 20


class Trace(Struct, eq=False):
    """The records of one trace, in the order in which they came."""

    trace_id: bytes
    """Empty: the log records outside of any."""
    records: deque[Explained]
    forgotten: int = 0
    """Older ones for which there was no room."""


class DecisionLog:
    """Not safe for threads: whoever asks holds the lock under which records are counted."""

    def __init__(self, max_records: int, only: bytes | None = None) -> None:
        """Remember nothing yet.

        Args:
            max_records: Beyond it the trace that was seen longest ago is forgotten.
            only: The one trace whose records are kept; None: all.
        """
        self.max_records = max_records
        self.forgotten_traces = 0
        self.unreadable: Counter[str] = Counter()
        """Why records could not be read so far that they have ids, and how many."""
        self._only = only
        self._held = 0
        self._traces: OrderedDict[bytes, Trace] = OrderedDict()
        # What may still be decided of: equal records in the order in which they came.
        self._open: dict[Key, list[Explained]] = {}

    def __len__(self) -> int:
        """Records held."""
        return self._held

    def received(self, arrivals: Iterable[Arrival]) -> None:
        """Take in records, before anything is decided of them."""
        for arrival in arrivals:
            trace_id = arrival.trace_id
            if self._only is not None and trace_id != self._only:
                continue
            trace = self._traces.get(trace_id)
            if trace is None:
                trace = self._traces[trace_id] = Trace(trace_id, deque())
            else:
                self._traces.move_to_end(trace_id)
            one = Explained.of(arrival)
            trace.records.append(one)
            if one.state in OPEN:
                self._open.setdefault(one.key, []).append(one)
            self._held += 1
            self._make_room(trace)

    def rejected(self, reasons: Iterable[str]) -> None:
        """Take in why records could not be read at all."""
        for reason in reasons:
            known = reason in self.unreadable or len(self.unreadable) < _MAX_REASONS
            self.unreadable[reason if known else "other"] += 1

    def decided(self, decisions: Iterable[Decision], charges: Mapping[int, Charge]) -> None:
        """Take in what was decided.

        Args:
            decisions: In their order.
            charges: By `Decision.place`, what counts.
        """
        for decision in decisions:
            same = self._open.get(decision.key, [])
            one = _meant(same, decision)
            if one is None:
                continue
            if decision.is_result:
                one.results_left -= 1
                if decision.what == "counted":
                    one.results_counted += 1
                else:
                    one.results_discarded += (decision.reason,)
                continue
            if decision.is_step and one.arrival.has_step:
                one.step = charges.get(decision.place)
                one.step_discarded = "" if decision.what == "counted" else decision.reason
            else:
                one.state, one.reason, one.into = *_outcome(one, decision), decision.into
                one.charge = charges.get(decision.place)
            if one.is_half_decided:
                self._close(one)
            one.is_half_decided = True

    def traces(self) -> list[Trace]:
        """All traces, the one seen longest ago first; they change with what is decided later."""
        return list(self._traces.values())

    def trace(self, trace_id: bytes) -> Trace | None:
        """A copy of one trace; None where nothing of it is held."""
        found = self._traces.get(trace_id)
        if found is None:
            return None
        return Trace(trace_id, deque(map(copy, found.records)), found.forgotten)

    def _make_room(self, newest: Trace) -> None:
        # What is outside of any trace is always new: it must not drive out all the others.
        while not newest.trace_id and len(newest.records) > max(1, self.max_records // 2):
            self._drop_oldest(newest)
        while self._held > self.max_records:
            oldest = next(iter(self._traces.values()))
            if oldest is newest:
                self._drop_oldest(newest)
                continue
            while oldest.records:
                self._drop_oldest(oldest)
            del self._traces[oldest.trace_id]
            self.forgotten_traces += 1

    def _drop_oldest(self, trace: Trace) -> None:
        one = trace.records.popleft()
        trace.forgotten += 1
        self._held -= 1
        if one.state in OPEN:
            self._close(one)

    def _close(self, one: Explained) -> None:
        same = self._open[one.key]
        if same[-1] is one:
            same.pop()
        else:
            same.remove(one)
        if not same:
            del self._open[one.key]


def _outcome(one: Explained, decision: Decision) -> tuple[State, str]:
    if decision.what == "discarded" and decision.reason == "structure":
        return "structure", "evaluator" if one.arrival.role == "evaluator" else ""
    return decision.what, decision.reason


def _meant(same: Sequence[Explained], decision: Decision) -> Explained | None:
    """Which of several equal records a decision is about: what is sent again came last."""
    if decision.is_result:
        return next((one for one in same if one.results_left), None)
    if decision.what == "resent":
        return same[-1] if same else None
    if decision.is_step:
        return next((one for one in same if one.step is None and not one.step_discarded), None)
    return next((one for one in same if one.state == "waiting"), None)
