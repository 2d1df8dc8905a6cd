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
        own.is_covered = True
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
    tokens = note.call.tokens
    return not apart or tokens is None or same_usage(tokens, outer.tokens)


def join_note(own: CallGroup, note: CallGroup) -> None:
    """Merge a note into the call that it is about: it lends what that does not know."""
    call, reported = own.call, note.call
    if call.error_type or not reported.error_type:
        # The call's own word on who asked and when stands.
        filled = fill_missing(call, reported, with_usage=True, with_cost=True)
        origin = replace(call.origin, dimensions=filled.origin.dimensions)
        own.call = replace(filled, origin=origin, start_ns=call.start_ns, end_ns=call.end_ns)
    own.reporters.extend(note.reporters)
    own.scopes |= note.scopes


def mark_covered(trace: Trace, leaves: Sequence[CallGroup], others: Sequence[CallGroup]) -> None:
    """Mark what counts as nothing, as other calls of the trace tell all of it.

    Args:
        trace: The trace.
        leaves: Its calls that are settled now.
        others: The rest of its calls.
    """
    counted = [leaf for leaf in (*leaves, *others) if _counts(leaf)]
    named = _by_facts(leaf for leaf in counted if not leaf.is_evidence)
    sums = _Sums(trace, counted)
    open_ = [leaf for leaf in leaves if leaf.is_evidence and not (leaf.late or leaf.is_covered)]
    # Sums before their parts.
    for leaf in sorted(open_, key=_largest_first):
        if _covered_by(leaf.call, named) is not None or sums.is_one(leaf):
            leaf.is_covered = True
            sums.add(leaf, -1)
    before = _by_facts(leaf for leaf in counted if leaf.late and leaf.reporters[0].applied)
    for leaf in leaves if before else ():
        if leaf.late or leaf.is_evidence or leaf.is_covered:
            continue
        covering = _covered_by(leaf.call, before)
        if covering is not None:
            # What was counted then stands for one call.
            leaf.late, covering.reporters[0].applied = True, False
            before[_facts_of(covering.call)].remove(covering)


_Facts = tuple[bool, int, int]
"""Whether a call failed, and the usage of one that did not."""

_COMPARED = 64
"""Failures of one trace of which one may be the same as another's."""


class _Sums:
    """Usage of the calls beneath each span: how many, their input, their output."""

    def __init__(self, trace: Trace, counted: Iterable[CallGroup]) -> None:
        self._trace = trace
        self._beneath: dict[bytes, tuple[int, int, int]] = {}
        for leaf in counted:
            self.add(leaf, 1)

    def add(self, leaf: CallGroup, times: int) -> None:
        """Take a call in, or out again with -1."""
        used = leaf.call.tokens
        if used is None:
            return
        for span_id in _parents(self._trace, leaf.reporters[0].span_id) | {b""}:
            n, given, written = self._beneath.get(span_id, (0, 0, 0))
            self._beneath[span_id] = (
                n + times, given + times * used.input_all, written + times * used.output_all
            )  # fmt: skip

    def is_one(self, leaf: CallGroup) -> bool:
        """Whether a call tells the sum of the others beneath the span that it is beneath."""
        used = leaf.call.tokens
        n, given, written = self._beneath.get(leaf.call.origin.parent_span_id, (0, 0, 0))
        # Its own is among them.
        return used is not None and (n > 2, given, written) == (
            True, 2 * used.input_all, 2 * used.output_all
        )  # fmt: skip


def _counts(leaf: CallGroup) -> bool:
    if leaf.is_covered or (leaf.late and leaf.waits) or leaf.is_sum:
        return False
    return not leaf.late or not leaf.is_evidence or any(p.applied for p in leaf.reporters)


def _by_facts(leaves: Iterable[CallGroup]) -> dict[_Facts, list[CallGroup]]:
    found: dict[_Facts, list[CallGroup]] = {}
    for leaf in leaves:
        found.setdefault(_facts_of(leaf.call), []).append(leaf)
    return found


def _facts_of(call: LlmCall) -> _Facts:
    used = call.tokens
    if call.error_type or used is None:
        return bool(call.error_type), -1, -1
    return False, used.input_all, used.output_all


def _covered_by(call: LlmCall, known: dict[_Facts, list[CallGroup]]) -> CallGroup | None:
    """Who tells the same usage, or the same failure at that time; None where nobody does."""
    alike = known.get(_facts_of(call))
    if not alike or (call.tokens is None and not call.error_type):
        return None
    if not call.error_type:
        return alike[0]
    return next(
        (
            other
            for other in alike[-_COMPARED:]
            if same_outcome(call.error_type, other.call.error_type) and overlap(call, other.call)
        ),
        None,
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
