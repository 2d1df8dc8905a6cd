"""Steps nested in one trace: one execution told by two spans is one step."""

from __future__ import annotations

from msgspec.structs import replace

from ..model import LlmCall, Step
from .trace import Report, Trace


def _merged_into(trace: Trace, pending: Report) -> Report | None:
    """The enclosing step that tells the same execution; None when there is none.

    Only spans that are no step, call or agent of their own may stand between. A retrieval inside
    a retrieval is one; a tool inside a tool is one when the two have one name, or one has none.
    """
    step = pending.record
    if not isinstance(step, Step) or pending.signal == "log":
        return None
    if step.kind not in ("tool", "retrieval", "agent"):
        return None
    for _, node in trace.above(pending.span_id):
        if step.kind == "agent" and node.step is not None:
            return node.step if _same_agent(node.step.record, step) else None
        if node.role in ("agent", "evaluator") or node.call is not None:
            return None
        outer = node.step
        if outer is None or not isinstance(outer.record, Step):
            continue
        if outer.record.kind == step.kind and _same_execution(outer.record, step):
            return outer
        if outer.record.kind != "other":
            return None
    return None


def absorb(outer: Step, inner: Step) -> Step:
    """The enclosing step with what only the inner one knows."""
    return replace(
        outer,
        name=outer.name if outer.named or not inner.named else inner.name,
        named=outer.named or inner.named,
        error_type=outer.error_type or inner.error_type,
        documents=outer.documents if outer.documents is not None else inner.documents,
        top_score=outer.top_score if outer.top_score is not None else inner.top_score,
    )


class StepsOfTrace:
    """How the steps of one trace nest, as far as it is known now."""

    def __init__(self, trace: Trace) -> None:
        self._trace = trace
        self._inner: dict[int, list[Report]] = {}
        self._outer: dict[int, Report] = {}
        for step in trace.steps:
            outer = _merged_into(trace, step)
            if outer is not None:
                self._outer[id(step)] = outer
                self._inner.setdefault(id(outer), []).append(step)
        self._directors: set[int] | None = None

    def inner_of(self, pending: Report) -> list[Report]:
        """Steps that tell the same execution from inside."""
        return self._inner.get(id(pending), [])

    def outer_of(self, pending: Report) -> Report | None:
        """The enclosing step that tells the same execution; None when there is none."""
        return self._outer.get(id(pending))

    def only_directs(self, pending: Report) -> bool:
        """Whether other agents run inside this one and it makes no call of its own."""
        if self._directors is None:
            self._directors = _directors(self._trace)
        return id(pending) in self._directors


def _directors(trace: Trace) -> set[int]:
    calling = {id(_agent_around(trace, call)) for call in trace.calls}
    enclosing: set[int] = set()
    for step in trace.steps:
        if isinstance(step.record, Step) and step.record.kind == "agent":
            around = _agent_around(trace, step)
            if around is not None:
                enclosing.add(id(around))
    return enclosing - calling


def _agent_around(trace: Trace, inside: Report) -> Report | None:
    for _, node in trace.above(inside.span_id):
        if node.role == "agent":
            return node.step
    return None


def _same_agent(outer: LlmCall | Step, inner: Step) -> bool:
    """Whether two instrumentations tell one agent, one right inside the other."""
    return (
        isinstance(outer, Step)
        and outer.kind == "agent"
        and outer.origin.scope != inner.origin.scope
        and (inner.name == outer.name or (not inner.named and inner.name.startswith(outer.name)))
    )


def _same_execution(outer: Step, inner: Step) -> bool:
    return (
        inner.kind == "retrieval" or outer.name == inner.name or not (outer.named and inner.named)
    )
