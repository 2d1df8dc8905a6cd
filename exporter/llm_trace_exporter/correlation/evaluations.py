"""Results of judges and ratings of users, joined to the calls that they are about.

A result may come before its subject, so it waits like a call does; one whose subject is not known
then waits on for a while, and is let out without it in the end.
"""

from __future__ import annotations

from collections import Counter, OrderedDict, deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Literal

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from ..model import Feedback, LlmCall, Step, Subject, Verdict
from ..settled import Agreement
from .memory_codec import Move, Saved, log_of, relabelled, unpacked, whole_of
from .merge import first_non_empty
from .subjects import EvaluationTarget, Subjects, common_target
from .trace import MAX_DEPTH, Node, Report, Reporter, Trace
from .trace_table import TraceTable

Result = Verdict | Feedback
UnmatchedReason = Literal["unnamed", "unknown"]
"""Why a result is counted without its subject: it names none, or one that is not known."""

RESULTS, _COMPARISON = "results", "comparison"


class Answer(Struct, frozen=True, gc=False):
    """A call that was counted, as its response id leads to it."""

    start_ns: int
    end_ns: int
    subject: Subject
    unmeasured: LlmCall | None = None
    """The call, where it was counted without its usage."""
    reported_by: frozenset[Reporter] = frozenset()
    """Who told it."""
    usage: tuple[int, int] | None = None
    """All its input and all its output; None: not told."""


Answered = Callable[[str, str], Answer | None]
"""(service, response id) -> the call that was answered so."""


class _Waiting(Struct, array_like=True, gc=False):
    result: Result
    deadline_s: float
    give_up_s: float


@dataclass(slots=True)
class JoinResult:
    """What a round came to."""

    results: list[Result | Agreement] = field(default_factory=list)
    missing: Counter[UnmatchedReason] = field(default_factory=Counter)


class EvaluationJoiner:
    """Results that wait for their subjects; not safe for threads."""

    def __init__(
        self, table: TraceTable, subjects: Subjects, answered: Answered, compared: HumanAgreement
    ) -> None:
        """Look for subjects in what the pipeline remembers."""
        self._table = table
        self._subjects = subjects
        self._answered = answered
        self._queue: deque[_Waiting] = deque()
        self.compared = compared

    def __len__(self) -> int:
        """How many wait."""
        return len(self._queue)

    def add(
        self, result: Result, now_s: float, decision_wait_s: float, evaluation_wait_s: float
    ) -> None:
        """Let a result wait."""
        self._queue.append(
            _Waiting(
                result, now_s + decision_wait_s, now_s + max(decision_wait_s, evaluation_wait_s)
            )
        )

    def save(self) -> Saved:
        """All that wait."""
        return whole_of(RESULTS, list(self._queue))

    def restore(self, value: bytes, move: Move | None, ahead_s: float) -> None:
        """Let those of a part wait on.

        Args:
            value: One of those that `save` gave.
            move: Where the dimensions had other labels then.
            ahead_s: How far this process's clock is ahead of the one that saved it.

        Raises: UnreadablePart.
        """
        for waiting in unpacked(value, _waiting):
            waiting.deadline_s += ahead_s
            waiting.give_up_s += ahead_s
            if move is not None:
                waiting.result = relabelled(waiting.result, move)
            self._queue.append(waiting)

    def wait_again(self, now_s: float, decision_wait_s: float, evaluation_wait_s: float) -> None:
        """Let all that wait do so from now on."""
        for waiting in self._queue:
            waiting.deadline_s = now_s + decision_wait_s
            waiting.give_up_s = now_s + max(decision_wait_s, evaluation_wait_s)

    def is_due(self, now_s: float) -> bool:
        """Whether one has waited long enough."""
        return bool(self._queue) and self._queue[0].deadline_s <= now_s

    def join(self, now_s: float, decision_wait_s: float, max_waiting: int) -> JoinResult:
        """Join what is due, and what is too much."""
        joined, round_ = JoinResult(), _Round(self._table)
        for _ in range(len(self._queue)):
            crowded = len(self._queue) > max_waiting
            if self._queue[0].deadline_s > now_s and not crowded:
                break
            waiting = self._queue.popleft()
            found = self._find(waiting.result, round_)
            if found == "unknown" and now_s < waiting.give_up_s and not crowded:
                waiting.deadline_s = now_s + decision_wait_s
                self._queue.append(waiting)
                continue
            self._let_out(waiting.result, found, joined)
        return joined

    def join_all(self) -> JoinResult:
        """Join everything with what is known now."""
        joined, round_ = JoinResult(), _Round(self._table)
        while self._queue:
            result = self._queue.popleft().result
            self._let_out(result, self._find(result, round_), joined)
        return joined

    def _let_out(
        self, result: Result, found: EvaluationTarget | UnmatchedReason, joined: JoinResult
    ) -> None:
        if isinstance(found, EvaluationTarget):
            result = _about(result, found)
        elif not self._blocked(result):
            joined.missing[found] += 1
        joined.results.append(result)
        joined.results.extend(self.compared.compare(result))

    def _blocked(self, result: Result) -> bool:
        """Whether a guard says it that let no call happen: nothing is missing then."""
        trace = self._table.peek(result.origin.trace_id) if result.origin.trace_id else None
        node = trace.nodes.get(result.origin.span_id) if trace and not trace.calls else None
        return node is not None and _guards(node)

    def _find(self, result: Result, round_: _Round) -> EvaluationTarget | UnmatchedReason:
        origin = result.origin
        call = self._answered(origin.service, result.response_id) if result.response_id else None
        if call is not None:
            return EvaluationTarget(b"", b"", call.subject, call.start_ns, call.end_ns)
        if not origin.trace_id:
            return "unnamed"
        trace = self._table.peek(origin.trace_id)
        if trace is None or not origin.span_id:
            known = origin.span_id and self._subjects.of_span(origin.trace_id, origin.span_id)
            if not known and trace is not None and trace.waiting:
                return "unknown"
            return known or self._subjects.of_trace(origin.trace_id) or "unknown"
        return self._find_in(trace, origin.span_id, round_)

    def _find_in(
        self, trace: Trace, span_id: bytes, round_: _Round
    ) -> EvaluationTarget | UnmatchedReason:
        span_id = _judged_span(trace, span_id)
        if (own := self._subjects.of_span(trace.trace_id, span_id)) is not None:
            return own
        beneath = round_.beneath(trace, span_id)
        if any(not pending.settled for pending in beneath):
            return "unknown"
        targets = (self._subjects.of_span(trace.trace_id, p.span_id) for p in beneath)
        around = common_target(judged for judged in targets if judged is not None)
        if around is not None:
            return around
        if trace.waiting:
            return "unknown"
        return self._subjects.of_trace(trace.trace_id) or "unknown"


class _Round:
    """Which calls run within which span, looked up once a trace and round."""

    def __init__(self, table: TraceTable) -> None:
        self._table = table
        self._beneath: dict[bytes, dict[bytes, list[Report]]] = {}

    def beneath(self, trace: Trace, span_id: bytes) -> list[Report]:
        """The calls on a span and within it."""
        index = self._beneath.get(trace.trace_id)
        if index is None:
            index = self._beneath[trace.trace_id] = {}
            for pending in trace.calls:
                index.setdefault(pending.span_id, []).append(pending)
                for above, _ in trace.above(pending.span_id):
                    index.setdefault(above, []).append(pending)
        return index.get(span_id, [])


class HumanAgreement:
    """Verdicts of machines beside those of people on the same subject; bounded."""

    def __init__(
        self, human_names: Mapping[str, Iterable[str]], limit: int, *, tracks: bool = False
    ) -> None:
        """Compare each judge with people's verdicts under its own name.

        Args:
            human_names: Judge -> further names under which people judge the same; all lower case.
            limit: Subjects remembered.
            tracks: Whether to note what changes, for `save`.
        """
        self._limit = limit
        self._changed: dict[_Key, None] | None = {} if tracks else None
        self._saved = 0
        self._verdicts: OrderedDict[_Key, Verdict | bool] = OrderedDict()
        self._judges: dict[str, tuple[str, ...]] = {}
        self.configure(human_names)

    def save(self, *, every: bool) -> Saved:
        """What changed since the last time; all there is where that is asked for, or shorter."""
        every = every or self._saved > 2 * len(self._verdicts) + _SLACK
        keys: Iterable[_Key] = self._verdicts if every else self._changed or ()
        seen = [(key, self._verdicts.get(key)) for key in keys]
        self._saved = len(seen) + (0 if every else self._saved)
        if self._changed is not None:
            self._changed.clear()
        return log_of(_COMPARISON, seen, is_all=every)

    def restore(self, value: bytes, move: Move | None) -> None:
        """Remember what a part holds; the parts in their order.

        Raises: UnreadablePart.
        """
        for key, seen in unpacked(value, _compared):
            self._saved += 1
            self._verdicts.pop(key, None)
            if isinstance(seen, Verdict) and move is not None:
                self._verdicts[key] = relabelled(seen, move)
            elif seen is not None:
                self._verdicts[key] = seen

    def relabel(self, move: Move) -> None:
        """Go on with other dimensions."""
        for key, seen in self._verdicts.items():
            if isinstance(seen, Verdict):
                self._verdicts[key] = relabelled(seen, move)

    def configure(self, human_names: Mapping[str, Iterable[str]]) -> None:
        """Replace the further names."""
        judges: dict[str, list[str]] = {}
        for judge, names in human_names.items():
            for name in names:
                judges.setdefault(name, []).append(judge)
        self._judges = {name: tuple(found) for name, found in judges.items()}

    def compare(self, result: Result) -> Iterable[Agreement]:
        """Remember a result; the agreement, or not, with one that was there before."""
        origin = result.origin
        if not origin.trace_id:
            return
        name = (result.judge if isinstance(result, Verdict) else result.source).lower()
        if isinstance(result, Verdict) and result.kind != "human":
            if result.verdict in ("pass", "fail"):
                yield from self._meet((origin.trace_id, origin.span_id, name), result)
            return
        passed = _passed(result)
        if passed is None:
            return
        own = (name,) if isinstance(result, Verdict) else ()
        for judge in (*own, *self._judges.get(name, ())):
            yield from self._meet((origin.trace_id, origin.span_id, judge), passed)

    def _meet(self, key: _Key, seen: Verdict | bool) -> Iterable[Agreement]:
        if self._changed is not None:
            self._changed[key] = None
        before = self._verdicts.get(key)
        if before is None:
            self._verdicts[key] = seen
            if len(self._verdicts) > self._limit:
                oldest, _ = self._verdicts.popitem(last=False)
                if self._changed is not None:
                    self._changed[oldest] = None
            return
        machine, human = (before, seen) if isinstance(seen, bool) else (seen, before)
        if isinstance(machine, Verdict) and isinstance(human, bool):
            del self._verdicts[key]
            yield Agreement(machine, agrees=(machine.verdict == "pass") is human)


_Key = tuple[bytes, bytes, str]
"""(trace id, span id, judge)."""

_SLACK = 1_000
_encode = msgspec.msgpack.Encoder().encode
_waiting = msgspec.msgpack.Decoder(list[_Waiting])
_compared = msgspec.msgpack.Decoder(list[tuple[_Key, Verdict | bool | None]])


def digest_of(result: Result) -> bytes:
    """What tells one result from another, in 16 bytes."""
    return blake2b(_encode(_said(result)), digest_size=16).digest()


def _said(record: Result) -> tuple[object, ...]:
    """What tells one result from another."""
    subject = (record.origin.trace_id, record.origin.span_id, record.response_id, record.fact)
    if isinstance(record, Verdict):
        return (*subject, record.judge, record.verdict, record.score)
    return (*subject, record.source, record.rating)


def _passed(result: Result) -> bool | None:
    if isinstance(result, Verdict):
        return {"pass": True, "fail": False}.get(result.verdict)
    return {"positive": True, "negative": False}.get(result.rating)


def _judged_span(trace: Trace, span_id: bytes) -> bytes:
    """The span that is judged: an evaluator's or a guard's own stands within what it judges."""
    for _ in range(MAX_DEPTH):
        node = trace.nodes.get(span_id)
        if node is None or not node.parent or not _judges(node):
            return span_id
        span_id = node.parent
    return span_id


def _judges(node: Node) -> bool:
    return node.role == "evaluator" or _guards(node)


def _guards(node: Node) -> bool:
    step = node.step.record if node.step is not None else None
    return isinstance(step, Step) and step.kind == "guardrail"


def _about(result: Result, judged: EvaluationTarget) -> Result:
    subject, origin = judged.subject, result.origin
    joined = replace(
        result,
        subject=subject,
        origin=replace(
            origin,
            service=subject.service,
            environment=subject.environment or origin.environment,
            dimensions=first_non_empty(subject.dimensions, origin.dimensions),
        ),
    )
    if isinstance(joined, Verdict) and not joined.target_end_ns:
        return replace(joined, target_end_ns=judged.end_ns)
    return joined
