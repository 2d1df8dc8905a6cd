"""Readings in, what counts out: each call, step, verdict and rating once.

A call is applied once, when all its tellers have had their say: `settle` seconds after it came,
or when everything is settled at shutdown and at the end of a replay. Until then it waits in the
trace table, so what comes out does not depend on the order in which the tellers came in.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Mapping
from typing import TypeVar

from msgspec.structs import replace

from ..model import Feedback, LlmCall, Reading, Step, Verdict
from .binding import bound, is_held, told_by
from .copies import CopyIndex, distinct, is_linked, merge_copies
from .limits import DiscardReason, Limits, Memory, Output
from .merge import overlap
from .nesting import Leaf, leaves_of, with_details
from .remembered import Remembered
from .results import Comparison, Joined, Results
from .steps import StepsOfTrace, absorb
from .subjects import Subjects
from .trace_table import MAX_WAITING_IN_TRACE, Node, Pending, Trace, TraceTable

_R = TypeVar("_R", LlmCall, Step)

_HOLD_S = 1.0
"""How often it is looked whether the root of a trace came."""


class Pipeline:
    """Not safe for threads: one caller at a time."""

    def __init__(
        self, limits: Limits | None = None, humans: Mapping[str, Iterable[str]] | None = None
    ) -> None:
        """Remember nothing yet.

        Args:
            humans: Judge -> further names under which people judge the same; all lower case.
        """
        self.limits = limits = limits or Limits()
        self._table = TraceTable(limits.max_spans, limits.max_age_s)
        self._queue: deque[Pending] = deque()
        self._index = CopyIndex()
        self._applied_ids = Remembered(limits.max_remembered)
        self._fingerprints = Remembered(limits.max_remembered)
        self._verdicts = Remembered(limits.max_remembered)
        self._span_groups = Remembered(limits.max_remembered)
        self.subjects = Subjects(limits.max_subjects, limits.subject_age_s)
        self.comparison = Comparison(humans or {}, limits.max_remembered)
        self._results = Results(self._table, self.subjects, self._answered, self.comparison)
        self._output = Output()
        self._waiting = 0
        self._now_s = 0.0

    @property
    def waiting(self) -> int:
        """Calls, steps and results that are not settled yet."""
        return self._waiting + len(self._results)

    @property
    def memories(self) -> dict[str, Memory]:
        """What is remembered, by its name in `llm_exporter_trace_table_entries`."""
        table, subjects = self._table, self.subjects
        sets = {
            "response_ids": self._applied_ids,
            "fingerprints": self._fingerprints,
            "verdicts": self._verdicts,
            "sessions": self._span_groups,
        }
        return {
            # Spans go with their trace: what is evicted is counted there.
            "spans": Memory(table.spans, table.max_spans, 0),
            "traces": Memory(len(table), table.max_spans, table.evicted),
            "subjects": Memory(subjects.count, subjects.limit, subjects.evicted),
            **{name: Memory(len(s), s.limit, s.evicted) for name, s in sets.items()},
        }

    def reconfigure(
        self,
        limits: Limits,
        humans: Mapping[str, Iterable[str]],
        dimensions: Callable[[tuple[str, ...]], tuple[str, ...]],
    ) -> None:
        """Go on with other limits and dimensions; nothing may wait."""
        self.limits = limits
        self._table.max_spans, self._table.max_age_s = limits.max_spans, limits.max_age_s
        for remembered in (
            self._applied_ids, self._fingerprints, self._verdicts, self._span_groups
        ):  # fmt: skip
            remembered.limit = limits.max_remembered
        self.comparison.configure(humans)
        self.subjects.relabel(dimensions)
        self.subjects.limit, self.subjects.max_age_s = limits.max_subjects, limits.subject_age_s

    def add(self, reading: Reading, now_s: float) -> None:
        """Take in what one span or log record said, at monotonic time `now_s`."""
        if reading.signal == "span":
            self._add_span(reading, now_s)
        else:
            self._add_log(reading, now_s)

    def is_due(self, now_s: float) -> bool:
        """Whether something has waited long enough."""
        waited = bool(self._waiting) and self._queue[0].deadline_s <= now_s
        return waited or self._results.is_due(now_s)

    def settle(self, now_s: float) -> None:
        """Settle all whose time is up, and make room where limits are passed."""
        due: list[Pending] = []
        limits = self.limits
        while self._queue and (
            self._queue[0].settled
            or self._queue[0].deadline_s <= now_s
            or self._waiting - len(due) > limits.max_pending
        ):
            pending = self._queue.popleft()
            if pending.settled:
                continue
            if self._waiting <= limits.max_pending and is_held(pending, limits.inherited, now_s):
                pending.deadline_s = now_s + max(limits.settle_s, _HOLD_S)
                self._queue.append(pending)
                continue
            due.append(pending)
        self._now_s = now_s
        self._settle(due)
        self._let_out(self._results.join(now_s, limits.settle_s, limits.max_pending))
        for trace in self._table.overdue(now_s):
            self._forget(trace)
        self.subjects.forget(now_s)

    def settle_all(self) -> None:
        """Settle everything now: shutdown, or the end of a replay."""
        due = [pending for pending in self._queue if not pending.settled]
        self._queue.clear()
        self._settle(due)
        self._let_out(self._results.join_all())

    def drain(self) -> Output:
        """What came out since the last call."""
        output, self._output = self._output, Output()
        return output

    def _add_span(self, reading: Reading, now_s: float) -> None:
        trace = self._table.trace(reading.trace_id, now_s)
        if reading.span_id in trace.nodes:
            self._output.discard("duplicate", 1, reading.naive_tokens)
            return
        if reading.group:
            self._span_groups.add(reading.group)
        node = Node(reading.parent_span_id, reading.role)
        self._table.add(trace, reading.span_id, node)
        if self.limits.inherited:
            node.dimensions = told_by(reading)
            if reading.root is not None and not reading.root.is_local:
                trace.root_dimensions = node.dimensions
        judged = False
        for record in reading.records:
            if isinstance(record, LlmCall):
                node.call = self._wait(record, trace, reading, now_s)
            elif isinstance(record, Step):
                node.step = self._wait(record, trace, reading, now_s)
            else:
                judged = True
        if judged:
            self._judge(reading, now_s)
        self._discard_dropped(reading)

    def _add_log(self, reading: Reading, now_s: float) -> None:
        if reading.drop == "not_llm":
            self._output.discard("not_llm", 1, 0)
            return
        if not self._fingerprints.add(reading.fingerprint):
            self._output.discard("duplicate", 1, reading.naive_tokens)
            return
        trace = self._table.trace(reading.trace_id, now_s) if reading.trace_id else Trace(b"")
        for record in reading.records:
            if isinstance(record, LlmCall | Step):
                self._wait(record, trace, reading, now_s)
        self._judge(reading, now_s)
        self._discard_dropped(reading)

    def _discard_dropped(self, reading: Reading) -> None:
        if reading.drop:
            self._output.discard(reading.drop, 0 if reading.records else 1, reading.naive_tokens)

    def _wait(
        self, record: LlmCall | Step, trace: Trace, reading: Reading, now_s: float
    ) -> Pending:
        pending = Pending(
            record=record,
            trace=trace,
            span_id=reading.span_id,
            signal=reading.signal,
            standing=reading.standing,
            group=reading.group,
            deadline_s=now_s + self.limits.settle_s,
            held_until_s=now_s + self.limits.bind_wait_s,
        )
        if isinstance(record, LlmCall):
            pending.naive_tokens = reading.naive_tokens
            trace.calls.append(pending)
            self._index.add(pending, record)
        else:
            trace.steps.append(pending)
        trace.waiting += 1
        self._waiting += 1
        self._queue.append(pending)
        if trace.waiting > MAX_WAITING_IN_TRACE:
            self._settle(trace.unsettled())
        return pending

    def _judge(self, reading: Reading, now_s: float) -> None:
        """Take in results and ratings; what was told already, by whatever carrier, counts once."""
        for record in reading.records:
            if not isinstance(record, Verdict | Feedback):
                continue
            if record.origin.trace_id and not self._verdicts.add(_said(record)):
                self._output.discard("duplicate", 1, 0)
                continue
            limits = self.limits
            self._results.add(record, now_s, limits.settle_s, limits.patience_s)

    def _let_out(self, joined: Joined) -> None:
        self._output.records.extend(joined.results)
        self._output.missing.update(joined.missing)

    def _answered(self, service: str, response_id: str) -> LlmCall | None:
        call = self._applied_ids.get((service, response_id))
        return call if isinstance(call, LlmCall) else None

    def _settle(self, due: list[Pending]) -> None:
        if not due:
            return
        self._settle_calls([p for p in due if p.content is not None])
        views: dict[int, StepsOfTrace] = {}
        for pending in due:
            if pending.settled or pending.content is not None:
                continue
            if isinstance(pending.record, Step):
                view = views.get(id(pending.trace))
                if view is None:
                    view = views[id(pending.trace)] = StepsOfTrace(pending.trace)
                self._settle_step(pending, pending.record, view)
        for trace in {id(p.trace): p.trace for p in due}.values():
            trace.forget_settled()

    def _settle_calls(self, due: list[Pending]) -> None:
        if not due:
            return
        group = distinct([*due, *self._index.candidates(due)])
        by_trace: dict[int, tuple[Trace, list[Pending]]] = {}
        for pending in group:
            by_trace.setdefault(id(pending.trace), (pending.trace, []))[1].append(pending)
        leaves: list[Leaf] = []
        for trace, members in by_trace.values():
            found = leaves_of(trace, _with_same_span(trace, members))
            leaves.extend(with_details(found))
        for leaf in merge_copies(leaves):
            self._apply(leaf)

    def _apply(self, leaf: Leaf) -> None:
        tellers = leaf.tellers
        waiting = [teller for teller in tellers if not teller.settled]
        for teller in waiting:
            self._done(teller)
        reason = self._refusal(leaf)
        if reason is not None:
            self._output.discard(reason, len(waiting), sum(t.naive_tokens for t in waiting))
            return
        call = leaf.call
        if is_linked(call):
            self._applied_ids.add((call.origin.service, call.response_id), call)
        self._discard_others(leaf)
        call = self._bound(_with_purpose(leaf), tellers)
        told = [(t.trace.trace_id, t.span_id) for t in tellers]
        self.subjects.remember(call, told, self._now_s)
        self._output.tellers[len(self._output.records)] = told
        self._output.records.append(call)

    def _bound(self, record: _R, tellers: Iterable[Pending]) -> _R:
        if self.limits.inherited:
            for teller in tellers:
                record = bound(record, teller.trace, teller.span_id, self.limits.inherited)
        return record

    def _discard_others(self, leaf: Leaf) -> None:
        """Note what the tellers of a call wrote beyond the call itself."""
        call, tellers = leaf.call, leaf.tellers
        counted = call.tokens.total if call.tokens else 0
        if len(tellers) == 1 and tellers[0].naive_tokens <= counted:
            return
        logs = [t for t in tellers if t.signal == "log" and call.origin.signal == "span"]
        copied = sum(t.naive_tokens for t in logs)
        self._output.discard("duplicate", len(logs), copied)
        left = max(0, leaf.naive_tokens - copied - counted)
        self._output.discard("rollup", len(tellers) - len(logs) - 1, left)

    def _refusal(self, leaf: Leaf) -> DiscardReason | None:
        """Why nothing that was told here counts; None when it does."""
        call = leaf.call
        if leaf.late:
            return "late"
        standings = {teller.standing for teller in leaf.tellers}
        if "counts" not in standings:
            seen = any(t.group in self._span_groups for t in leaf.tellers if t.group)
            if seen or "fallback" not in standings:
                return "duplicate"
        if call.origin.signal == "log" and _told_by_span(leaf.tellers[0]):
            return "duplicate"
        if is_linked(call):
            applied = self._answered(call.origin.service, call.response_id)
            if applied is not None and overlap(call, applied):
                return "late"
        if call.tokens is None and not call.model and not call.error_type:
            return "not_llm"
        return None

    def _settle_step(self, pending: Pending, step: Step, nested: StepsOfTrace) -> None:
        self._done(pending)
        if pending.standing == "fallback" and pending.group in self._span_groups:
            self._output.discard("duplicate", 1, 0)
            return
        outer = nested.outer_of(pending)
        if outer is not None:
            if not outer.settled and isinstance(outer.record, Step):
                outer.record = absorb(outer.record, step)
            self._output.discard("rollup", 1, 0)
            return
        for inner in nested.inner_of(pending):
            if inner.applied:
                self._output.discard("late", 1, 0)
                return
            if inner.settled:
                continue
            self._done(inner)
            self._output.discard("rollup", 1, 0)
            if isinstance(inner.record, Step):
                step = absorb(step, inner.record)
        if step.kind == "agent" and not step.named and nested.only_directs(pending):
            step = replace(step, kind="workflow")
        pending.applied = True
        self._output.records.append(self._bound(step, (pending,)))

    def _done(self, pending: Pending) -> None:
        trace = pending.trace
        pending.settled = True
        trace.waiting -= 1
        self._waiting -= 1
        if isinstance(pending.record, LlmCall):
            self._index.remove(pending, pending.record)
        if not trace.trace_id and not trace.waiting:
            trace.clear()

    def _forget(self, trace: Trace) -> None:
        self._settle(trace.unsettled())
        self._table.drop(trace)


def _said(record: Verdict | Feedback) -> tuple[object, ...]:
    """What tells one result from another."""
    subject = (record.origin.trace_id, record.origin.span_id, record.response_id, record.fact)
    if isinstance(record, Verdict):
        return (*subject, record.judge, record.verdict, record.score)
    return (*subject, record.source, record.rating)


def _with_same_span(trace: Trace, members: list[Pending]) -> list[Pending]:
    """The members, and the waiting log records and spans that name the same span."""
    spans = {member.span_id for member in members if member.span_id}
    return members + [p for p in trace.calls if not p.settled and p.span_id in spans]


def _told_by_span(log: Pending) -> bool:
    """Whether the span that a log record names was a call, and is settled already."""
    node = log.trace.nodes.get(log.span_id)
    return node is not None and node.call is not None and node.call.settled


def _with_purpose(leaf: Leaf) -> LlmCall:
    """The call, marked when a judge made it."""
    for teller in leaf.tellers:
        if not teller.trace.has_evaluators:
            continue
        if any(node.role == "evaluator" for _, node in teller.trace.above(teller.span_id)):
            return replace(leaf.call, purpose="judge")
    return leaf.call
