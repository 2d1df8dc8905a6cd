"""Calls nested in one trace: the innermost is the call, what encloses it only adds facts."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from msgspec import Struct
from msgspec.structs import replace

from ..model import LlmCall
from .call_groups import CallGroup, absorb, group_of
from .evidence import around, join_note, mark_covered, notes_among
from .late_enclosers import Sum, sum_around, sums_in
from .merge import fill_missing, same_usage
from .overwritten import calls_of_their_own
from .trace import Report, Trace


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
    sums = sums_in(trace) if trace.has_evidence else []
    nested = [(p, *found) for p in trace.calls if (found := _encloser(trace, p, sums)) is not None]
    if not (nested or trace.has_evidence):
        waiting = {id(p): p for p in due if id(p) in calls and not p.settled}
        return [group_of(p, calls[number]) for number, p in waiting.items()]
    twigs = {id(p): _CallNode(p, calls[id(p)]) for p in trace.calls if id(p) in calls}
    for pending, encloser, crossed in nested:
        twig, outer = twigs[id(pending)], twigs.get(id(encloser))
        if outer is not None:
            twig.outer, twig.crossed = outer, crossed
            outer.inner.append(twig)
    tops = _outermost(twigs[id(p)] for p in due if id(p) in twigs)
    leaves = [leaf for top in tops for leaf in _resolve(top)]
    if trace.has_evidence:
        known = {id(top) for top in tops}
        rest = [top for top in _outermost(twigs.values()) if id(top) not in known]
        mark_covered(trace, leaves, [leaf for top in rest for leaf in _resolve(top)])
    return [leaf for leaf in leaves if leaf.waits]


def _encloser(trace: Trace, pending: Report, sums: Sequence[Sum]) -> tuple[Report, bool] | None:
    if pending.signal == "log":
        return None
    crossed = judged = False
    for _, node in trace.above(pending.span_id):
        call = node.call
        if call is None or call is pending or _had_ended(call, pending):
            pass
        elif not judged or call.precedence == "evidence":
            # What only carries a sum may do so for judges, too.
            return call, crossed
        judged = judged or node.role == "evaluator"
        crossed = crossed or node.role in ("tool", "agent", "evaluator")
    likely = sum_around(pending, sums) if sums else None
    return None if likely is None else (likely, True)


def _had_ended(outer: Report, inner: Report) -> bool:
    """Whether a call only hangs below one that was over: a context that nobody took down.

    What another instrumentation, or another host's clock, says of the same call may do so, too.
    """
    before, after = outer.record, inner.record
    if not (
        isinstance(before, LlmCall)
        and isinstance(after, LlmCall)
        and before.start_ns < before.end_ns < after.start_ns
        and before.origin.service == after.origin.service
    ):
        return False
    if before.response_id and after.response_id:
        return before.response_id != after.response_id
    if before.origin.scope == after.origin.scope:
        return True
    known = before.tokens is not None and after.tokens is not None
    return known and not same_usage(before.tokens, after.tokens)


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
    found = [leaf for inner in twig.inner for leaf in inner.leaves or ()]
    own = group_of(twig.pending, twig.call)
    beneath = [leaf for leaf in found if not _is_void(leaf)]
    void = [leaf for leaf in found if _is_void(leaf)]
    if not beneath:
        return [own, *void]
    return [*_with_those(twig, own, beneath), *void]


def _is_void(leaf: CallGroup) -> bool:
    """Whether nothing that was told there counts, or ever did."""
    if leaf.is_covered or _says_nothing(leaf.call):
        return True
    return leaf.late and leaf.is_evidence and not any(p.applied for p in leaf.reporters)


def _says_nothing(call: LlmCall) -> bool:
    """Whether only its kind is known: a gateway's own work is named after the calls it is for."""
    return (
        not (call.model or call.error_type or call.response_id or call.finish_reasons)
        and call.tokens is None
        and call.ttft_s is None
    )


def _with_those(twig: _CallNode, own: CallGroup, beneath: list[CallGroup]) -> list[CallGroup]:
    if twig.pending.precedence == "evidence":
        return around(own, beneath, crossed=any(inner.crossed for inner in twig.inner))
    crossed = [leaf for inner in twig.inner if inner.crossed for leaf in inner.leaves or ()]
    notes = notes_among(twig.call, beneath, crossed)
    if not notes:
        return _around_call(twig, own, beneath)
    known = {id(note) for note in notes}
    rest = [leaf for leaf in beneath if id(leaf) not in known]
    for note in notes:
        if twig.pending.settled:
            note.late, note.lacking, note.late_call = True, twig.pending, note.call
        else:
            join_note(own, note)
    return _around_call(twig, own, rest) + (notes if twig.pending.settled else [])


def _around_call(twig: _CallNode, own: CallGroup, beneath: list[CallGroup]) -> list[CallGroup]:
    if not beneath or _retried_elsewhere(own.call, beneath):
        return [*beneath, own]
    summed = beneath
    if any(inner.crossed for inner in twig.inner) and _is_separate_call(own.call, beneath):
        # What tools and agents called is theirs; it may still be the sum of the rest.
        kept = {id(leaf) for leaf in beneath}
        summed = [
            leaf
            for inner in twig.inner
            if not inner.crossed
            for leaf in inner.leaves or ()
            if id(leaf) in kept
        ]
        if not summed or _is_separate_call(own.call, summed):
            return [*beneath, own]
    if twig.pending.settled:
        for leaf in summed:
            if not leaf.late:
                leaf.lacking, leaf.late_call = twig.pending, leaf.call
            leaf.late = True
        return beneath
    absorb(own, summed)
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
    kept = calls_of_their_own(by_span, found)
    own = {id(leaf) for leaf in kept}
    for leaf in found:
        if id(leaf) in own:
            continue
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
