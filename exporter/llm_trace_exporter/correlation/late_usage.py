"""Usage that comes after its call was counted without: nothing was counted for it yet."""

from __future__ import annotations

from msgspec.structs import replace

from ..model import LlmCall
from ..settled import LateUsage
from .call_groups import CallGroup
from .duplicates import is_linked
from .memories import Memories
from .merge import overlap, with_late_usage
from .trace import Report


def late_usage(leaf: CallGroup, memories: Memories) -> LateUsage | None:
    """What a call that is told too late adds to the one that was counted; None where nothing.

    It is noted as added: whoever tells the same usage again adds nothing.
    """
    late = leaf.late_call or leaf.call
    found = _unmeasured(leaf, late, memories) if late.tokens is not None else None
    if found is None:
        return None
    counted, lacking = found
    link = (counted.origin.service, counted.response_id)
    answer = memories.answers.get(link) if counted.response_id else None
    if answer is not None:
        if answer.unmeasured is None:
            return None
        memories.answers.add(link, replace(answer, unmeasured=None))
    is_first = lacking is None or not lacking.is_measured
    if lacking is not None:
        lacking.is_measured = True
        if lacking in leaf.reporters or leaf.call.origin.signal == "log":
            # Told by who encloses the call, or about its span: there is no more to come.
            lacking.unmeasured = None
    if is_linked(late) and memories.answered(late.origin.service, late.response_id) is None:
        # Whoever tells this call as well comes too late.
        memories.remember_answer(late, late)
    return LateUsage(counted, with_late_usage(counted, late), is_first)


def settled_span_of(log: Report) -> Report | None:
    """The call on the span that a log record names, where that is settled already."""
    node = log.trace.nodes.get(log.span_id) if log.signal == "log" else None
    return node.call if node is not None and node.call is not None and node.call.settled else None


def _unmeasured(
    leaf: CallGroup, late: LlmCall, memories: Memories
) -> tuple[LlmCall, Report | None] | None:
    """The call that late usage belongs to, as it was counted, and who told it in this trace."""
    lacking = leaf.lacking
    if lacking is None and not leaf.late:
        lacking = settled_span_of(leaf.reporters[0])
    if lacking is not None:
        return (lacking.unmeasured, lacking) if lacking.unmeasured is not None else None
    if leaf.late or not is_linked(late):
        return None
    answer = memories.answered(late.origin.service, late.response_id)
    if answer is None or answer.unmeasured is None or not overlap(late, answer):
        return None
    return answer.unmeasured, None
