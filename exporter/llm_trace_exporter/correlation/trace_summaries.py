"""Whole traces: what one question to an application cost, took and needed.

Fed after pricing, with what is counted: a trace is the sum of its settled calls and steps. It is
complete when its root has ended and nothing more came for a while; where the root never comes,
when it was quiet for longer, or at an age. Calls that judges made are not part of it.
"""

from __future__ import annotations

import dataclasses
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from ..model import ParsedRecord, Root, Step
from ..settled import PricedCall, TraceSummary
from .bounded_set import BoundedMap
from .limits import Memory
from .memory_codec import Move, Part, Saved, log_of, merged, unpacked, whole_of
from .merge import first_non_empty


@dataclass(frozen=True, slots=True)
class TraceLimits:
    """When a trace is complete, and how many may be open."""

    idle_timeout_s: float = 30.0
    """Silence after which a trace with its root is complete."""
    rootless_idle_timeout_s: float = 300.0
    """Silence after which one without is."""
    max_age_s: float = 3_600.0
    """Age at which a trace is complete whatever still comes."""
    max_open: int = 50_000
    """Traces that are not complete; beyond it the longest unseen are taken as complete."""
    max_remembered: int = 100_000
    """Complete traces that are remembered, so that none is complete twice."""


class _Open(Struct, eq=False, gc=False, array_like=True):
    """A trace so far."""

    first_s: float
    seen_s: float
    root: Root | None = None
    start_ns: int = 0
    end_ns: int = 0
    first_ns: int = 0
    """Start of the first call."""
    sender: tuple[str, str] = ("", "")
    """Service and environment of the first call."""
    weight: float = 1.0
    """Of the first call."""
    last_ns: int = -1
    """End of the last call."""
    has_failed: bool = False
    """The last call did."""
    dimensions: tuple[str, ...] | None = None
    """On which its calls agree."""
    calls: int = 0
    tools: int = 0
    tokens: int = 0
    usd: float = 0.0
    priced: int = 0
    """Calls with a price."""
    unpriced: int = 0
    """Calls without a price that they should have."""
    unmeasured: int = 0
    """Answered calls without usage."""

    def spans(self, start_ns: int, end_ns: int) -> None:
        """Note when something ran."""
        if start_ns < self.start_ns or not self.start_ns:
            self.start_ns = start_ns
        self.end_ns = max(self.end_ns, end_ns)

    def add(self, priced: PricedCall, sign: int = 1) -> None:
        """Add tokens and dollars of a call; take them off where `sign` is -1."""
        call = priced.call
        if call.tokens is not None:
            self.tokens += sign * call.tokens.total
        elif not call.error_type and priced.unpriced != "per_request":
            self.unmeasured += sign
        usd = priced.cost_usd
        if usd is not None:
            self.usd += sign * usd
            self.priced += sign
        # Work with a fee per call has no usage to price, and mostly nobody knows the fee.
        by_nature = priced.unpriced == "per_request" and not priced.unpriced_tokens
        is_owed = priced.unpriced is not None and not by_nature
        if is_owed and not (call.error_type and call.tokens is None):
            self.unpriced += sign


@dataclass(slots=True)
class WholeTraces:
    """Traces that are not complete yet; not safe for threads."""

    limits: TraceLimits = field(default_factory=TraceLimits)
    tracks: bool = False
    """Whether to note what changes, for `save`."""
    evicted: int = 0
    """Traces taken as complete for want of room."""
    _rooted: OrderedDict[bytes, _Open] = field(default_factory=OrderedDict)
    _rootless: OrderedDict[bytes, _Open] = field(default_factory=OrderedDict)
    _ready: list[tuple[bytes, _Open]] = field(default_factory=list)
    _done: BoundedMap[bytes, None] = field(init=False)

    def __post_init__(self) -> None:
        """Make room for what is complete."""
        self._done = BoundedMap(self.limits.max_remembered, tracks=self.tracks)

    def __len__(self) -> int:
        """How many traces are open."""
        return len(self._rooted) + len(self._rootless)

    @property
    def memory(self) -> Memory:
        """How many traces are open."""
        return Memory(len(self), self.limits.max_open, self.evicted)

    def see(self, reading: ParsedRecord, now_s: float) -> None:
        """Note that a span or log record of a trace came."""
        trace_id = reading.trace_id
        if not trace_id or (reading.root is None and not reading.records):
            return
        held = self._rooted
        trace = held.get(trace_id)
        if trace is None:
            held = self._rootless
            trace = held.get(trace_id)
        if trace is None:
            if trace_id in self._done:
                return
            trace = held[trace_id] = _Open(first_s=now_s, seen_s=now_s)
        trace.seen_s = now_s
        if reading.root is not None and _is_further_out(reading.root, trace.root):
            trace.root = reading.root
        if now_s - trace.first_s > self.limits.max_age_s:
            self._complete(trace_id, held)
        elif held is self._rootless and trace.root is not None and not trace.root.is_local:
            self._rooted[trace_id] = held.pop(trace_id)
        else:
            held.move_to_end(trace_id)

    def call(self, priced: PricedCall) -> None:
        """Add a settled call."""
        call = priced.call
        trace = self._open(call.origin.trace_id)
        if trace is None or call.purpose:
            return
        trace.spans(call.start_ns, call.end_ns)
        trace.calls += 1
        origin = call.origin
        if trace.calls == 1 or call.start_ns < trace.first_ns:
            trace.first_ns, trace.weight = call.start_ns, call.weight
            trace.sender = (origin.service, origin.environment)
        if call.end_ns > trace.last_ns:
            trace.last_ns, trace.has_failed = call.end_ns, bool(call.error_type)
        own = origin.dimensions
        trace.dimensions = own if trace.dimensions is None else _common(trace.dimensions, own)
        trace.add(priced)

    def late_usage(self, counted: PricedCall, priced: PricedCall, *, is_first: bool) -> None:
        """Add the usage of a call that was added without it."""
        trace = self._open(counted.call.origin.trace_id)
        if trace is None or counted.call.purpose:
            return
        if is_first:
            trace.add(counted, -1)
        trace.add(priced)

    def step(self, step: Step) -> None:
        """Add a settled step."""
        trace = self._open(step.origin.trace_id)
        if trace is not None:
            trace.spans(step.start_ns, step.end_ns)
            trace.tools += step.kind == "tool"

    def is_due(self, now_s: float) -> bool:
        """Whether a trace is complete."""
        limits = self.limits
        return any(
            now_s - next(iter(held.values())).seen_s >= idle_timeout_s
            for held, idle_timeout_s in (
                (self._rooted, limits.idle_timeout_s),
                (self._rootless, limits.rootless_idle_timeout_s),
            )
            if held
        )

    def complete(self, now_s: float) -> Iterator[TraceSummary]:
        """Let out the traces that are complete."""
        limits = self.limits
        for held, idle_timeout_s in (
            (self._rooted, limits.idle_timeout_s),
            (self._rootless, limits.rootless_idle_timeout_s),
        ):
            while held:
                trace_id, oldest = next(iter(held.items()))
                is_crowded = len(self) > limits.max_open
                if not is_crowded and now_s - oldest.seen_s < idle_timeout_s:
                    break
                self.evicted += is_crowded
                self._complete(trace_id, held)
        yield from self._let_out()

    def complete_all(self) -> Iterator[TraceSummary]:
        """Let out all traces: at the end of a replay."""
        for held in (self._rooted, self._rootless):
            while held:
                self._complete(next(iter(held)), held)
        yield from self._let_out()

    def limit(self, limits: TraceLimits) -> None:
        """Go on with other limits."""
        self.limits = limits
        self._done.limit = limits.max_remembered

    def save(self, *, every: bool) -> Saved:
        """What is open, and what was completed since the last time, or all that is known to be."""
        # What is ready but was not let out yet has not been counted.
        held = [*self._rooted.items(), *self._rootless.items()]
        done = [trace_id for trace_id, _ in self._done.take_fresh(every=every)]
        return merged(
            (
                whole_of(_OPEN, held),
                log_of(_COMPLETE, done, self.limits.max_remembered, is_all=every),
            )
        )

    def restore(self, part: Part, move: Move | None, ahead_s: float) -> bool:
        """Remember what a part holds; the parts in their order.

        Args:
            part: One of those that `save` gave.
            move: Where the dimensions had other labels then.
            ahead_s: How far this process's clock is ahead of the one that saved it.

        Returns: Whether it is one of these.

        Raises: UnreadablePart.
        """
        if part.name == _COMPLETE:
            self._done.restore((trace_id, None) for trace_id in unpacked(part.value, _ids))
            return True
        if part.name != _OPEN:
            return False
        for trace_id, trace in unpacked(part.value, _opened):
            trace.first_s += ahead_s
            trace.seen_s += ahead_s
            if move is not None:
                _relabel(trace, move)
            is_rooted = trace.root is not None and not trace.root.is_local
            (self._rooted if is_rooted else self._rootless)[trace_id] = trace
        return True

    @contextmanager
    def waiting(self, idle_timeout_s: float, rootless_idle_timeout_s: float) -> Iterator[None]:
        """Let traces be open as long as they were in an earlier process."""
        limits = self.limits
        self.limits = dataclasses.replace(
            limits, idle_timeout_s=idle_timeout_s, rootless_idle_timeout_s=rootless_idle_timeout_s
        )
        try:
            yield
        finally:
            self.limits = limits

    def wait_again(self, now_s: float) -> None:
        """Let what is open be quiet from now on: nobody could tell more in between."""
        for trace in (*self._rooted.values(), *self._rootless.values()):
            trace.seen_s = now_s

    def relabel(self, dimensions: Move) -> None:
        """Go on with other dimensions."""
        for trace in (*self._rooted.values(), *self._rootless.values()):
            _relabel(trace, dimensions)

    def _open(self, trace_id: bytes) -> _Open | None:
        return self._rooted.get(trace_id) or self._rootless.get(trace_id)

    def _complete(self, trace_id: bytes, held: OrderedDict[bytes, _Open]) -> None:
        self._ready.append((trace_id, held.pop(trace_id)))
        self._done.add(trace_id, None)

    def _let_out(self) -> Iterator[TraceSummary]:
        ready, self._ready = self._ready, []
        for trace_id, trace in ready:
            # A trace without a call is not a language model's.
            if trace.calls:
                yield _summary(trace_id, trace)


_OPEN, _COMPLETE = "open_traces", "complete_traces"
_ids = msgspec.msgpack.Decoder(list[bytes])
_opened = msgspec.msgpack.Decoder(list[tuple[bytes, _Open]])


def _relabel(trace: _Open, dimensions: Move) -> None:
    if trace.dimensions is not None:
        trace.dimensions = dimensions(trace.dimensions)
    if trace.root is not None:
        moved = dimensions(trace.root.dimensions)
        trace.root = replace(trace.root, dimensions=moved)


def _is_further_out(root: Root, known: Root | None) -> bool:
    """Whether a root encloses the one known so far: an entry point of one process is a guess."""
    if known is None:
        return True
    return (root.is_local, root.start_ns) < (known.is_local, known.start_ns)


def _common(one: tuple[str, ...], other: tuple[str, ...]) -> tuple[str, ...]:
    if one == other or len(one) != len(other):
        return one
    return tuple([a if a == b else "" for a, b in zip(one, other, strict=True)])


def _summary(trace_id: bytes, trace: _Open) -> TraceSummary:
    root = trace.root
    agreed = trace.dimensions or ()
    duration_s: float | None = max(0, trace.end_ns - trace.start_ns) / 1e9
    if root is not None:
        duration_s = None if root.is_untimed else max(0, root.end_ns - root.start_ns) / 1e9
        failed = root.failed
        sender = (root.service, root.environment, first_non_empty(root.dimensions, agreed))
        weight = root.weight
    else:
        failed, sender, weight = trace.has_failed, (*trace.sender, agreed), trace.weight
    return TraceSummary(
        trace_id=trace_id,
        span_id=root.span_id if root is not None else b"",
        service=sender[0],
        environment=sender[1],
        dimensions=sender[2],
        root=root.name if root is not None else "",
        failed=failed,
        duration_s=duration_s,
        llm_calls=trace.calls,
        tool_calls=trace.tools,
        tokens=trace.tokens if not trace.unmeasured else None,
        cost_usd=trace.usd if trace.priced and not trace.unpriced else None,
        weight=weight,
    )
