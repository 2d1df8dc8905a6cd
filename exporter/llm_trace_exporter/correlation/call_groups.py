"""One call and everyone who told it, and how an enclosing reporter joins them."""

from __future__ import annotations

from typing import NamedTuple

from msgspec import Struct

from ..model import LlmCall
from .merge import fill_missing
from .trace import Report, Reporter


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
    is_covered: bool = False
    """Other calls of the trace tell all of it: nothing of it counts."""
    is_whole: bool = False
    """Where calls were written over one another, each of them is told."""
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
    def is_sum(self) -> bool:
        """Whether it is what some span encloses that told its usage, and no call."""
        return not self.call.model and self.call.tokens is not None and self.is_evidence

    @property
    def reported_by(self) -> frozenset[Reporter]:
        """Who told it."""
        return frozenset([report.reporter for report in self.reporters])

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


class Rest(NamedTuple):
    """Who told a call beside the one whose numbers count."""

    logs: list[Report]
    """Log records that repeat what a span tells."""
    copied: int
    """Tokens that they wrote."""
    spans: list[Report]
    left: int
    """Tokens that all wrote beyond these and the call's."""


def rest_of(leaf: CallGroup) -> Rest | None:
    """What the reporters of a call wrote beyond the call itself; None where that is nothing."""
    call, reporters = leaf.call, leaf.reporters
    counted = call.tokens.total if call.tokens else 0
    if len(reporters) == 1 and reporters[0].reported_tokens <= counted:
        return None
    is_span = call.origin.signal == "span"
    logs = [t for t in reporters if is_span and t.signal == "log"]
    spans = [t for t in reporters if not is_span or t.signal != "log"]
    copied = sum(t.reported_tokens for t in logs)
    own = next((t for t in spans if t.span_id == call.origin.span_id), spans[0])
    spans.remove(own)
    return Rest(logs, copied, spans, max(0, leaf.reported_tokens - copied - counted))
