"""Readings in, what counts out: each call, step, verdict and rating once.

A call is applied once, when all its tellers have had their say: `settle` seconds after it came,
or when everything is settled at shutdown and at the end of a replay. Until then it waits in the
trace table, so what comes out does not depend on the order in which the tellers came in.
"""

from __future__ import annotations

import dataclasses
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from hashlib import blake2b
from typing import Any, TypeVar

import msgspec
from msgspec.structs import replace

from ..model import Feedback, LateUsage, LlmCall, Reading, Step, Tokens, Verdict
from .binding import bound, is_held, told_by
from .copies import CopyIndex, distinct, is_linked, merge_copies
from .frozen import freeze, thaw
from .limits import DiscardReason, Limits, Memory, Output
from .memory import (
    Move,
    Part,
    Saved,
    log_of,
    relabelled,
    together,
    unpacked,
    whole_of,
)
from .merge import overlap, with_late_usage
from .nesting import Leaf, leaves_of, with_details
from .remembered import Remembered
from .results import Answer, Comparison, Joined, Results
from .steps import StepsOfTrace, absorb
from .subjects import Subjects, subject_of
from .trace import MAX_WAITING_IN_TRACE, Node, Pending, Trace
from .trace_table import QUIET_S, TraceTable

_R = TypeVar("_R", LlmCall, Step)

_HOLD_S = 1.0
"""How often it is looked whether the root of a trace came."""


_ANSWERS, _APART, _FINGERPRINTS = "answers", "apart", "fingerprints"
_VERDICTS, _GROUPS = "verdicts", "groups"
_encode = msgspec.msgpack.Encoder().encode
_bytes = msgspec.msgpack.Decoder(list[bytes])
_texts = msgspec.msgpack.Decoder(list[str])
_answers = msgspec.msgpack.Decoder(list[tuple[str, str, Answer]])


class Pipeline:
    """Not safe for threads: one caller at a time."""

    def __init__(
        self,
        limits: Limits | None = None,
        humans: Mapping[str, Iterable[str]] | None = None,
        *,
        tracks: bool = False,
    ) -> None:
        """Remember nothing yet.

        Args:
            limits: How long and how much is waited for and remembered.
            humans: Judge -> further names under which people judge the same; all lower case.
            tracks: Whether to note what changes, for `save`.
        """
        self.limits = limits = limits or Limits()
        most = limits.max_remembered
        self._table = TraceTable(limits.max_spans, limits.max_age_s, tracks=tracks)
        self._queue: deque[Pending] = deque()
        self._index = CopyIndex()
        self._answers: Remembered[tuple[str, str], Answer] = Remembered(most, tracks=tracks)
        self._fingerprints: Remembered[bytes, None] = Remembered(most, tracks=tracks)
        self._verdicts: Remembered[bytes, None] = Remembered(most, tracks=tracks)
        self._span_groups: Remembered[str, None] = Remembered(most, tracks=tracks)
        self.subjects = Subjects(limits.max_subjects, limits.subject_age_s, tracks=tracks)
        self.comparison = Comparison(humans or {}, most, tracks=tracks)
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
        sets: dict[str, Remembered[Any, Any]] = {
            "response_ids": self._answers,
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
        dimensions: Move | None,
    ) -> None:
        """Go on with other limits and dimensions (None: the same); nothing may wait."""
        self.limits = limits
        self._table.max_spans, self._table.max_age_s = limits.max_spans, limits.max_age_s
        self._answers.limit = self._fingerprints.limit = limits.max_remembered
        self._verdicts.limit = self._span_groups.limit = limits.max_remembered
        self.comparison.configure(humans)
        if dimensions is not None:
            self._relabel(dimensions)
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
        self._table.freeze_quiet(now_s, max(QUIET_S, 2 * limits.settle_s))
        for trace_id in self._table.overdue(now_s):
            self._forget(trace_id)
        self.subjects.forget(now_s)

    def settle_all(self) -> None:
        """Settle everything now: shutdown, or the end of a replay."""
        due = [pending for pending in self._queue if not pending.settled]
        self._queue.clear()
        self._settle(due)
        self._let_out(self._results.join_all())

    @contextmanager
    def settling_after(self, settle_s: float) -> Iterator[None]:
        """Let calls wait as long as they did in an earlier process."""
        limits, self.limits = self.limits, dataclasses.replace(self.limits, settle_s=settle_s)
        try:
            yield
        finally:
            self.limits = limits

    def wait_again(self, now_s: float) -> None:
        """Let all that waits do so from now on: nobody could tell more in between."""
        limits = self.limits
        for pending in self._queue:
            pending.deadline_s = now_s + limits.settle_s
            pending.held_until_s = now_s + limits.bind_wait_s
        self._results.wait_again(now_s, limits.settle_s, limits.patience_s)

    def save(self, *, every: bool) -> Saved:
        """What is remembered: what changed since the last time, or all of it."""
        most = self.limits.max_remembered
        logs: dict[str, list[Any]] = {
            _ANSWERS: [(*key, answer) for key, answer in self._answers.take_fresh(every=every)],
            _FINGERPRINTS: [key for key, _ in self._fingerprints.take_fresh(every=every)],
            _VERDICTS: [key for key, _ in self._verdicts.take_fresh(every=every)],
            _GROUPS: [key for key, _ in self._span_groups.take_fresh(every=every)],
        }
        apart = {id(p.trace): p.trace for p in self._queue if not (p.settled or p.trace.trace_id)}
        return together(
            (
                self._table.save(every=every),
                whole_of(_APART, [freeze(trace) for trace in apart.values()]),
                *(log_of(name, fresh, most, is_all=every) for name, fresh in logs.items()),
                self.subjects.save(every=every),
                self._results.save(),
                self.comparison.save(every=every),
            )
        )

    def restore(self, part: Part, move: Move | None, ahead_s: float) -> bool:
        """Remember what a part holds, into an empty pipeline; the parts in their order.

        Args:
            part: One of those that `save` gave.
            move: Where the dimensions had other labels then.
            ahead_s: How far this process's clock is ahead of the one that saved it.

        Returns: Whether it is one of the pipeline's.

        Raises: UnreadablePart.
        """
        value = part.value
        match part.name:
            case "traces":
                self._table.restore(part, move, ahead_s)
            case "apart":
                for frozen in unpacked(value, _bytes):
                    self._queue.extend(thaw(b"", frozen, move, ahead_s).unsettled())
            case "answers":
                self._answers.restore(
                    ((service, told), self._shared(answer, move))
                    for service, told, answer in unpacked(value, _answers)
                )
            case "fingerprints":
                self._fingerprints.restore((key, None) for key in unpacked(value, _bytes))
            case "verdicts":
                self._verdicts.restore((key, None) for key in unpacked(value, _bytes))
            case "groups":
                self._span_groups.restore((key, None) for key in unpacked(value, _texts))
            case "subjects":
                self.subjects.restore(value, move, ahead_s)
            case "results":
                self._results.restore(value, move, ahead_s)
            case "comparison":
                self.comparison.restore(value, move)
            case _:
                return False
        return True

    def restored(self) -> None:
        """Let what waited when it was saved wait on; after the last `restore`."""
        waiting = [p for trace in self._table.restored() for p in trace.unsettled()]
        self._queue = deque(sorted((*self._queue, *waiting), key=lambda p: p.deadline_s))
        self._waiting = len(self._queue)
        for pending in self._queue:
            if isinstance(pending.record, LlmCall):
                self._index.add(pending, pending.record)

    def _relabel(self, dimensions: Move) -> None:
        self._table.relabel(dimensions)
        self.subjects.relabel(dimensions)
        self.comparison.relabel(dimensions)
        self._answers.restore(
            [(key, self._shared(answer, dimensions)) for key, answer in self._answers.items()]
        )

    def _shared(self, answer: Answer, move: Move | None) -> Answer:
        """The answer under the labels in force, its subject once in memory."""
        subject, unmeasured = answer.subject, answer.unmeasured
        if move is not None:
            subject = replace(subject, dimensions=move(subject.dimensions))
            unmeasured = relabelled(unmeasured, move) if unmeasured is not None else None
        return replace(answer, subject=self.subjects.share(subject), unmeasured=unmeasured)

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
            self._span_groups.add(reading.group, None)
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
        if not self._fingerprints.add(reading.fingerprint, None):
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
        """Take in results and ratings; what another carrier told already counts once.

        Equal results on one record (a score for each retrieved document) are several.
        """
        told: dict[object, int] = {}
        for record in reading.records:
            if not isinstance(record, Verdict | Feedback):
                continue
            said = _said(record)
            told[said] = told.get(said, 0) + 1
            key = _digest((said, told[said]))
            if record.origin.trace_id and not self._verdicts.add(key, None):
                self._output.discard("duplicate", 1, 0)
                continue
            limits = self.limits
            self._results.add(record, now_s, limits.settle_s, limits.patience_s)

    def _let_out(self, joined: Joined) -> None:
        self._output.records.extend(joined.results)
        self._output.missing.update(joined.missing)

    def _answered(self, service: str, response_id: str) -> Answer | None:
        return self._answers.get((service, response_id))

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
            self._table.changed(trace)

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
            told = sum(t.naive_tokens for t in waiting)
            added = self._late_usage(leaf)
            if added is not None:
                reason, told = "rollup", max(0, told - added.total)
            self._output.discard(reason, len(waiting), told)
            return
        self._discard_others(leaf)
        call = self._bound(_with_purpose(leaf), tellers)
        if is_linked(leaf.call):
            self._remember_answer(leaf.call, call)
        if call.tokens is None:
            for teller in tellers:
                teller.unmeasured = call
        told_by = [(t.trace.trace_id, t.span_id) for t in tellers]
        self.subjects.remember(call, told_by, self._now_s)
        self._output.tellers[len(self._output.records)] = told_by
        self._output.records.append(call)

    def _remember_answer(self, linked: LlmCall, counted: LlmCall) -> None:
        answer = Answer(
            linked.start_ns,
            linked.end_ns,
            self.subjects.share(subject_of(linked)),
            counted if counted.tokens is None else None,
        )
        self._answers.add((linked.origin.service, linked.response_id), answer)

    def _late_usage(self, leaf: Leaf) -> Tokens | None:
        """Add usage that comes after its call was counted without; None where there is none."""
        late = leaf.late_call or leaf.call
        found = self._unmeasured(leaf, late) if late.tokens is not None else None
        if found is None:
            return None
        counted, lacking = found
        link = (counted.origin.service, counted.response_id)
        answer = self._answers.get(link) if counted.response_id else None
        if answer is not None:
            if answer.unmeasured is None:
                return None
            self._answers.add(link, replace(answer, unmeasured=None))
        is_first = lacking is None or not lacking.is_measured
        added = LateUsage(counted, with_late_usage(counted, late), is_first)
        self._output.records.append(added)
        if lacking is not None:
            lacking.is_measured = True
            if lacking in leaf.tellers or leaf.call.origin.signal == "log":
                # Told by who encloses the call, or about its span: there is no more to come.
                lacking.unmeasured = None
        if is_linked(late) and self._answered(late.origin.service, late.response_id) is None:
            # Whoever tells this call as well comes too late.
            self._remember_answer(late, late)
        return late.tokens

    def _unmeasured(self, leaf: Leaf, late: LlmCall) -> tuple[LlmCall, Pending | None] | None:
        """The call that late usage belongs to, as it was counted, and who told it in this trace."""
        lacking = leaf.lacking
        if lacking is None and not leaf.late:
            lacking = _span_told_of(leaf.tellers[0])
        if lacking is not None:
            return (lacking.unmeasured, lacking) if lacking.unmeasured is not None else None
        if leaf.late or not is_linked(late):
            return None
        answer = self._answered(late.origin.service, late.response_id)
        if answer is None or answer.unmeasured is None or not overlap(late, answer):
            return None
        return answer.unmeasured, None

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
        if call.origin.signal == "log" and _span_told_of(leaf.tellers[0]) is not None:
            return "duplicate"
        if is_linked(call):
            answer = self._answered(call.origin.service, call.response_id)
            if answer is not None and overlap(call, answer):
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

    def _forget(self, trace_id: bytes) -> None:
        trace = self._table.live(trace_id)
        if trace is not None:
            self._settle(trace.unsettled())
        self._table.drop(trace_id)


def _said(record: Verdict | Feedback) -> tuple[object, ...]:
    """What tells one result from another."""
    subject = (record.origin.trace_id, record.origin.span_id, record.response_id)
    if isinstance(record, Verdict):
        return (*subject, record.judge, record.verdict, record.score)
    return (*subject, record.source, record.rating)


def _with_same_span(trace: Trace, members: list[Pending]) -> list[Pending]:
    """The members, and the waiting log records and spans that name the same span."""
    spans = {member.span_id for member in members if member.span_id}
    return members + [p for p in trace.calls if not p.settled and p.span_id in spans]


def _span_told_of(log: Pending) -> Pending | None:
    """The call on the span that a log record names, where that is settled already."""
    node = log.trace.nodes.get(log.span_id) if log.signal == "log" else None
    return node.call if node is not None and node.call is not None and node.call.settled else None


def _digest(said: object) -> bytes:
    """What tells one result from another, in 16 bytes."""
    return blake2b(_encode(said), digest_size=16).digest()


def _with_purpose(leaf: Leaf) -> LlmCall:
    """The call, marked when a judge made it."""
    for teller in leaf.tellers:
        if not teller.trace.has_evaluators:
            continue
        if any(node.role == "evaluator" for _, node in teller.trace.above(teller.span_id)):
            return replace(leaf.call, purpose="judge")
    return leaf.call
