"""One call and everyone who told it, and how an enclosing reporter joins them."""

from __future__ import annotations

from msgspec import Struct

from ..model import LlmCall
from .merge import fill_missing
from .trace import Report, Teller


class CallGroup(Struct, eq=False, gc=False):
    """One call, and everyone who told it."""

    call: LlmCall
    reporters: list[Report]
    scopes: set[str]
    late: bool = False
    """Told after the call, or the one enclosing it, was applied."""
    lacking: Report | None = None
    """Late: a report of the call that was applied, where that was without usage."""
    late_call: LlmCall | None = None
    """Late: who tells that usage."""
    is_told: bool = False
    """Other calls of the trace tell all of it: nothing of it counts."""
    lists_models: bool = False
    """All that was asked for is which models there are."""

    @property
    def reported_tokens(self) -> int:
        """Tokens that all reporters together wrote."""
        return sum(reporter.reported_tokens for reporter in self.reporters)

    @property
    def is_evidence(self) -> bool:
        """Whether nobody names it a call: its model and its tokens are all there is."""
        reporters = self.reporters
        return reporters[0].precedence == "evidence" and all(
            reporter.precedence == "evidence" for reporter in reporters
        )

    @property
    def tellers(self) -> frozenset[Teller]:
        """Who told it."""
        return frozenset([reporter.teller for reporter in self.reporters])

    @property
    def waits(self) -> bool:
        """Whether some reporter is not settled yet."""
        return not self.reporters[0].settled or any(not t.settled for t in self.reporters)


def group_of(pending: Report, call: LlmCall) -> CallGroup:
    """A call as one reporter tells it."""
    return CallGroup(call, [pending], {call.origin.scope}, pending.settled)


def absorb(outer: CallGroup, beneath: list[CallGroup]) -> None:
    """Merge an enclosing reporter into its call; of several, into the one that answered."""
    answered = [leaf for leaf in beneath if not leaf.call.error_type] or beneath
    target = max(answered, key=lambda leaf: (leaf.call.end_ns, leaf.call.origin.span_id))
    target.reporters.extend(outer.reporters)
    target.scopes |= outer.scopes
    unknown = all(leaf.call.tokens is None for leaf in beneath)
    if target.late:
        if unknown and target.lacking is None:
            target.lacking, target.late_call = target.reporters[0], outer.call
        return
    sole = len(answered) == 1
    target.call = fill_missing(target.call, outer.call, with_usage=unknown or sole, with_cost=sole)
    for leaf in beneath:
        if leaf is not target and not leaf.late:
            leaf.call = fill_missing(
                leaf.call, caller_only(outer.call), with_usage=False, with_cost=False
            )


def caller_only(outer: LlmCall) -> LlmCall:
    """An enclosing call reduced to who asked: all that is true for every attempt beneath it."""
    return LlmCall(
        origin=outer.origin,
        start_ns=outer.start_ns,
        end_ns=outer.start_ns,
        operation=outer.operation,
        provider=outer.provider,
        purpose=outer.purpose,
        weight=outer.weight,
    )
