"""Parsed records in, what counts out: each call, step, verdict and rating once.

A call is applied once, when all its reporters have had their say: `decision_wait` after it came,
or when everything is settled at shutdown and at the end of a replay. Until then it waits in the
trace table, so what comes out does not depend on the order in which the reports came in.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import TypeVar

from msgspec.structs import replace

from ..model import Feedback, LlmCall, ParsedRecord, Step, Verdict
from .call_groups import CallGroup, rest_of
from .decisions import Decisions
from .duplicates import distinct, is_linked, merge_copies
from .evaluations import RESULTS, EvaluationJoiner, JoinResult, digest_of
from .gateways import GatewayIndex
from .inherited_dimensions import keep_dimensions, with_inherited
from .late_usage import late_usage, settled_span_of
from .limits import DiscardReason, Limits, Output
from .memories import Memories
from .memory_codec import Move, Part, Saved, merged
from .nesting import group_nested_calls, with_details, with_purpose, with_same_span
from .outcomes import fill_outcomes
from .overwritten import overwritten_calls
from .siblings import has_services, mark_late_siblings, merge_siblings, siblings_of
from .steps import StepsOfTrace, absorb
from .trace import MAX_WAITING_IN_TRACE, Node, Report, Trace
from .trace_table import QUIET_S
from .waiting import APART, Waiting

_R = TypeVar("_R", LlmCall, Step)


class Correlator:
    """Not safe for threads: one caller at a time."""

    def __init__(
        self,
        limits: Limits | None = None,
        human_names: Mapping[str, Iterable[str]] | None = None,
        *,
        tracks: bool = False,
    ) -> None:
        """Remember nothing yet.

        Args:
            limits: How long and how much is waited for and remembered.
            human_names: Judge -> further names under which people judge the same; all lower case.
            tracks: Whether to note what changes, for `save`.
        """
        self.limits = limits = limits or Limits()
        self.memories = memories = Memories(limits, human_names or {}, tracks=tracks)
        self._table, self.subjects = memories.table, memories.subjects
        self._waiting = Waiting(memories.pairs)
        self._waiting.gateways = GatewayIndex(limits.gateways)
        self._joiner = EvaluationJoiner(
            self._table, self.subjects, memories.answered_anywhere, memories.comparison
        )
        self._output = Output()
        self._now_s = 0.0

    @property
    def waiting(self) -> int:
        """Calls, steps and results that are not settled yet."""
        return len(self._waiting) + len(self._joiner)

    def reconfigure(
        self,
        limits: Limits,
        human_names: Mapping[str, Iterable[str]],
        dimensions: Move | None,
    ) -> None:
        """Go on with other limits and dimensions (None: the same); nothing may wait."""
        self.limits = limits
        self._waiting.gateways = GatewayIndex(limits.gateways)
        self.memories.reconfigure(limits, human_names, dimensions)

    def add(self, reading: ParsedRecord, now_s: float) -> None:
        """Take in what one span or log record said, at monotonic time `now_s`."""
        if reading.signal == "span":
            self._add_span(reading, now_s)
        else:
            self._add_log(reading, now_s)

    def add_result(
        self, result: Verdict | Feedback, now_s: float, carrier: ParsedRecord | None = None
    ) -> None:
        """Take in a result or rating; what was told already, by whatever carrier, counts once."""
        is_new = not result.origin.trace_id or self.memories.verdicts.add(digest_of(result), None)
        if self._output.decisions is not None and carrier is not None:
            self._output.decisions.result(carrier, "" if is_new else "duplicate")
        if not is_new:
            self._output.note("duplicate", result.origin.dialect, 1, 0)
            return
        limits = self.limits
        self._joiner.add(result, now_s, limits.decision_wait_s, limits.evaluation_wait_s)

    def is_due(self, now_s: float) -> bool:
        """Whether something has waited long enough."""
        return self._waiting.is_due(now_s) or self._joiner.is_due(now_s)

    def settle(self, now_s: float) -> None:
        """Settle all whose time is up, and make room where limits are passed."""
        limits = self.limits
        due = self._waiting.take_due(now_s, limits)
        self._now_s = now_s
        self._settle(due)
        self._let_out(self._joiner.join(now_s, limits.decision_wait_s, limits.max_pending))
        self._table.freeze_quiet(now_s, max(QUIET_S, 2 * limits.decision_wait_s))
        self._make_room(now_s)

    def settle_all(self) -> None:
        """Settle everything now: shutdown, or the end of a replay."""
        self._settle(self._waiting.take_all())
        self._let_out(self._joiner.join_all())
        self._make_room(self._now_s)

    @contextmanager
    def waiting_for(
        self, decision_wait_s: float, evaluation_wait_s: float, inherit_wait_s: float
    ) -> Iterator[None]:
        """Let things wait as long as they did in an earlier process."""
        limits = self.limits
        self.limits = limits.waiting(decision_wait_s, evaluation_wait_s, inherit_wait_s)
        try:
            yield
        finally:
            self.limits = limits

    def wait_again(self, now_s: float) -> None:
        """Let all that waits do so from now on, also where it is saved: nobody could tell more."""
        for trace in self._waiting.wait_again(now_s, self.limits):
            self._table.changed(trace)
        self._joiner.wait_again(now_s, self.limits.decision_wait_s, self.limits.evaluation_wait_s)

    def save(self, *, every: bool) -> Saved:
        """What is remembered: what changed since the last time, or all of it."""
        return merged((self.memories.save(every=every), self._waiting.save(), self._joiner.save()))

    def restore(self, part: Part, move: Move | None, ahead_s: float) -> bool:
        """Remember what a part holds, into an empty correlator; the parts in their order.

        Args:
            part: One of those that `save` gave.
            move: Where the dimensions had other labels then.
            ahead_s: How far this process's clock is ahead of the one that saved it.

        Returns: Whether it is one of the correlator's.

        Raises: UnreadablePart.
        """
        if part.name == APART:
            self._waiting.restore(part.value, move, ahead_s)
        elif part.name == RESULTS:
            self._joiner.restore(part.value, move, ahead_s)
        else:
            return self.memories.restore(part, move, ahead_s)
        return True

    def restored(self) -> int:
        """Let what waited when it was saved wait on; after the last `restore`.

        Returns: How many traces could not be read.
        """
        traces, unreadable = self._table.restored()
        self._waiting.resume(traces)
        self._make_room(self._now_s)
        return unreadable

    def drain(self) -> Output:
        """What came out since the last call."""
        output, decisions = self._output, self._output.decisions
        self._output = Output(decisions=None if decisions is None else decisions.renewed())
        return output

    def explain(self, *, each: bool) -> None:
        """Whether to note what is decided of each record, for `Output.decisions`."""
        self._output.decisions = Decisions() if each else None

    def _add_span(self, reading: ParsedRecord, now_s: float) -> None:
        trace = self._table.trace(reading.trace_id, now_s)
        if reading.span_id in trace.nodes:
            self._output.discard("duplicate", 1, reading.reported_tokens, (reading,))
            return
        if reading.group:
            self.memories.groups.add(reading.group, None)
        node = Node(reading.parent_span_id, reading.role)
        self._table.add(trace, reading.span_id, node)
        if self.limits.inherited:
            keep_dimensions(reading, node, trace)
        for record in reading.records:
            if isinstance(record, LlmCall):
                node.call = self._wait(record, trace, reading, now_s)
            elif isinstance(record, Step):
                node.step = self._wait(record, trace, reading, now_s)
            else:
                self.add_result(record, now_s, reading)
        if reading.attempt is not None:
            trace.attempts[reading.span_id] = reading.attempt
        self._discard_dropped(reading)

    def _add_log(self, reading: ParsedRecord, now_s: float) -> None:
        if reading.drop == "not_llm":
            self._discard_dropped(reading)
            return
        if not self.memories.fingerprints.add(reading.fingerprint, None):
            self._output.discard("duplicate", 1, reading.reported_tokens, (reading,))
            return
        trace = self._table.trace(reading.trace_id, now_s) if reading.trace_id else Trace(b"")
        for record in reading.records:
            if isinstance(record, LlmCall | Step):
                self._wait(record, trace, reading, now_s)
            else:
                self.add_result(record, now_s, reading)
        self._discard_dropped(reading)

    def _discard_dropped(self, reading: ParsedRecord) -> None:
        if reading.drop:
            n = 0 if reading.records else 1
            self._output.discard(reading.drop, n, reading.reported_tokens, (reading,))

    def _wait(
        self, record: LlmCall | Step, trace: Trace, reading: ParsedRecord, now_s: float
    ) -> Report:
        pending = Report(
            record=record,
            trace=trace,
            span_id=reading.span_id,
            signal=reading.signal,
            precedence=reading.precedence,
            group=reading.group,
            deadline_s=now_s + self.limits.decision_wait_s,
            held_until_s=now_s + self.limits.inherit_wait_s,
        )
        if isinstance(record, LlmCall):
            pending.reported_tokens = reading.reported_tokens
            trace.has_evidence = trace.has_evidence or reading.precedence == "evidence"
            trace.calls.append(pending)
        else:
            trace.steps.append(pending)
        trace.waiting += 1
        self._waiting.add(pending)
        if self._output.decisions is not None:
            self._output.decisions.waits(pending, reading)
        if trace.waiting > MAX_WAITING_IN_TRACE:
            self._settle(trace.unsettled())
        return pending

    def _let_out(self, joined: JoinResult) -> None:
        self._output.records.extend(joined.results)
        self._output.missing.update(joined.missing)

    def _settle(self, due: list[Report]) -> None:
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
            self._table.changed(trace)

    def _settle_calls(self, due: list[Report]) -> None:
        if not due:
            return
        group = distinct([*due, *self._waiting.candidates(due)])
        by_trace: dict[int, tuple[Trace, list[Report]]] = {}
        for pending in group:
            by_trace.setdefault(id(pending.trace), (pending.trace, []))[1].append(pending)
        leaves: list[CallGroup] = []
        shared: set[bytes] = set()
        for trace, members in by_trace.values():
            is_shared = has_services(trace)
            if is_shared:
                shared.add(trace.trace_id)
                members = distinct([*members, *siblings_of(trace, members)])  # noqa: PLW2901
            found = with_details(group_nested_calls(trace, with_same_span(trace, members)))
            if is_shared:
                mark_late_siblings(trace, found)
            fill_outcomes(trace, found)
            leaves.extend(found)
        covered = [leaf for leaf in leaves if leaf.is_covered]
        rest = [leaf for leaf in leaves if not leaf.is_covered]
        once = merge_siblings(merge_copies(rest), shared)
        for leaf in (*covered, *self._waiting.merge_services(once)):
            self._apply(leaf)

    def _apply(self, leaf: CallGroup) -> None:
        reporters = leaf.reporters
        for reporter in (waiting := [one for one in reporters if not one.settled]):
            self._waiting.done(reporter)
        reason = self._refusal(leaf)
        if reason is not None:
            left = sum(t.reported_tokens for t in waiting)
            added = late_usage(leaf, self.memories)
            if added is not None:
                self._output.records.append(added)
                used = added.call.tokens.total if added.call.tokens is not None else 0
                reason, left = "rollup", max(0, left - used)
            self._output.discard(reason, len(waiting), left, waiting, added)
            return
        self._discard_others(leaf)
        call = self._bound(with_purpose(leaf), reporters)
        if is_linked(leaf.call):
            self.memories.remember_answer(leaf.call, call, leaf.reported_by)
        if leaf.is_evidence:
            reporters[0].applied = True
        for reporter in reporters if call.tokens is None else ():
            reporter.unmeasured = call
        span_ids = [(t.trace.trace_id, t.span_id) for t in reporters]
        self.subjects.remember(call, span_ids, self._now_s)
        self._output.reporters[len(self._output.records)] = span_ids
        self._output.count(call, reporters[0])

    def _bound(self, record: _R, reporters: Iterable[Report]) -> _R:
        if self.limits.inherited:
            for reporter in reporters:
                record = with_inherited(
                    record, reporter.trace, reporter.span_id, self.limits.inherited
                )
        return record

    def _discard_others(self, leaf: CallGroup) -> None:
        """Note what the reporters of a call wrote beyond the call itself."""
        rest, origin = rest_of(leaf), leaf.call.origin
        self._output.note("structure", origin.dialect, overwritten_calls(leaf), 0)
        if rest is not None:
            self._output.discard("duplicate", len(rest.logs), rest.copied, rest.logs, origin)
            self._output.discard("rollup", len(rest.spans), rest.left, rest.spans, origin)

    def _refusal(self, leaf: CallGroup) -> DiscardReason | None:
        """Why nothing that was told here counts; None when it does."""
        call = leaf.call
        if leaf.is_covered or leaf.is_sum:
            return "rollup"
        if leaf.late:
            return "late"
        precedences = {reporter.precedence for reporter in leaf.reporters}
        if not precedences & {"primary", "evidence"}:
            seen = any(t.group in self.memories.groups for t in leaf.reporters if t.group)
            if seen or "fallback" not in precedences:
                return "duplicate"
        if call.origin.signal == "log" and settled_span_of(leaf.reporters[0]) is not None:
            return "duplicate"
        if is_linked(call) and self.memories.has_counted(leaf):
            return "late"
        if (call.tokens is None and not call.model and not call.error_type) or leaf.lists_models:
            return "not_llm"
        return None

    def _settle_step(self, pending: Report, step: Step, nested: StepsOfTrace) -> None:
        self._waiting.done(pending)
        if pending.precedence == "fallback" and pending.group in self.memories.groups:
            self._output.discard("duplicate", 1, 0, (pending,))
            return
        outer = nested.outer_of(pending)
        if outer is not None:
            if not outer.settled and isinstance(outer.record, Step):
                outer.record = absorb(outer.record, step)
            self._output.discard("rollup", 1, 0, (pending,), outer.record.origin)
            return
        for inner in nested.inner_of(pending):
            if inner.applied:
                self._output.discard("late", 1, 0, (pending,))
                return
            if inner.settled:
                continue
            self._waiting.done(inner)
            self._output.discard("rollup", 1, 0, (inner,), step.origin)
            if isinstance(inner.record, Step):
                step = absorb(step, inner.record)
        if step.kind == "agent" and not step.named and nested.only_directs(pending):
            step = replace(step, kind="workflow")
        pending.applied = True
        self._output.count(self._bound(step, (pending,)), pending)

    def _make_room(self, now_s: float) -> None:
        for trace_id in self._table.overdue(now_s):
            self._forget(trace_id)
        self.subjects.forget(now_s)

    def _forget(self, trace_id: bytes) -> None:
        trace = self._table.live(trace_id)
        if trace is not None:
            self._settle(trace.unsettled())
        self._table.drop(trace_id)
