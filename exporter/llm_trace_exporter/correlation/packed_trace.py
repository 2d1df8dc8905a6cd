"""A trace in which nothing is going on, as bytes: a fifth of the memory, and ready to be saved.

Nothing is lost: what is thawed is what was frozen.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

import msgspec
from msgspec import Struct

from ..model import HttpAttempt, LlmCall, Precedence, Role, Signal, Step
from .memory_codec import Move, UnreadablePart, relabelled
from .trace import Node, Report, Trace

_HEAD = struct.Struct("<dI?")
"""When it was last seen, how many spans it has, whether something in it waits."""


class _Span(Struct, array_like=True, gc=False):
    span_id: bytes
    parent: bytes
    role: Role
    dimensions: tuple[str, ...] = ()


class _Report(Struct, array_like=True, gc=False):
    record: LlmCall | Step
    span_id: bytes
    signal: Signal
    precedence: Precedence
    group: str
    reported_tokens: int
    settled: bool
    applied: bool
    is_listed: bool
    is_on_span: bool
    deadline_s: float
    held_until_s: float
    unmeasured: LlmCall | None
    is_measured: bool


class _Trace(Struct, array_like=True, gc=False):
    has_evaluators: bool
    root_dimensions: tuple[str, ...]
    spans: list[_Span]
    reports: list[_Report]
    attempts: dict[bytes, HttpAttempt] = {}


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(_Trace).decode


def freeze(trace: Trace) -> bytes:
    """A trace as bytes."""
    nodes = trace.nodes
    packed = _Trace(
        trace.has_evaluators,
        trace.root_dimensions,
        [_Span(span_id, n.parent, n.role, n.dimensions) for span_id, n in nodes.items()],
        list(_reports(trace)),
        trace.attempts,
    )
    return _HEAD.pack(trace.seen_s, len(nodes), trace.waiting > 0) + _encode(packed)


def _reports(trace: Trace) -> Iterator[_Report]:
    nodes = trace.nodes
    listed = set()
    for pending in (*trace.calls, *trace.steps):
        listed.add(id(pending))
        node = nodes.get(pending.span_id)
        is_on_span = node is not None and (node.call is pending or node.step is pending)
        yield _report(pending, is_listed=True, is_on_span=is_on_span)
    if len(listed) < len(nodes):
        on_spans = [p for node in nodes.values() for p in (node.call, node.step)]
        for one in on_spans:
            if one is not None and id(one) not in listed:
                yield _report(one, is_listed=False, is_on_span=True)


def _report(pending: Report, *, is_listed: bool, is_on_span: bool) -> _Report:
    return _Report(
        pending.record,
        pending.span_id,
        pending.signal,
        pending.precedence,
        pending.group,
        pending.reported_tokens,
        pending.settled,
        pending.applied,
        is_listed,
        is_on_span,
        pending.deadline_s,
        pending.held_until_s,
        pending.unmeasured,
        pending.is_measured,
    )


def thaw(trace_id: bytes, frozen: bytes, move: Move | None = None, ahead_s: float = 0.0) -> Trace:
    """The reverse of `freeze`.

    Args:
        trace_id: Its id.
        frozen: What `freeze` gave.
        move: Where the dimensions had other labels then: to those of now.
        ahead_s: How far this process's clock is ahead of the one that froze it.

    Raises: UnreadablePart.
    """
    try:
        packed = _decode(memoryview(frozen)[_HEAD.size :])
        trace = Trace(
            trace_id,
            has_evaluators=packed.has_evaluators,
            root_dimensions=_moved(packed.root_dimensions, move),
            seen_s=head_of(frozen)[0] + ahead_s,
            attempts=packed.attempts,
        )
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise UnreadablePart(f"a trace: {error}") from error
    for span in packed.spans:
        trace.nodes[span.span_id] = Node(
            span.parent, span.role, dimensions=_moved(span.dimensions, move)
        )
    trace.has_dimensions = any(
        map(any, (trace.root_dimensions, *(s.dimensions for s in packed.spans)))
    )
    for report in packed.reports:
        _put(trace, report, move, ahead_s)
    return trace


def _put(trace: Trace, report: _Report, move: Move | None, ahead_s: float) -> None:
    record, unmeasured = report.record, report.unmeasured
    if move is not None:
        record = relabelled(record, move)
        unmeasured = relabelled(unmeasured, move) if unmeasured is not None else None
    pending = Report(
        record=record,
        trace=trace,
        span_id=report.span_id,
        signal=report.signal,
        precedence=report.precedence,
        group=report.group,
        deadline_s=report.deadline_s + ahead_s,
        reported_tokens=report.reported_tokens,
        settled=report.settled,
        applied=report.applied,
        held_until_s=report.held_until_s + ahead_s,
        unmeasured=unmeasured,
        is_measured=report.is_measured,
    )
    is_call = isinstance(record, LlmCall)
    if report.is_listed:
        (trace.calls if is_call else trace.steps).append(pending)
    node = trace.nodes.get(report.span_id)
    if report.is_on_span and node is not None:
        if is_call:
            node.call = pending
        else:
            node.step = pending
    trace.waiting += not report.settled
    trace.has_evidence = trace.has_evidence or report.precedence == "evidence"


def _moved(values: tuple[str, ...], move: Move | None) -> tuple[str, ...]:
    return move(values) if values and move is not None else values


def head_of(frozen: bytes) -> tuple[float, int, bool]:
    """(when it was last seen, spans, whether something waits) of a frozen trace.

    Raises: UnreadablePart.
    """
    try:
        return _HEAD.unpack_from(frozen)
    except struct.error as error:
        raise UnreadablePart("a trace without a head") from error


def shifted(frozen: bytes, ahead_s: float) -> bytes:
    """A frozen trace that was seen as much later."""
    seen, spans, waits = head_of(frozen)
    return _HEAD.pack(seen + ahead_s, spans, waits) + frozen[_HEAD.size :]
