"""Whole traces: complete when they are, counted once, with true sums or none."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from llm_trace_exporter.correlation import TraceLimits, WholeTraces
from llm_trace_exporter.dialects import Context
from llm_trace_exporter.model import LlmCall, Step
from llm_trace_exporter.otlp.records import RawSpan
from llm_trace_exporter.settled import CostLine, PricedCall, TraceSummary
from tests.spans import chat, raw_span, read_span, trace_id

CONTEXT = Context()
LIMITS = TraceLimits(idle_timeout_s=30, rootless_idle_timeout_s=300, max_age_s=3600)


def seen(traces: WholeTraces, span: RawSpan, now_s: float = 0.0, **priced: Any) -> None:
    """Take a span in, and what it tells as settled."""
    reading = read_span(span, CONTEXT)
    traces.see(reading, now_s)
    for record in reading.records:
        if isinstance(record, LlmCall):
            given = {"cost": (CostLine("input", "list", 0.25),), **priced}
            traces.call(PricedCall(record, "openai", "gpt-4o", **given))
        elif isinstance(record, Step):
            traces.step(record)


def one(traces: WholeTraces, now_s: float) -> TraceSummary:
    """The only trace that is complete."""
    (found,) = traces.complete(now_s)
    return found


def agent_run(trace: bytes) -> tuple[RawSpan, ...]:
    """A web request that asks an agent: two calls and a tool."""
    server = raw_span({"feature": "refunds"}, trace=trace, name="POST /ask", duration_s=9)
    agent = raw_span(
        {"gen_ai.operation.name": "invoke_agent", "gen_ai.agent.name": "helper"},
        trace=trace, parent=server.span_id, start_s=1, duration_s=7,
    )  # fmt: skip
    first = raw_span(chat((100, 20)), trace=trace, parent=agent.span_id, start_s=1)
    tool = raw_span(
        {"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": "search"},
        trace=trace, parent=agent.span_id, start_s=3,
    )  # fmt: skip
    second = raw_span(chat((200, 80)), trace=trace, parent=agent.span_id, start_s=5)
    return first, tool, second, agent, server


def test_a_trace_is_the_sum_of_its_calls_and_says_what_its_root_says() -> None:
    traces = WholeTraces(LIMITS)
    for span in agent_run(trace_id()):
        seen(traces, span)
    assert not traces.is_due(29.9)
    assert list(traces.complete(29.9)) == []
    assert traces.is_due(30)
    found = one(traces, 30)
    assert (found.root, found.service, found.failed) == ("POST /ask", "shop", False)
    assert found.dimensions[0] == "refunds"
    assert (found.llm_calls, found.tool_calls, found.tokens) == (2, 1, 400)
    assert found.cost_usd == 0.5
    assert found.duration_s == 9
    assert len(traces) == 0


def test_the_order_of_arrival_does_not_matter() -> None:
    spans = agent_run(trace_id())
    totals = []
    for order in (spans, spans[::-1], (*spans[2:], *spans[:2])):
        traces = WholeTraces(LIMITS)
        for span in order:
            seen(traces, span)
        totals.append(one(traces, 30))
    assert totals[0] == totals[1] == totals[2]


def test_without_a_root_it_takes_longer_and_the_first_call_speaks() -> None:
    traces = WholeTraces(LIMITS)
    trace = trace_id()
    seen(traces, raw_span(chat(), trace=trace, parent=b"faraway.", start_s=2, duration_s=3))
    assert list(traces.complete(299)) == []
    found = one(traces, 300)
    assert (found.root, found.service, found.duration_s) == ("", "shop", 3)


def test_an_entry_into_a_process_stands_in_for_the_root() -> None:
    traces = WholeTraces(LIMITS)
    trace = trace_id()
    entry = raw_span({}, trace=trace, parent=b"browser.", name="POST /ask", duration_s=4)
    entry.kind = 2
    inner = raw_span({}, trace=trace, parent=b"gateway.", name="POST /inner", start_s=1)
    inner.kind = 2
    for span in (raw_span(chat(), trace=trace, parent=inner.span_id), inner, entry):
        seen(traces, span)
    assert list(traces.complete(30)) == []
    assert one(traces, 300).root == "POST /ask"


def test_what_comes_late_does_not_make_a_second_trace() -> None:
    traces = WholeTraces(LIMITS)
    trace = trace_id()
    seen(traces, raw_span(chat(), trace=trace))
    assert one(traces, 30).llm_calls == 1
    seen(traces, raw_span(chat(), trace=trace, parent=b"faraway."), 31)
    assert list(traces.complete(1e6)) == []


def test_a_trace_that_never_ends_is_counted_at_its_age() -> None:
    traces = WholeTraces(LIMITS)
    trace = trace_id()
    found: list[TraceSummary] = []
    for minute in range(100):
        seen(traces, raw_span(chat(), trace=trace, parent=b"session."), minute * 60.0)
        found = list(traces.complete(minute * 60.0))
        if found:
            break
    assert [t.llm_calls for t in found] == [61]


def test_traces_without_a_call_are_nothing() -> None:
    traces = WholeTraces(LIMITS)
    seen(traces, raw_span({}, name="GET /health"))
    assert list(traces.complete(1e6)) == []
    assert len(traces) == 0


@pytest.mark.parametrize(
    ("call", "priced", "cost", "tokens"),
    [
        ({}, {"cost": (), "unpriced": "unknown_model"}, None, 30),
        ({"tokens": None}, {"cost": (), "unpriced": "no_usage"}, None, None),
        ({"tokens": None, "error_type": "timeout"}, {"cost": (), "unpriced": "no_usage"}, 0.25, 15),
        ({"tokens": None}, {"cost": (), "unpriced": "per_request"}, 0.25, 15),
        (
            {},
            {"cost": (), "unpriced": "per_request", "unpriced_tokens": (("input", 30),)},
            None,
            30,
        ),
        ({}, {"unpriced": "per_request"}, 0.5, 30),
        ({}, {"unpriced_tokens": (("unexplained", 9),)}, 0.5, 30),
        ({"purpose": "judge"}, {}, 0.25, 15),
    ],
)
def test_a_sum_of_a_part_is_not_told(
    call: dict[str, Any], priced: dict[str, Any], cost: float | None, tokens: int | None
) -> None:
    traces = WholeTraces(LIMITS)
    trace = trace_id()
    seen(traces, raw_span(chat(), trace=trace))
    other = read_span(raw_span(chat(), trace=trace, parent=b"another."), CONTEXT).records[0]
    assert isinstance(other, LlmCall)
    given = {"cost": (CostLine("input", "list", 0.25),), **priced}
    traces.call(PricedCall(replace(other, **call), "openai", "gpt-4o", **given))
    found = one(traces, 30)
    assert (found.cost_usd, found.tokens) == (cost, tokens)


def test_a_failed_root_is_a_failed_trace_and_a_failed_attempt_is_not() -> None:
    trace = trace_id()
    traces = WholeTraces(LIMITS)
    root = raw_span({}, trace=trace, name="job", status=0)
    seen(traces, raw_span(chat(None), trace=trace, parent=root.span_id, status=2))
    seen(traces, raw_span(chat(), trace=trace, parent=root.span_id, start_s=2))
    seen(traces, root)
    assert not one(traces, 30).failed
    failed = raw_span({}, name="job", status=2)
    seen(traces, raw_span(chat(), trace=failed.trace_id, parent=failed.span_id))
    seen(traces, failed)
    assert one(traces, 60).failed


def test_open_traces_are_bounded_and_lost_ones_still_count() -> None:
    traces = WholeTraces(TraceLimits(max_open=10))
    for _ in range(100):
        seen(traces, raw_span(chat()))
    assert len(list(traces.complete(0.0))) == 90
    assert (len(traces), traces.evicted) == (10, 90)


def test_ids_in_the_roots_name_are_no_label() -> None:
    traces = WholeTraces(LIMITS)
    seen(traces, raw_span(chat(), name="Crew_0d9e71f2-3ab1-4cde-9f00-112233445566.kickoff"))
    assert one(traces, 30).root == "Crew_*.kickoff"


def test_new_dimensions_keep_their_values() -> None:
    traces = WholeTraces(LIMITS)
    for span in agent_run(trace_id()):
        seen(traces, span)
    traces.relabel(lambda values: (values[3], values[0]))
    assert one(traces, 30).dimensions == ("", "refunds")
