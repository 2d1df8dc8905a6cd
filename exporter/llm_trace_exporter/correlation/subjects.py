"""Calls that were counted, as judges and users name them minutes to hours later.

Kept apart from the trace table, which forgets sooner because it remembers more: a call takes some
200 bytes here. Bounded by number and age, the longest unseen trace first.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Iterator

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from ..model import LlmCall, Subject
from ..operations import WORDLESS
from .memory_codec import Move, Saved, log_by_subject, unpacked_by_subject

_MAX_IN_TRACE = 500
_MAX_SUBJECTS = 50_000


class EvaluationTarget(Struct, frozen=True, gc=False):
    """One call that can be named."""

    trace_id: bytes
    span_id: bytes
    """Of any of its reporters."""
    subject: Subject
    start_ns: int
    end_ns: int


_SUBJECTS = "subjects"
_Row = tuple[float, bytes, bytes, int, int]
"""(when it was remembered, trace id, span id, start, end), as it is saved."""

_decoder = msgspec.msgpack.Decoder(tuple[list[Subject], list[tuple[int, _Row]]])


class _OfTrace(Struct, eq=False, gc=False):
    calls: list[EvaluationTarget] = []
    seen_s: float = 0.0


class Subjects:
    """Calls by trace; not safe for threads."""

    def __init__(self, limit: int, max_age_s: float, *, tracks: bool = False) -> None:
        """Remember at most `limit` reporters of calls for `max_age_s` each.

        `tracks` notes what is added, for `save`.
        """
        self._traces: OrderedDict[bytes, _OfTrace] = OrderedDict()
        self._shared: dict[Subject, Subject] = {}
        self._fresh: list[tuple[float, EvaluationTarget]] | None = [] if tracks else None
        self.limit = limit
        self.max_age_s = max_age_s
        self.count = 0
        self.evicted = 0
        """Forgotten for want of room."""

    def remember(
        self, call: LlmCall, reporters: Iterable[tuple[bytes, bytes]], now_s: float
    ) -> None:
        """Remember a call under the (trace id, span id) of everyone who told it."""
        subject = self.share(subject_of(call))
        for trace_id, span_id in reporters:
            if trace_id:
                judged = EvaluationTarget(trace_id, span_id, subject, call.start_ns, call.end_ns)
                self._put(judged, now_s)
                if self._fresh is not None:
                    self._fresh.append((now_s, judged))
        if self._fresh is not None and len(self._fresh) > 2 * self.limit:
            del self._fresh[: -self.limit]

    def save(self, *, every: bool) -> Saved:
        """What was remembered since the last time; or all there is."""
        fresh = list(self._fresh or ())
        if every:
            fresh = [(t.seen_s, judged) for t in self._traces.values() for judged in t.calls]
        if self._fresh is not None:
            self._fresh.clear()
        changed = [
            (j.subject, (seen_s, j.trace_id, j.span_id, j.start_ns, j.end_ns))
            for seen_s, j in fresh[-self.limit :]
        ]
        return log_by_subject(_SUBJECTS, changed, self.limit, is_all=every)

    def restore(self, value: bytes, move: Move | None, ahead_s: float) -> None:
        """Remember what a part holds; the parts in their order.

        Args:
            value: One of those that `save` gave.
            move: Where the dimensions had other labels then.
            ahead_s: How far this process's clock is ahead of the one that saved it.

        Raises: UnreadablePart.
        """
        rows = unpacked_by_subject(value, _decoder, self.share, move)
        for subject, (seen_s, trace_id, span_id, start_ns, end_ns) in rows:
            self._put(
                EvaluationTarget(trace_id, span_id, subject, start_ns, end_ns), seen_s + ahead_s
            )

    def relabel(self, dimensions: Move) -> None:
        """Go on with other dimensions."""
        self._shared.clear()
        for trace in self._traces.values():
            trace.calls = [
                replace(judged, subject=self.share(_relabelled(judged.subject, dimensions)))
                for judged in trace.calls
            ]

    def of_span(self, trace_id: bytes, span_id: bytes) -> EvaluationTarget | None:
        """The call that a span told; None where none is known."""
        trace = self._traces.get(trace_id)
        if trace is None:
            return None
        return next((c for c in reversed(trace.calls) if c.span_id == span_id), None)

    def of_trace(self, trace_id: bytes) -> EvaluationTarget | None:
        """All calls of a trace as one; None where none is known."""
        trace = self._traces.get(trace_id)
        return common_target(trace.calls) if trace is not None else None

    def forget(self, now_s: float) -> None:
        """Make room, and let go of what is too old."""
        while self._traces:
            oldest = next(iter(self._traces.values()))
            crowded = self.count > self.limit
            if not crowded and now_s - oldest.seen_s <= self.max_age_s:
                return
            self._traces.popitem(last=False)
            self.count -= len(oldest.calls)
            if crowded:
                self.evicted += len(oldest.calls)

    def _put(self, judged: EvaluationTarget, now_s: float) -> None:
        trace = self._traces.get(judged.trace_id)
        if trace is None:
            trace = self._traces[judged.trace_id] = _OfTrace()
        else:
            self._traces.move_to_end(judged.trace_id)
        trace.seen_s = now_s
        trace.calls.append(judged)
        self.count += 1
        if len(trace.calls) > 2 * _MAX_IN_TRACE:
            self.count -= len(trace.calls) - _MAX_IN_TRACE
            del trace.calls[:-_MAX_IN_TRACE]

    def share(self, subject: Subject) -> Subject:
        """The same subject, once in memory."""
        if len(self._shared) >= _MAX_SUBJECTS:
            self._shared.clear()
        return self._shared.setdefault(subject, subject)


def subject_of(call: LlmCall) -> Subject:
    """What a result takes over from the call that it is about."""
    return Subject(
        service=call.origin.service,
        environment=call.origin.environment,
        dimensions=call.origin.dimensions,
        provider=call.provider,
        request_model=call.request_model,
        response_model=call.response_model,
        service_tier=call.service_tier,
        operation=call.operation,
        purpose=call.purpose,
    )


def common_target(calls: Iterable[EvaluationTarget]) -> EvaluationTarget | None:
    """Several calls as one subject: who asked first, and what all of them agree on.

    Calls that judges made, and calls without an answer in words, are not what was judged, unless
    there are no others.
    """
    found = sorted(calls, key=lambda c: (c.start_ns, c.span_id))
    found = [c for c in found if not c.subject.purpose] or found
    found = [c for c in found if c.subject.operation not in WORDLESS] or found
    if not found:
        return None
    first = found[0]
    # A call that failed knows only the model that was asked for.
    targets = {
        (c.subject.provider, c.subject.request_model or c.subject.response_model) for c in found
    }
    answered = {c.subject.response_model: c.subject for c in found if c.subject.response_model}
    one = None
    if len(targets) == 1 and len(answered) < 2:
        one = next(iter(answered.values()), first.subject)
    lengths = {len(c.subject.dimensions) for c in found}
    return EvaluationTarget(
        first.trace_id,
        b"",
        Subject(
            service=first.subject.service,
            environment=first.subject.environment,
            dimensions=tuple(_common(c.subject.dimensions for c in found))
            if len(lengths) == 1
            else first.subject.dimensions,
            provider=one.provider if one else "",
            request_model=one.request_model if one else "",
            response_model=one.response_model if one else "",
            service_tier=one.service_tier if one else "",
        ),
        first.start_ns,
        max(c.end_ns for c in found),
    )


def _common(dimensions: Iterable[tuple[str, ...]]) -> Iterator[str]:
    for values in zip(*dimensions, strict=True):
        yield values[0] if len(set(values)) == 1 else ""


def _relabelled(subject: Subject, dimensions: Move) -> Subject:
    return replace(subject, dimensions=dimensions(subject.dimensions))
