"""Calls that only their model and tokens give away: spans that no vocabulary names.

Some are calls. Others are a framework's note of what a call used, or a wrapper with the sum of
several. So they count where no other call of the trace tells their tokens, and else add facts.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from msgspec.structs import replace

from ..model import LlmCall
from .call_groups import CallGroup, absorb, caller_only
from .merge import fill_missing, overlap, same_outcome, same_usage
from .trace import Trace


def around(own: CallGroup, beneath: list[CallGroup], *, crossed: bool) -> list[CallGroup]:
    """Groups at and beneath a span that may be a call, and encloses calls: those are the calls.

    Args:
        own: What the span says.
        beneath: The calls within it.
        crossed: Whether tools or agents stand between.
    """
    call = own.call
    if own.late:
        if own.reporters[0].applied and call.tokens is not None:
            for leaf in beneath:
                leaf.late = True
        return beneath
    failed = [leaf for leaf in beneath if leaf.call.error_type]
    if len(failed) == len(beneath) and call.tokens is not None and not call.error_type:
        notes = [leaf for leaf in failed if leaf.is_evidence and not leaf.late]
        for note in notes:
            join_note(own, note)
        return [*(leaf for leaf in beneath if not _is_in(leaf, notes)), own]
    known = any(leaf.call.tokens is not None for leaf in beneath)
    live = [leaf for leaf in beneath if not leaf.late]
    if not live and known:
        own.is_told = True
        return [*beneath, own]
    if (known and (crossed or len(beneath) > 1)) or (call.error_type and not failed):
        own.call = caller_only(call)
    absorb(own, live or beneath)
    return beneath


def notes_among(
    outer: LlmCall, beneath: list[CallGroup], crossed: Sequence[CallGroup]
) -> list[CallGroup]:
    """Those beneath a call that only say again what it used.

    Args:
        outer: The call.
        beneath: What is told within it.
        crossed: Those of them that a tool or agent within it made.
    """
    stepped = {id(leaf) for leaf in crossed}
    notes = [
        leaf
        for leaf in beneath
        if leaf.is_evidence and not leaf.late and _is_about(outer, leaf, apart=id(leaf) in stepped)
    ]
    telling = [leaf for leaf in notes if leaf.call.tokens is not None]
    if outer.tokens is None and not outer.error_type and len(telling) > 1:
        return []
    return notes


def _is_about(outer: LlmCall, note: CallGroup, *, apart: bool) -> bool:
    told = note.call.tokens
    return not apart or told is None or same_usage(told, outer.tokens)


def join_note(own: CallGroup, note: CallGroup) -> None:
    """Merge a note into the call that it is about: it lends what that does not know."""
    call, told = own.call, note.call
    if call.error_type or not told.error_type:
        # The call's own word on who asked and when stands.
        lent = fill_missing(call, told, with_usage=True, with_cost=True)
        origin = replace(call.origin, dimensions=lent.origin.dimensions)
        own.call = replace(lent, origin=origin, start_ns=call.start_ns, end_ns=call.end_ns)
    own.reporters.extend(note.reporters)
    own.scopes |= note.scopes


def mark_told(trace: Trace, leaves: Sequence[CallGroup], others: Sequence[CallGroup]) -> None:
    """Mark what counts as nothing, as other calls of the trace tell all of it.

    Args:
        trace: The trace.
        leaves: Its calls that are settled now.
        others: The rest of its calls.
    """
    counted = [leaf for leaf in (*leaves, *others) if _counts(leaf)]
    named = [leaf for leaf in counted if not leaf.is_evidence]
    open_ = [leaf for leaf in leaves if leaf.is_evidence and not (leaf.late or leaf.is_told)]
    # Sums before their parts.
    for leaf in sorted(open_, key=_largest_first):
        if _is_told_by(leaf.call, named) or _is_sum(trace, leaf, counted):
            leaf.is_told = True
            counted = [other for other in counted if other is not leaf]
    for leaf in leaves:
        if not (leaf.late or leaf.is_evidence or leaf.is_told):
            _mark_told_before(leaf, [other for other in counted if other.is_evidence])


def _mark_told_before(leaf: CallGroup, evidence: list[CallGroup]) -> None:
    """Mark a call as late whose tokens were counted before as somebody else told them."""
    for other in evidence:
        report = other.reporters[0]
        if other.late and report.applied and _is_told_by(leaf.call, [other]):
            leaf.late, report.applied = True, False
            return


def _counts(leaf: CallGroup) -> bool:
    if leaf.is_told or (leaf.late and leaf.waits):
        return False
    return not leaf.late or not leaf.is_evidence or any(p.applied for p in leaf.reporters)


def _is_told_by(call: LlmCall, others: Iterable[CallGroup]) -> bool:
    """Whether one of the others tells the same usage, or the same failure at that time."""
    if call.error_type:
        return any(
            other.call.error_type
            and same_outcome(call.error_type, other.call.error_type)
            and overlap(call, other.call)
            for other in others
        )
    return call.tokens is not None and any(same_usage(call.tokens, o.call.tokens) for o in others)


def _is_sum(trace: Trace, leaf: CallGroup, counted: list[CallGroup]) -> bool:
    """Whether a call tells the sum of those beneath the span that it is beneath."""
    parent, own = leaf.call.origin.parent_span_id, leaf.call.tokens
    if own is None:
        return False
    parts = [
        tokens
        for other in counted
        if other is not leaf
        and (tokens := other.call.tokens) is not None
        and (not parent or parent in _parents(trace, other.reporters[0].span_id))
    ]
    return (
        len(parts) > 1
        and own.input_all == sum(part.input_all for part in parts)
        and own.output_all == sum(part.output_all for part in parts)
    )


def _parents(trace: Trace, span_id: bytes) -> set[bytes]:
    """The spans that enclose one, as far as they are named, though they may not have come."""
    node = trace.nodes.get(span_id)
    own = {node.parent} if node is not None else set()
    return own | {above.parent for _, above in trace.above(span_id)}


def _largest_first(leaf: CallGroup) -> tuple[int, int, bytes]:
    call = leaf.call
    return -(call.tokens.total if call.tokens else 0), call.start_ns, call.origin.span_id


def _is_in(leaf: CallGroup, leaves: Iterable[CallGroup]) -> bool:
    return any(leaf is other for other in leaves)
