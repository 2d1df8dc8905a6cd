"""A trace: who encloses whom in it, and what still waits to be settled.

The garbage collector, which would walk all of them again and again, does not know them; a trace
that is forgotten is taken apart by `Trace.clear`.
"""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import Struct

from ..model import HttpAttempt, LlmCall, Precedence, Role, Signal, Step
from .memory_codec import Move, relabelled

MAX_DEPTH = 64
"""Enclosing spans that are looked at; a deeper nest reads as unknown."""

MAX_WAITING_IN_TRACE = 5_000
"""Calls and steps of one trace that wait; beyond it the trace is settled early."""

MAX_SETTLED_IN_TRACE = 500
"""Settled calls, and steps, that a trace remembers by the list."""


Reporter = tuple[str, str, str]
"""Service, signal and scope: an instrumentation, which tells no call twice unless it nests."""

Content = tuple[str, bool, int, int]
"""What copies must agree on: service, whether it failed, and the usage of answered calls."""


class Report(Struct, eq=False, gc=False):
    """A call or step as one record told it, until it is settled; then the memory of it."""

    record: LlmCall | Step
    trace: Trace
    span_id: bytes
    signal: Signal
    precedence: Precedence
    group: str
    deadline_s: float
    reported_tokens: int = 0
    """Calls: what they claim to have used."""
    content: Content | None = None
    """What a copy of a waiting call, as it came, would say as well."""
    settled: bool = False
    """Settled one way or the other: applied, merged or discarded."""
    applied: bool = False
    """Steps: counted under its own name. Evidence: it is what was counted of its tokens."""
    held_until_s: float = 0.0
    """Until when it may wait for the root of its trace."""
    unmeasured: LlmCall | None = None
    """The call as it was counted, where that was without its usage."""
    is_measured: bool = False
    """Some of that usage came late."""

    @property
    def reporter(self) -> Reporter:
        """Who told it."""
        origin = self.record.origin
        return origin.service, origin.signal, origin.scope

    @property
    def dialect(self) -> str:
        """The convention in which it was told."""
        return self.record.origin.dialect


class Node(Struct, eq=False, gc=False):
    """One span's place in its trace."""

    parent: bytes
    role: Role
    call: Report | None = None
    step: Report | None = None
    dimensions: tuple[str, ...] = ()
    """Values on it, where dimensions are inherited; empty where it has none."""


class Trace(Struct, eq=False, gc=False):
    """The spans of one trace that were seen."""

    trace_id: bytes
    nodes: dict[bytes, Node] = {}
    """Span id -> node."""
    calls: list[Report] = []
    steps: list[Report] = []
    has_evaluators: bool = False
    has_evidence: bool = False
    """Whether some calls are known by their tokens alone."""
    waiting: int = 0
    """How many of them are not settled yet."""
    seen_s: float = 0.0
    root_dimensions: tuple[str, ...] = ()
    """Values on its root, where dimensions are inherited and the root came."""
    has_dimensions: bool = False
    """Whether any of its spans has a value of a dimension, where dimensions are inherited."""
    attempts: dict[bytes, HttpAttempt] = {}
    """Span id -> the request that an HTTP library told there."""

    def settle_all(self) -> None:
        """Let nothing wait any more, and count nothing of it."""
        for pending in self.unsettled():
            pending.settled = True
        self.waiting = 0

    def unsettled(self) -> list[Report]:
        """What still waits."""
        return [p for p in (*self.calls, *self.steps) if not p.settled]

    def clear(self) -> None:
        """Let go of everything: the collector does not see the cycles of references in here."""
        self.nodes.clear()
        self.calls.clear()
        self.steps.clear()
        self.attempts.clear()

    def relabel(self, move: Move) -> None:
        """Go on with other dimensions."""
        self.root_dimensions = move(self.root_dimensions) if self.root_dimensions else ()
        reports = {id(p): p for p in (*self.calls, *self.steps)}
        for node in self.nodes.values():
            node.dimensions = move(node.dimensions) if node.dimensions else ()
            reports |= {id(p): p for p in (node.call, node.step) if p is not None}
        for pending in reports.values():
            pending.record = relabelled(pending.record, move)
            if pending.unmeasured is not None:
                pending.unmeasured = relabelled(pending.unmeasured, move)

    def forget_settled(self) -> None:
        """Keep but the newest of what is settled: a late reporter may still ask for it."""
        for reports in (self.calls, self.steps):
            if len(reports) > 2 * MAX_SETTLED_IN_TRACE:
                old = reports[:-MAX_SETTLED_IN_TRACE]
                reports[: len(old)] = [p for p in old if not p.settled]

    def above(self, span_id: bytes) -> Iterator[tuple[bytes, Node]]:
        """The spans that enclose this one, inside out, as far as they were seen."""
        node = self.nodes.get(span_id)
        for _ in range(MAX_DEPTH):
            if node is None or not node.parent:
                return
            span_id = node.parent
            node = self.nodes.get(span_id)
            if node is None:
                return
            yield span_id, node
