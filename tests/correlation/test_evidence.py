"""Spans that only a model and tokens make a call: once each, and never what another span tells."""

from __future__ import annotations

import time
from itertools import permutations
from typing import Any

import pytest
from msgspec.structs import replace

from llm_trace_exporter.correlation import Correlator, Limits, Output
from llm_trace_exporter.correlation.packed_trace import freeze, thaw
from llm_trace_exporter.model import LlmCall, ParsedRecord
from llm_trace_exporter.otlp.records import RawSpan
from tests.correlation.test_nesting import AGENT, TOOL
from tests.correlation.test_pipeline import CONTEXT, by_reason, calls
from tests.spans import chat, raw_span, read_span

ROOT = raw_span({"http.route": "/ask"}, duration_s=9)


def named(usage: tuple[int, int] | None = (10, 5), beneath: RawSpan = ROOT, **more: Any) -> RawSpan:
    """A call by its vocabulary."""
    return raw_span(chat(usage), trace=ROOT.trace_id, parent=beneath.span_id, **more)


def evidence(
    usage: tuple[int, int] | None = (10, 5), beneath: RawSpan = ROOT, **more: Any
) -> RawSpan:
    """The same by its tokens alone."""
    return named(usage, beneath, scope=more.pop("scope", "note"), **more)


def step(attrs: dict[str, Any], beneath: RawSpan = ROOT, duration_s: float = 5) -> RawSpan:
    return raw_span(attrs, trace=ROOT.trace_id, parent=beneath.span_id, duration_s=duration_s)


def read(span: RawSpan) -> ParsedRecord:
    found = read_span(span, CONTEXT)
    return replace(found, precedence="evidence") if span.scope.name == "note" else found


def once(*spans: RawSpan, apart_s: float = 0.0) -> Output:
    """What comes out; with time between, each is settled before the next comes."""
    correlator = Correlator(Limits(decision_wait_s=1))
    for number, span in enumerate(spans):
        correlator.add(read(span), number * apart_s)
        if apart_s:
            correlator.settle(number * apart_s + 1)
    correlator.settle_all()
    return correlator.drain()


def tokens(output: Output) -> list[int]:
    """Tokens of each call; -1 where they are not known."""
    return sorted((c.tokens.total if c.tokens else -1) for c in calls(output))


def in_any_order(*spans: RawSpan) -> list[int]:
    """Tokens of each call, the same in whatever order the spans come."""
    found = {tuple(tokens(once(*order))) for order in permutations(spans)}
    assert len(found) == 1, found
    return list(found.pop())


def test_alone_it_is_a_call() -> None:
    (call,) = calls(once(evidence((10, 5))))
    assert (call.tokens and call.tokens.total, call.model) == (15, "gpt-4o-2024-08-06")
    assert tokens(once(evidence(), evidence(), evidence((7, 3)))) == [10, 15, 15]


def test_what_encloses_calls_is_no_call_whatever_it_adds_up() -> None:
    outer = evidence((30, 10), duration_s=5)
    agent = step(AGENT, outer)
    parts = named((10, 5), agent), named((20, 5), agent, start_s=2)
    assert in_any_order(outer, agent, *parts) == [15, 25]
    assert by_reason(once(outer, agent, *parts))["rollup"][1] == 40
    assert in_any_order(evidence((99, 9), duration_s=5), named((10, 5))) == [15, 108]


def test_a_note_beneath_a_call_lends_and_does_not_count() -> None:
    call = named((10, 5), duration_s=2, service="app")
    note = evidence((10, 5), call, start_s=1, duration_s=0.00003, service="lib")
    assert in_any_order(call, note) == [15]
    (found,) = calls(once(note, call))
    assert (found.duration_s, found.origin.service) == (2.0, "app")
    untold = named(None, duration_s=2)
    assert in_any_order(untold, evidence((10, 5), untold, start_s=1)) == [15]


def test_notes_beneath_a_call_that_knows_no_usage_are_the_calls() -> None:
    outer = named(None, duration_s=5)
    assert in_any_order(outer, evidence((10, 5), outer), evidence((7, 3), outer)) == [10, 15]


@pytest.mark.parametrize("first", [0, 1, 2])
def test_of_a_note_and_two_calls_around_it_one_counts_whichever_comes_first(first: int) -> None:
    outer = named(duration_s=5)
    wrapper = named(beneath=outer, start_s=0.5, duration_s=4)
    note = evidence(beneath=wrapper, start_s=1, duration_s=0.1)
    spans = [outer, wrapper, note]
    found = once(spans.pop(first), *spans, apart_s=10)
    assert tokens(found) == [15]


@pytest.mark.parametrize("n", [1, 2])
def test_a_call_that_comes_late_around_notes_of_which_one_was_counted_is_late(n: int) -> None:
    outer = named(duration_s=5)
    around = evidence(beneath=outer, start_s=0.5, duration_s=4)
    note = evidence(beneath=around, start_s=1, duration_s=0.1)
    correlator = Correlator(Limits(decision_wait_s=1))
    spans = (note, around, outer)
    for now_s, told in ((0.0, spans[:n]), (10.0, spans[n:])):
        for span in told:
            correlator.add(read(span), now_s)
        correlator.settle(now_s + 2)
    assert tokens(correlator.drain()) == [15]


def test_a_note_that_comes_late_beneath_a_call_is_late() -> None:
    call = named(duration_s=5)
    note = evidence(beneath=call, start_s=1, duration_s=0.1)
    assert by_reason(once(call, note, apart_s=10)) == {"late": (1, 15)}


def test_a_note_beside_a_call_is_none_whatever_the_clock_says() -> None:
    assert in_any_order(named((10, 5)), evidence((10, 5), start_s=7)) == [15]
    assert in_any_order(named((10, 5)), evidence((10, 6), start_s=7)) == [15, 16]


def test_what_a_tool_of_a_call_used_is_a_call() -> None:
    outer = named((10, 5), duration_s=5)
    tool = step(TOOL, outer)
    assert in_any_order(outer, tool, evidence((7, 3), tool)) == [10, 15]


def test_a_span_with_the_sum_of_those_beside_it_is_none() -> None:
    rounds = evidence((10, 5)), evidence((7, 3), start_s=2)
    assert in_any_order(*rounds, evidence((17, 8), start_s=3)) == [10, 15]
    assert in_any_order(*rounds, evidence((18, 8), start_s=3)) == [10, 15, 26]


def test_of_two_in_each_other_the_inner_is_the_call() -> None:
    outer = evidence((50, 9), duration_s=5)
    assert in_any_order(outer, evidence((10, 5), outer), evidence((7, 3), outer)) == [10, 15]


def test_one_around_judged_calls_is_their_sum_too() -> None:
    outer = evidence((10, 5), duration_s=5)
    judge = step({"openinference.span.kind": "EVALUATOR"}, outer)
    assert in_any_order(outer, judge, named((10, 5), judge)) == [15]


SUM = {"gen_ai.operation.name": "invoke_agent", "gen_ai.response.id": "resp_1"}


@pytest.mark.parametrize("apart_s", [0.0, 10.0])
def test_a_sum_counts_no_token_twice_whenever_what_is_between_comes(apart_s: float) -> None:
    """The agent between may come after all others were settled, one by one.

    Then that the calls add up to the sum proves it; they end before it does. Where a sum comes
    before both, nothing does: tokens may count twice, and none is lost.
    """
    outer = step(chat((30, 10)) | SUM)
    agent = step(AGENT, outer)
    parts = named((10, 5), agent), named((20, 5), agent, start_s=2)
    for order in permutations((outer, agent, *parts)):
        before = order[: order.index(outer)]
        counted = sum(tokens(once(*order, apart_s=apart_s)))
        if not apart_s or agent in before or all(part in before for part in parts):
            assert counted == 40, order
        assert counted >= 40, order


def test_a_call_of_another_branch_is_not_taken_for_a_part_of_a_sum() -> None:
    agent = step(chat((30, 10)) | SUM)
    for other in (named((10, 5), start_s=7), named((40, 5)), named((10, 5), service="other")):
        orphan = replace(other, parent_span_id=b"unknown!")
        assert len(tokens(once(orphan, agent, apart_s=10))) == 2
    beside = named((10, 5))  # Beneath what encloses the agent, too.
    assert len(tokens(once(beside, agent, apart_s=10))) == 2


@pytest.mark.parametrize("usage", [(100, 50), None])
def test_a_call_of_an_agent_that_still_runs_is_no_part_of_another_ones_sum(
    usage: tuple[int, int] | None,
) -> None:
    """Agents side by side: the call's own agent is exported when it ends."""
    agent = step(chat((5_000, 500), team="blue") | SUM)
    running = step(AGENT, duration_s=8)
    call = named(usage, running, start_s=1)
    for order in permutations((agent, call, running)):
        found = calls(once(*order, apart_s=10))
        assert sorted(c.tokens.total if c.tokens else -1 for c in found) == sorted(
            [sum(usage) if usage else -1, 5_500]
        )
        assert [
            c.origin.dimensions[1] for c in found if not c.tokens or c.tokens.total < 5_000
        ] == [""]


def test_the_sum_of_calls_without_usage_is_lent_and_never_counts() -> None:
    """A chain's, as MLflow writes it for DSPy; alone it is nobody's."""
    told = {"mlflow.spanType": '"CHAIN"', "mlflow.chat.tokenUsage": '{"input_tokens": 30}'}
    chain = step(told)
    parts = named(None, chain), named(None, chain, start_s=2)
    assert in_any_order(chain, *parts) == [-1, 30]
    assert sum(tokens(once(*parts, chain, apart_s=10))) == -2
    assert in_any_order(chain, named((10, 5), chain)) == [15]
    alone = once(chain)
    assert (tokens(alone), by_reason(alone)["rollup"]) == ([], (1, 30))


def failed(beneath: RawSpan = ROOT, scope: str = "note", **more: Any) -> RawSpan:
    return raw_span(
        chat(None, error__type="RateLimitError"),
        trace=ROOT.trace_id, parent=beneath.span_id, scope=scope, status=2, **more,
    )  # fmt: skip


def test_a_failure_counts_where_nobody_tells_a_call_of_it() -> None:
    assert [c.error_type for c in calls(once(failed()))] == ["rate_limited"]
    assert len(calls(once(failed(), failed(scope="sdk")))) == 1
    later = failed(scope="sdk", start_s=5)
    assert len(calls(once(failed(), later))) == 2
    around = named((10, 5), duration_s=5)
    (call,) = calls(once(around, failed(around)))
    assert (call.error_type, call.tokens and call.tokens.total) == ("", 15)
    outer = failed(duration_s=5)
    (call,) = calls(once(outer, named((10, 5), outer)))
    assert call.error_type == ""


def test_one_that_answered_after_failed_attempts_is_a_call() -> None:
    outer = evidence((10, 5), duration_s=5)
    for attempt, errors in ((failed(outer, "sdk"), ["", "rate_limited"]), (failed(outer), [""])):
        assert sorted(c.error_type for c in calls(once(outer, attempt))) == errors


@pytest.mark.parametrize("first", ["evidence", "named"])
def test_what_comes_after_the_other_was_counted_does_not_count(first: str) -> None:
    spans = [evidence((10, 5)), named((10, 5), start_s=3)]
    output = once(*(spans if first == "evidence" else reversed(spans)), apart_s=10)
    assert tokens(output) == [15]
    assert sum(told for _, told in output.discarded.values()) == 15


def test_one_that_was_counted_stands_for_one_call_only() -> None:
    spans = evidence((10, 5)), named((10, 5), start_s=3), named((10, 5), start_s=5)
    assert tokens(once(*spans, apart_s=10)) == [15, 15]


def test_a_wrapper_that_came_to_nothing_hides_no_call_that_comes_later() -> None:
    outer = evidence((30, 10), duration_s=5)
    spans = named((10, 5), outer), outer, named((20, 5), outer, start_s=2)
    assert tokens(once(*spans, apart_s=10)) == [15, 25]
    counted = outer, named((10, 5), outer), named((20, 5), outer, start_s=2)
    assert tokens(once(*counted, apart_s=10)) == [40]


def test_what_was_counted_is_remembered_in_a_frozen_trace() -> None:
    correlator = Correlator(Limits(decision_wait_s=1))
    correlator.add(read(evidence((10, 5))), 0.0)
    correlator.settle(2.0)
    (trace,) = correlator.memories.table._live.values()
    (report,) = thaw(trace.trace_id, freeze(trace)).calls
    assert (report.precedence, report.applied) == ("evidence", True)
    assert isinstance(report.record, LlmCall)


@pytest.mark.dear
@pytest.mark.parametrize("fails", [True, False])
def test_thousands_in_one_trace_take_no_time(fails: bool) -> None:
    correlator = Correlator(Limits(decision_wait_s=1))
    for number in range(2_000):
        spans = (failed(), failed(scope="sdk")) if fails else (evidence((number, 1)), named((9, 9)))
        for span in spans:
            correlator.add(read(span), 0.0)
    started_s = time.process_time()
    correlator.settle_all()
    assert time.process_time() - started_s < 15
    assert len(calls(correlator.drain())) == (2_000 if fails else 4_000)


def test_failures_that_come_late_around_one_that_was_counted_are_late() -> None:
    outer = failed(scope="sdk", duration_s=5)
    around = failed(outer, start_s=0.5, duration_s=4)
    note = failed(around, start_s=1, duration_s=0.1)
    correlator = Correlator(Limits(decision_wait_s=1))
    for now_s, told in ((0.0, (note,)), (10.0, (around, outer))):
        for span in told:
            correlator.add(read(span), now_s)
        correlator.settle(now_s + 2)
    assert tokens(correlator.drain()) == [-1]
