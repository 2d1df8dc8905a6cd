"""Calls nested in one trace: the innermost is the call, what encloses it only adds facts."""

from __future__ import annotations

from collections.abc import Iterable

from msgspec import Struct
from msgspec.structs import replace

from ..model import LlmCall
from .merge import fill_missing
from .trace import Report, Teller, Trace


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

    @property
    def reported_tokens(self) -> int:
        """Tokens that all reporters together wrote."""
        return sum(reporter.reported_tokens for reporter in self.reporters)

    @property
    def is_evidence(self) -> bool:
        """Whether nobody names it a call: its model and its tokens are all there is."""
        return all(reporter.precedence == "evidence" for reporter in self.reporters)

    @property
    def tellers(self) -> frozenset[Teller]:
        """Who told it."""
        return frozenset([reporter.teller for reporter in self.reporters])

    @property
    def waits(self) -> bool:
        """Whether some reporter is not settled yet."""
        return not self.reporters[0].settled or any(not t.settled for t in self.reporters)


class _CallNode(Struct, eq=False):
    pending: Report
    call: LlmCall
    outer: _CallNode | None = None
    inner: list[_CallNode] = []
    """Calls right beneath."""
    crossed: bool = False
    """A tool or agent stands between this call and the outer one."""
    leaves: list[CallGroup] | None = None


def group_nested_calls(trace: Trace, due: Iterable[Report]) -> list[CallGroup]:
    """The calls of every nest that holds one of the due reporters.

    Without recursion: how deep calls nest is the sender's choice.
    """
    calls = {id(p): p.record for p in trace.calls if isinstance(p.record, LlmCall)}
    around = [(p, *found) for p in trace.calls if (found := _encloser(trace, p)) is not None]
    if not around:
        waiting = {id(p): p for p in due if id(p) in calls and not p.settled}
        return [_leaf(p, calls[number]) for number, p in waiting.items()]
    twigs = {id(p): _CallNode(p, calls[id(p)]) for p in trace.calls if id(p) in calls}
    for pending, encloser, crossed in around:
        twig, outer = twigs[id(pending)], twigs.get(id(encloser))
        if outer is not None:
            twig.outer, twig.crossed = outer, crossed
            outer.inner.append(twig)
    tops = _outermost(twigs[id(p)] for p in due if id(p) in twigs)
    leaves = [leaf for top in tops for leaf in _resolve(top)]
    return [leaf for leaf in leaves if leaf.waits]


def _leaf(pending: Report, call: LlmCall) -> CallGroup:
    return CallGroup(call, [pending], {call.origin.scope}, pending.settled)


def _encloser(trace: Trace, pending: Report) -> tuple[Report, bool] | None:
    if pending.signal == "log":
        return None
    crossed = False
    for _, node in trace.above(pending.span_id):
        if node.call is not None and node.call is not pending:
            return node.call, crossed
        if node.role == "evaluator":
            return None
        crossed = crossed or node.role in ("tool", "agent")
    return None


def _outermost(twigs: Iterable[_CallNode]) -> list[_CallNode]:
    """The outermost call around each, once; a ring of parents is cut where it was entered."""
    top_of: dict[int, _CallNode] = {}
    tops: dict[int, _CallNode] = {}
    for start in twigs:
        if start.outer is None:
            tops[id(start)] = start
            continue
        path: dict[int, _CallNode] = {}
        twig = start
        while id(twig) not in top_of and twig.outer is not None and id(twig) not in path:
            path[id(twig)] = twig
            twig = twig.outer
        if id(twig) in path and twig.outer is not None:
            twig.outer.inner.remove(twig)
            twig.outer = None
        top = top_of.get(id(twig), twig)
        top_of.update(dict.fromkeys((*path, id(twig)), top))
        tops[id(top)] = top
    return list(tops.values())


def _resolve(top: _CallNode) -> list[CallGroup]:
    """Groups at and beneath a reporter, with its facts lent to them; the innermost first."""
    if not top.inner:
        return _leaves_at(top)
    order = [top]
    for twig in order:
        order.extend(twig.inner)
    for twig in reversed(order):
        twig.leaves = _leaves_at(twig)
    return top.leaves or []


def _leaves_at(twig: _CallNode) -> list[CallGroup]:
    beneath = [leaf for inner in twig.inner for leaf in inner.leaves or ()]
    own = _leaf(twig.pending, twig.call)
    if not beneath or _retried_elsewhere(twig.call, beneath):
        return [*beneath, own]
    told = beneath
    if any(inner.crossed for inner in twig.inner) and _is_separate_call(twig.call, beneath):
        # What tools and agents called is theirs; it may still be the sum of the rest.
        told = [leaf for inner in twig.inner if not inner.crossed for leaf in inner.leaves or ()]
        if not told or _is_separate_call(twig.call, told):
            return [*beneath, own]
    if twig.pending.settled:
        for leaf in told:
            if not leaf.late:
                leaf.lacking, leaf.late_call = twig.pending, leaf.call
            leaf.late = True
        return beneath
    _absorb(own, told)
    return beneath


def _retried_elsewhere(outer: LlmCall, beneath: list[CallGroup]) -> bool:
    """Whether every attempt that was told failed, and the one that answered was not."""
    return (
        not outer.error_type
        and outer.tokens is not None
        and all(leaf.call.error_type for leaf in beneath)
    )


def _is_separate_call(outer: LlmCall, beneath: list[CallGroup]) -> bool:
    """Whether a call is one of its own, not the sum of those beneath it."""
    if outer.tokens is None:
        return False
    return outer.tokens.total != sum(b.call.tokens.total for b in beneath if b.call.tokens)


def _absorb(outer: CallGroup, beneath: list[CallGroup]) -> None:
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
                leaf.call, _caller_only(outer.call), with_usage=False, with_cost=False
            )


def _caller_only(outer: LlmCall) -> LlmCall:
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


def with_details(leaves: Iterable[CallGroup]) -> list[CallGroup]:
    """Groups with log records that name their span merged in."""
    found = list(leaves)
    if all(leaf.reporters[0].signal == "span" for leaf in found):
        return found
    by_span: dict[bytes, CallGroup] = {}
    for leaf in found:
        for reporter in leaf.reporters:
            if reporter.signal == "span":
                by_span[reporter.span_id] = leaf
    kept: list[CallGroup] = []
    for leaf in found:
        reporter = leaf.reporters[0]
        target = by_span.get(reporter.span_id) if reporter.signal == "log" else None
        if target is None:
            kept.append(leaf)
            continue
        if not target.late:
            target.call = fill_missing(target.call, leaf.call, with_usage=True, with_cost=True)
        target.reporters.extend(leaf.reporters)
    return kept


def with_same_span(trace: Trace, members: list[Report]) -> list[Report]:
    """The members, and the waiting log records and spans that name the same span."""
    spans = {member.span_id for member in members if member.span_id}
    return members + [p for p in trace.calls if not p.settled and p.span_id in spans]


def with_purpose(leaf: CallGroup) -> LlmCall:
    """The call, marked when a judge made it."""
    for reporter in leaf.reporters:
        if not reporter.trace.has_evaluators:
            continue
        if any(node.role == "evaluator" for _, node in reporter.trace.above(reporter.span_id)):
            return replace(leaf.call, purpose="judge")
    return leaf.call
