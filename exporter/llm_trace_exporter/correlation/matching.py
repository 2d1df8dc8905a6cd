"""Who may be whose copy, by time: the nearest, found without comparing everyone with everyone.

During an outage thousands of calls of one service fail alike and at one time, each told by two
instrumentations. Each call looks at a few neighbours of each other instrumentation only.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Hashable, Iterator, Sequence
from heapq import heapify, heappop, heappush
from typing import Generic, TypeVar

from ..model import LlmCall
from .merge import SLACK_NS, Interval, may_be_copies

MAX_REPORTERS = 16
"""Instrumentations of one service that are compared; no service has so many."""

_NEAREST = 8
_LOOKED_AT = 64

K = TypeVar("K", bound=Hashable)
T = TypeVar("T")
_Order = tuple[int, int, bytes]
Fits = Callable[[LlmCall, LlmCall], bool]
"""Whether two calls may be one."""


class Timeline(Generic[T]):
    """What one instrumentation told, by time; what found its partner is passed over."""

    def __init__(
        self, items: Sequence[T], call_of: Callable[[T], LlmCall], fits: Fits = may_be_copies
    ) -> None:
        """Sort the items by start."""
        self._fits = fits
        ordered = sorted(((call_of(item), item) for item in items), key=lambda pair: order(pair[0]))
        self.calls = [call for call, _ in ordered]
        self.items = [item for _, item in ordered]
        self._orders = [order(call) for call in self.calls]
        self._longest_ns = max((c.end_ns - c.start_ns for c in self.calls), default=0)
        # The next that is not taken, at or after each place, with shortcuts made on the way.
        self._next = list(range(len(ordered) + 1))

    def take(self, at: int) -> None:
        """Pass over what stands there from now on."""
        self._next[at] = at + 1

    def is_taken(self, at: int) -> bool:
        """Whether it found its partner."""
        return self._next[at] != at

    def after(self, call: LlmCall) -> Iterator[int]:
        """Places of the next that may be copies of a call and do not start before it."""
        at = self._free(bisect_left(self._orders, order(call)))
        found = 0
        for _ in range(_LOOKED_AT):
            if at == len(self.calls) or self.calls[at].start_ns > call.end_ns + SLACK_NS:
                return
            if self._fits(call, self.calls[at]):
                yield at
                found += 1
                if found == _NEAREST:
                    return
            at = self._free(at + 1)

    def before(self, call: LlmCall) -> Iterator[int]:
        """Places of the last that may be copies of a call and start before it."""
        first = bisect_left(self._orders, order(call)) - 1
        earliest = call.start_ns - self._longest_ns - SLACK_NS
        found = 0
        for at in range(first, max(-1, first - _LOOKED_AT), -1):
            if self.calls[at].start_ns < earliest:
                return
            if self._fits(call, self.calls[at]):
                yield at
                found += 1
                if found == _NEAREST:
                    return

    def _free(self, at: int) -> int:
        following = self._next
        while following[at] != at:
            following[at] = following[following[at]]
            at = following[at]
        return at


def timelines(
    items: Sequence[T],
    reporter_of: Callable[[T], K],
    call_of: Callable[[T], LlmCall],
    fits: Fits = may_be_copies,
) -> dict[K, Timeline[T]]:
    """A timeline for each instrumentation, the first MAX_REPORTERS of them."""
    by_reporter: dict[K, list[T]] = {}
    for item in items:
        reporter = reporter_of(item)
        if reporter in by_reporter or len(by_reporter) < MAX_REPORTERS:
            by_reporter.setdefault(reporter, []).append(item)
    return {reporter: Timeline(members, call_of, fits) for reporter, members in by_reporter.items()}


def closest_pairs(lanes: dict[frozenset[K], Timeline[T]]) -> Iterator[tuple[T, T]]:
    """Partners, those with the least time between them first; each item has one at most."""
    keys = sorted(lanes, key=lambda key: sorted(map(repr, key)))
    rivals = {key: [lanes[other] for other in keys if not key & other] for key in keys}
    heap: list[tuple[int, _Order, int, int, int]] = []
    sides = [(lanes[key], rivals[key]) for key in keys]

    def offer(side: int, at: int) -> tuple[int, _Order, int, int, int] | None:
        timeline, others = sides[side]
        call = timeline.calls[at]
        best: tuple[int, _Order, int, int, int] | None = None
        for number, other in enumerate(others):
            for place in other.after(call):
                apart = _apart_ns(call, other.calls[place])
                if best is None or apart < best[0]:
                    best = (apart, order(call), side * MAX_REPORTERS + number, at, place)
        return best

    for side, (timeline, _) in enumerate(sides):
        heap += filter(None, (offer(side, at) for at in range(len(timeline.calls))))
    heapify(heap)
    while heap:
        _, _, which, at, place = heappop(heap)
        side, number = divmod(which, MAX_REPORTERS)
        timeline, others = sides[side]
        other = others[number]
        if timeline.is_taken(at):
            continue
        if other.is_taken(place):
            again = offer(side, at)
            if again is not None:
                heappush(heap, again)
            continue
        timeline.take(at)
        other.take(place)
        yield timeline.items[at], other.items[place]


def order(call: LlmCall) -> _Order:
    """Calls by time, the same however they came."""
    return (call.start_ns, call.end_ns, call.origin.span_id)


def _apart_ns(one: LlmCall, other: LlmCall) -> int:
    return Interval(one.start_ns, one.end_ns).apart_ns(Interval(other.start_ns, other.end_ns))
