"""What is forgotten is gone: the collector does not look for it."""

from __future__ import annotations

import dataclasses
import gc
import sys

import pytest

from llm_trace_exporter.correlation import Correlator, Limits
from llm_trace_exporter.dialects import Context
from llm_trace_exporter.model import ParsedRecord
from tests.spans import chat, raw_log, raw_span, read_log, read_span, trace_id

CONTEXT = Context(count_details_logs=None)
LIMITS = Limits(decision_wait_s=1, max_age_s=2, max_remembered=10, max_subjects=10)
DETAILS = "gen_ai.client.inference.operation.details"
TOOL = {"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": "search"}


def of_trace(number: int) -> list[ParsedRecord]:
    """A nested call, a tool, and log records within and outside of the trace."""
    trace = trace_id()
    more = {"gen_ai.response.id": f"chatcmpl-{number}"}
    outer = raw_span(chat() | more, trace=trace, scope="wrapper", duration_s=2)
    inner = raw_span(chat() | more, trace=trace, parent=outer.span_id, scope="sdk", start_s=0.1)
    tool = raw_span(TOOL, trace=trace, parent=outer.span_id)
    within = raw_log(chat() | more, event=DETAILS, trace=trace, span=inner.span_id)
    copy = raw_log(chat() | more, event=DETAILS)
    alone = raw_log(chat((number + 100, 5)), event=DETAILS)
    spans = [read_span(span, CONTEXT) for span in (outer, inner, tool)]
    return spans + [read_log(log, CONTEXT) for log in (within, copy, alone)]


def blocks() -> int:
    """Pieces of memory in use."""
    gc.collect()
    return sys.getallocatedblocks()


@pytest.mark.dear
@pytest.mark.parametrize("late_logs", [False, True])
def test_forgotten_traces_leave_nothing_behind(late_logs: bool) -> None:
    correlator = Correlator(LIMITS)

    def pass_through(round_number: int) -> int:
        now_s = 10.0 * round_number
        for number in range(50):
            for reading in of_trace(number):
                late = late_logs and reading.signal == "log"
                correlator.add(reading, now_s + 0.5 * late)
        for wait_s in (1.0, 2.0, 9.0):
            correlator.settle(now_s + wait_s)
        return len(correlator.drain().records)

    told = [pass_through(n) for n in range(3)]
    before = blocks()
    told += [pass_through(n) for n in range(3, 13)]
    assert len(set(told)) == 1
    assert told[0] >= 150
    assert blocks() - before < 1_000


def test_without_a_file_nothing_is_noted_for_one() -> None:
    correlator = Correlator(LIMITS)
    for number in range(25):
        for reading in of_trace(number):
            correlator.add(reading, 0.0)
    correlator.settle(1.0)
    assert not any(part.entries for part in correlator.save(every=False).parts)


@pytest.mark.dear
def test_what_nobody_saves_is_bounded() -> None:
    """A disk that is full for long: what is noted for the next checkpoint does not pile up."""
    correlator = Correlator(dataclasses.replace(LIMITS, max_spans=5), tracks=True)

    def pass_through(round_number: int) -> None:
        for number in range(1_000):
            correlator.add(read_span(raw_span(chat(), scope=str(number)), CONTEXT), 10.0)
            if number % 100 == 0:
                correlator.settle(10.0 * round_number + 9)
                correlator.drain()

    pass_through(1)
    before = blocks()
    for n in range(2, 12):
        pass_through(n)
    assert blocks() - before < 5_000
