"""The newest records and what was decided of them, by trace: bounded by their number.

Each takes about a kilobyte: all texts in it are names that are cut, so that the number bounds the
memory.
"""

from __future__ import annotations

from collections import Counter, OrderedDict, deque
from collections.abc import Iterable, Mapping, Sequence

import msgspec
from msgspec import Struct

from ..correlation import Decision
from .records import OPEN, Arrival, Charge, Explained, Key

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
        self._by_key: dict[Key, list[Explained]] = {}

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
            self._by_key.setdefault(one.key, []).append(one)
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
            one = _meant(self._by_key.get(_key_of(decision), ()), decision)
            if one is None:
                continue
            if decision.is_result:
                one.results_left -= 1
                if decision.what == "counted":
                    one.results_counted += 1
                else:
                    one.results_discarded[decision.reason] += 1
                continue
            one.state, one.reason, one.into = decision.what, decision.reason, decision.into
            one.charge = charges.get(decision.place)
            if decision.what == "resent":
                one.results_left = 0

    def traces(self) -> list[Trace]:
        """All traces, the one seen longest ago first; as they are now."""
        return [_copy(trace) for trace in self._traces.values()]

    def trace(self, trace_id: bytes) -> Trace | None:
        """One trace as it is now; None where nothing of it is held."""
        found = self._traces.get(trace_id)
        return None if found is None else _copy(found)

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
        same = self._by_key[one.key]
        same.remove(one)
        if not same:
            del self._by_key[one.key]


def _meant(same: Sequence[Explained], decision: Decision) -> Explained | None:
    """Which of several equal records a decision is about: what is sent again came last."""
    if decision.is_result:
        return next((one for one in same if one.results_left), None)
    if decision.what == "resent":
        return next((one for one in reversed(same) if one.state in OPEN), None)
    return next((one for one in same if one.state == "waiting"), None)


def _key_of(decision: Decision) -> Key:
    return decision.trace_id, decision.span_id, decision.signal, decision.fingerprint


def _copy(trace: Trace) -> Trace:
    records = deque(
        msgspec.structs.replace(one, results_discarded=Counter(one.results_discarded))
        for one in trace.records
    )
    return Trace(trace.trace_id, records, trace.forgotten)
