"""Nests at their edges: whose call is whose, and what comes too late."""

from __future__ import annotations

from typing import Any

import pytest

from llm_trace_exporter.correlation import Correlator, Limits, Output
from llm_trace_exporter.correlation.nesting import with_same_span
from llm_trace_exporter.correlation.trace import Report, Trace
from llm_trace_exporter.otlp.records import RawSpan
from tests.correlation.test_pipeline import add, by_reason, calls, fed
from tests.spans import chat, raw_log, raw_span

AGENT = {"gen_ai.operation.name": "invoke_agent", "gen_ai.agent.name": "helper"}
TOOL = {"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": "ask"}


def beneath(outer: RawSpan, attrs: dict[str, Any], **more: Any) -> RawSpan:
    return raw_span(attrs, trace=outer.trace_id, parent=outer.span_id, scope="sdk", **more)


def usage(output: Output) -> list[int]:
    """Tokens of each call; -1 where they are not known."""
    found = calls(output)
    return sorted((c.tokens.total if c.tokens else -1) for c in found)


def in_turn(*rounds: tuple[RawSpan, ...]) -> tuple[Output, ...]:
    """What comes out of each round, which is settled before the next comes."""
    pipeline = Correlator(Limits(decision_wait_s=10))
    found = []
    for number, records in enumerate(rounds):
        for record in records:
            add(pipeline, record, 100.0 * number)
        pipeline.settle(100.0 * number + 20)
        found.append(pipeline.drain())
    return tuple(found)


@pytest.mark.parametrize("between", [AGENT, TOOL])
def test_what_a_tool_or_an_agent_called_is_a_call_of_its_own(between: dict[str, Any]) -> None:
    outer = raw_span(chat((10, 5)))
    step = beneath(outer, between)
    other = beneath(step, chat((7, 3)))
    assert usage(fed(outer, step, other)) == [10, 15]


def test_what_a_judge_called_is_a_call_of_its_own() -> None:
    outer = raw_span(chat((10, 5)), scope="sdk")
    judge = beneath(outer, {"openinference.span.kind": "EVALUATOR"})
    assert usage(fed(outer, judge, beneath(judge, chat((7, 3))))) == [10, 15]


def test_what_a_judge_called_beneath_a_call_of_equal_usage_is_its_own_too() -> None:
    outer = raw_span(chat((10, 5)), scope="sdk")
    judge = beneath(outer, {"openinference.span.kind": "EVALUATOR"})
    assert usage(fed(outer, judge, beneath(judge, chat((10, 5))))) == [15, 15]


def test_a_call_that_tells_the_sum_of_those_that_no_tool_called_is_no_call_of_its_own() -> None:
    outer = raw_span(chat((10, 5)), duration_s=9)
    own = beneath(outer, chat((4, 2))), beneath(outer, chat((6, 3)), start_s=2)
    step = beneath(outer, TOOL)
    assert usage(fed(outer, *own, step, beneath(step, chat((7, 3))))) == [6, 9, 10]


def test_only_what_waits_at_the_same_span_settles_with_a_call() -> None:
    trace = Trace(b"t" * 16)
    (record,) = calls(fed(raw_span(chat())))
    one, told_again, done, other = (
        Report(record, trace, span_id, "span", "primary", "", 0.0, settled=is_settled)
        for span_id, is_settled in ((b"a", False), (b"a", False), (b"a", True), (b"b", False))
    )
    trace.calls = [one, told_again, done, other]
    found = with_same_span(trace, [one])
    assert {id(report) for report in found} == {id(one), id(told_again)}


def test_a_wrapper_of_other_numbers_is_known_through_the_spans_between() -> None:
    outer = raw_span(chat((99, 99)))
    http = beneath(outer, {"http.method": "POST"})
    assert usage(fed(outer, http, beneath(http, chat((10, 5))))) == [15]


def test_a_call_that_tells_the_sum_of_its_agents_is_no_call_of_its_own() -> None:
    outer = raw_span(chat((10, 5)))
    step = beneath(outer, AGENT)
    other = beneath(step, chat((10, 5)))
    assert usage(fed(outer, step, other)) == [15]


def test_usage_is_not_lent_where_several_attempts_answered() -> None:
    """The wrapper tells the sum or one of the two: lent to either, tokens would count twice."""
    outer = raw_span(chat((10, 5)), scope="wrapper", duration_s=5)
    one = beneath(outer, chat((10, 5)))
    other = beneath(outer, chat(None), start_s=2)
    assert usage(fed(outer, one, other)) == [-1, 15]


def test_a_wrapper_that_comes_late_is_not_counted_again() -> None:
    outer = raw_span(chat((10, 5)), scope="wrapper", duration_s=3)
    inner = beneath(outer, chat((10, 5)))
    first, second = in_turn((inner,), (outer,))
    assert (usage(first), usage(second)) == ([15], [])
    assert by_reason(second) == {"late": (1, 15)}


def test_a_call_that_comes_after_its_wrapper_is_not_counted_again() -> None:
    outer = raw_span(chat((10, 5)), scope="wrapper", duration_s=3)
    inner = beneath(outer, chat((10, 5)))
    first, second = in_turn((outer,), (inner,))
    assert (usage(first), usage(second)) == ([15], [])
    assert by_reason(second) == {"late": (1, 15)}


@pytest.mark.parametrize("failed_at_s", [0.0, 3.5])
def test_attempts_that_failed_have_the_asker_and_not_the_answer(failed_at_s: float) -> None:
    outer = raw_span(
        chat((10, 5), team="t", gen_ai__response__finish_reasons=["stop"], operation__cost=0.5),
        scope="wrapper", duration_s=5, service="app",
    )  # fmt: skip
    failed = beneath(outer, chat(None, error__type="RateLimitError"), status=2, service="sdk",
                     start_s=failed_at_s)  # fmt: skip
    answered = beneath(outer, chat((10, 5)), start_s=2, service="sdk")
    found = {bool(c.error_type): c for c in calls(fed(outer, failed, answered))}
    assert {c.origin.service for c in found.values()} == {"app"}
    assert {c.origin.dimensions[1] for c in found.values()} == {"t"}
    assert (found[True].finish_reasons, found[True].reported_cost) == ((), None)
    assert found[True].tokens is None
    assert found[False].finish_reasons == ("stop",)


def test_what_a_tool_called_has_nothing_of_the_call_around_it() -> None:
    outer = raw_span(chat((10, 5), team="t"), scope="wrapper", duration_s=5)
    inner = beneath(outer, chat((10, 5)))
    tool = beneath(outer, TOOL, start_s=2)
    other = beneath(tool, chat((7, 3)), start_s=2)
    found = calls(fed(outer, inner, tool, other))
    assert {c.tokens.total if c.tokens else 0: c.origin.dimensions[1] for c in found} == {
        15: "t",
        10: "",
    }


def test_a_log_record_lends_its_span_the_usage_and_the_cost_that_it_lacks() -> None:
    span = raw_span(chat(None))
    details = raw_log(
        chat((10, 5), operation__cost=0.5),
        event="gen_ai.client.inference.operation.details",
        trace=span.trace_id, span=span.span_id,
    )  # fmt: skip
    for order in ((span, details), (details, span)):
        (call,) = calls(fed(*order))
        assert call.tokens is not None and call.tokens.total == 15
        assert call.reported_cost is not None and call.reported_cost.total_usd == 0.5


def test_a_call_below_one_that_was_over_is_a_call_of_its_own() -> None:
    """Frameworks leave their context behind: each next call hangs below the last."""
    first = raw_span(chat((10, 5)), scope="sdk")
    second = beneath(first, chat((10, 5)), start_s=1.002)
    third = beneath(second, chat((7, 3)), start_s=2.003)
    assert usage(fed(first, second, third)) == [10, 15, 15]
    assert usage(in_turn((third,), (second,), (first,))[0]) == [10]
    assert [usage(output) for output in in_turn((first,), (second,))] == [[15], [15]]


def test_a_wrapper_around_calls_that_hang_below_each_other_is_still_known() -> None:
    outer = raw_span(chat((17, 8)), scope="wrapper", duration_s=5)
    first = beneath(outer, chat((10, 5)))
    second = beneath(first, chat((7, 3)), start_s=1.002)
    assert usage(fed(outer, first, second)) == [10, 15]


def test_a_wrapper_that_closed_before_its_stream_began_is_a_wrapper() -> None:
    """Another instrumentation, or another host's clock, tells the same call."""
    outer = raw_span(chat((10, 5)), scope="wrapper", duration_s=0.001)
    assert usage(fed(outer, beneath(outer, chat((10, 5)), start_s=0.5))) == [15]
    assert usage(fed(outer, beneath(outer, chat((11, 5)), start_s=0.5))) == [15, 16]
    assert usage(fed(outer, beneath(outer, chat((11, 5)), start_s=2, service="gateway"))) == [16]
    named = chat((10, 5), gen_ai__response__id="r")
    outer = raw_span(named, scope="sdk", duration_s=0.001)
    assert usage(fed(outer, beneath(outer, named, start_s=0.5))) == [15]


def test_one_that_says_nothing_but_its_kind_hides_no_call() -> None:
    """A gateway names its own work after the calls that it is for."""
    outer = raw_span(chat((10, 5)), scope="wrapper", duration_s=2)
    router = beneath(outer, {"gen_ai.operation.name": "chat"}, start_s=0.5)
    output = fed(outer, router)
    (call,) = calls(output)
    assert (call.tokens and call.tokens.total, call.duration_s) == (15, 2.0)
    assert by_reason(output) == {"not_llm": (1, 0)}
    assert usage(fed(outer, router, beneath(router, chat((10, 5)), start_s=0.7))) == [15]


@pytest.mark.parametrize(
    "answer",
    [
        {"gen_ai.response.finish_reasons": ["length"]},
        {"gen_ai.request.stream": True, "gen_ai.response.time_to_first_chunk": 0.2},
    ],
)
def test_a_call_that_tells_of_an_answer_is_what_the_one_around_it_tells(
    answer: dict[str, Any],
) -> None:
    outer = raw_span(chat((10, 5)), scope="wrapper", duration_s=2)
    inner = beneath(outer, {"gen_ai.operation.name": "chat"} | answer, start_s=0.5)
    output = fed(outer, inner)
    (call,) = calls(output)
    assert (call.tokens and call.tokens.total, call.start_ns) == (15, inner.start_ns)
    assert call.finish_reasons or call.ttft_s


def test_a_call_with_a_tool_beneath_that_is_no_sum_is_one_of_its_own() -> None:
    wrapper = raw_span(chat((50, 10)), scope="wrapper", duration_s=5)
    direct = beneath(wrapper, chat((10, 5)), start_s=0.1)
    tool = beneath(wrapper, {"gen_ai.operation.name": "execute_tool"}, start_s=2)
    within = beneath(tool, chat((3, 2)), start_s=2.1, duration_s=0.5)
    assert usage(fed(wrapper, direct, tool, within)) == [5, 15, 60]
