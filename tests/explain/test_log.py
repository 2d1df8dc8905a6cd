"""What is kept of decisions is bounded, and is whole traces as long as that fits."""

from __future__ import annotations

import time

from llm_trace_exporter.correlation import Decision
from llm_trace_exporter.explain import Arrival, Charge, DecisionLog
from llm_trace_exporter.explain.log import Trace

NO_TRACE = b""


def trace_id(number: int) -> bytes:
    return number.to_bytes(16, "big")


def arrival(trace: bytes, span: int) -> Arrival:
    return Arrival(trace, span.to_bytes(8, "big"), b"", b"", "span", f"span {span}", 0, "semconv")


def held(log: DecisionLog) -> dict[int, list[str]]:
    return {
        int.from_bytes(trace.trace_id, "big"): [one.arrival.name for one in trace.records]
        for trace in log.traces()
    }


def kept(log: DecisionLog, trace: bytes) -> Trace:
    found = log.trace(trace)
    assert found is not None
    return found


def test_the_trace_seen_longest_ago_makes_room() -> None:
    log = DecisionLog(4)
    log.received([arrival(trace_id(1), 1), arrival(trace_id(2), 2), arrival(trace_id(2), 3)])
    log.received([arrival(trace_id(1), 4)])
    assert log.forgotten_traces == 0
    log.received([arrival(trace_id(3), 5)])
    assert held(log) == {1: ["span 1", "span 4"], 3: ["span 5"]}
    assert (len(log), log.forgotten_traces) == (3, 1)
    assert log.trace(trace_id(2)) is None


def test_of_a_trace_that_is_larger_than_all_the_newest_are_kept() -> None:
    log = DecisionLog(3)
    log.received(arrival(trace_id(1), number) for number in range(10))
    assert held(log) == {1: ["span 7", "span 8", "span 9"]}
    assert kept(log, trace_id(1)).forgotten == 7


def test_what_is_outside_of_traces_does_not_drive_them_out() -> None:
    log = DecisionLog(4)
    log.received([arrival(trace_id(1), 1), arrival(trace_id(1), 2)])
    log.received(arrival(NO_TRACE, number) for number in range(3, 50))
    assert held(log) == {1: ["span 1", "span 2"], 0: ["span 48", "span 49"]}


def test_a_decision_about_what_is_forgotten_changes_nothing() -> None:
    log = DecisionLog(1)
    log.received([arrival(trace_id(1), 1), arrival(trace_id(2), 2)])
    gone = Decision(trace_id(1), (1).to_bytes(8, "big"), "span", b"", "counted", place=0)
    log.decided([gone], {0: Charge("chat")})
    assert [one.state for one in kept(log, trace_id(2)).records] == ["waiting"]


def test_one_trace_alone_can_be_kept() -> None:
    log = DecisionLog(10, only=trace_id(2))
    log.received([arrival(trace_id(1), 1), arrival(trace_id(2), 2), arrival(NO_TRACE, 3)])
    assert held(log) == {2: ["span 2"]}


def test_what_was_handed_out_does_not_change_any_more() -> None:
    log = DecisionLog(10)
    log.received([arrival(trace_id(1), 1)])
    before = kept(log, trace_id(1))
    counted = Decision(trace_id(1), (1).to_bytes(8, "big"), "span", b"", "counted", place=0)
    log.decided([counted], {0: Charge("chat")})
    assert [one.state for one in before.records] == ["waiting"]
    assert [one.state for one in kept(log, trace_id(1)).records] == ["counted"]


def test_many_equal_records_take_no_longer() -> None:
    log = DecisionLog(100_000)
    log.received([arrival(trace_id(1), 1)] * 50_000)
    ids = (trace_id(1), (1).to_bytes(8, "big"))
    again = [Decision(*ids, "span", b"", "resent", "duplicate")] * 49_999
    started = time.process_time()
    log.decided([*again, Decision(*ids, "span", b"", "counted", place=0)], {0: Charge("chat")})
    assert time.process_time() - started < 2
    records = kept(log, trace_id(1)).records
    assert [one.state for one in records] == ["counted", *["resent"] * 49_999]


def test_reasons_for_what_cannot_be_read_are_bounded() -> None:
    log = DecisionLog(10)
    log.rejected(f"reason {number}" for number in range(1_000))
    log.rejected(["reason 3"])
    assert log.unreadable["reason 3"] == 2
    assert len(log.unreadable) <= 21
    assert log.unreadable.total() == 1_001
