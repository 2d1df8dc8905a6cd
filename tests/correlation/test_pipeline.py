"""Counting once: nesting, copies, settling, late reporters, bounds."""

from __future__ import annotations

from typing import Any

import pytest

from llm_trace_exporter.correlation import Correlator, Limits, Output
from llm_trace_exporter.dialects import Context
from llm_trace_exporter.model import LlmCall, Step, Verdict
from llm_trace_exporter.otlp.records import RawLog, RawSpan
from tests.spans import chat, event, raw_log, raw_span, read_log, read_span, trace_id

CONTEXT = Context()


def fed(
    *records: RawSpan | RawLog, limits: Limits | None = None, context: Context = CONTEXT
) -> Output:
    """What comes out when everything came in before anything was settled."""
    correlator = Correlator(limits or Limits())
    for record in records:
        add(correlator, record, 0.0, context)
    correlator.settle_all()
    return correlator.drain()


def add(
    correlator: Correlator, record: RawSpan | RawLog, now_s: float, context: Context = CONTEXT
) -> None:
    """Read and add one record."""
    if isinstance(record, RawSpan):
        correlator.add(read_span(record, context), now_s)
    else:
        correlator.add(read_log(record, context), now_s)


def calls(output: Output) -> list[LlmCall]:
    """The calls that count."""
    return [r for r in output.records if isinstance(r, LlmCall)]


def by_reason(output: Output) -> dict[str, tuple[int, int]]:
    """Reason -> (records, tokens) of what does not count."""
    found: dict[str, tuple[int, int]] = {}
    for (reason, _), (records, tokens) in output.discarded.items():
        before = found.get(reason, (0, 0))
        found[reason] = (before[0] + records, before[1] + tokens)
    return found


def steps(output: Output) -> list[Step]:
    """The steps that count."""
    return [r for r in output.records if isinstance(r, Step)]


def nest(outer: dict[str, Any], inner: dict[str, Any], **more: Any) -> tuple[RawSpan, RawSpan]:
    """A call told by a wrapper and by the SDK within it."""
    trace = trace_id()
    around = raw_span(outer, trace=trace, scope="wrapper", duration_s=2)
    within = raw_span(
        inner, trace=trace, parent=around.span_id, scope="sdk", start_s=0.1, duration_s=1, **more
    )
    return around, within


@pytest.mark.parametrize("inner_first", [True, False])
def test_the_innermost_numbers_win_and_facts_are_merged(inner_first: bool) -> None:
    """In either order: the SDK's tokens, the wrapper's cost, both reporters' facts."""
    outer, inner = nest(
        chat((99, 99), operation__cost=0.5, gen_ai__response__finish_reasons=["stop"], team="t"),
        chat((10, 5), gen_ai__response__time_to_first_chunk=0.2),
    )
    order = (inner, outer) if inner_first else (outer, inner)
    output = fed(*order)
    (call,) = calls(output)
    assert call.tokens is not None and call.tokens.total == 15
    assert call.reported_cost is not None and call.reported_cost.total_usd == 0.5
    assert (call.ttft_s, call.finish_reasons) == (0.2, ("stop",))
    assert call.origin.dimensions[1] == "t"
    assert by_reason(output) == {"rollup": (1, 198)}


def test_who_asked_is_told_by_the_outermost() -> None:
    """Behind a gateway the app is the service, and the gateway knows the model."""
    trace = trace_id()
    app = raw_span(chat(None, gen_ai__response__model="alias"), trace=trace, service="app")
    gateway = raw_span(
        chat((10, 5)), trace=trace, parent=app.span_id, scope="litellm", service="gateway"
    )
    (call,) = calls(fed(app, gateway))
    assert (call.origin.service, call.model) == ("app", "gpt-4o-2024-08-06")


def test_spans_between_do_not_part_a_nest_but_tools_and_agents_do() -> None:
    """HTTP spans lie between a wrapper and a gateway; a tool's own call is another call."""
    trace = trace_id()
    outer = raw_span(chat((10, 5)), trace=trace)
    http = raw_span({"http.method": "POST"}, trace=trace, parent=outer.span_id)
    inner = raw_span(chat((10, 5)), trace=trace, parent=http.span_id, scope="sdk")
    tool = raw_span(
        {"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": "ask"},
        trace=trace, parent=outer.span_id,
    )  # fmt: skip
    other = raw_span(chat((7, 3)), trace=trace, parent=tool.span_id, scope="sdk")
    assert len(calls(fed(outer, http, inner))) == 1
    assert len(calls(fed(outer, tool, other))) == 2


def test_retries_inside_a_wrapper_are_calls_of_their_own() -> None:
    """A failed and a successful attempt beneath one wrapper: two calls, one of them an error."""
    trace = trace_id()
    outer = raw_span(chat((10, 5)), trace=trace, scope="wrapper", duration_s=3)
    failed = raw_span(
        chat(None, error__type="RateLimitError"), trace=trace, parent=outer.span_id, status=2
    )
    answered = raw_span(chat((10, 5)), trace=trace, parent=outer.span_id, start_s=1.5)
    found = calls(fed(outer, failed, answered))
    assert sorted(c.error_type for c in found) == ["", "rate_limited"]
    assert sum(c.tokens.total for c in found if c.tokens) == 15


def test_usage_that_only_the_wrapper_knows_is_not_lost() -> None:
    """A stream without usage on the SDK's span, with usage on the framework's."""
    outer, inner = nest(chat((10, 5)), chat(None))
    output = fed(inner, outer)
    (call,) = calls(output)
    assert call.tokens is not None and call.tokens.total == 15
    assert by_reason(output) == {"rollup": (1, 0)}


def test_copies_in_two_traces_share_the_providers_id() -> None:
    """The SDK's own root span beside Traceloop's: one call, and the tighter span tells it."""
    sdk = raw_span(chat((10, 12), gen_ai__response__id="msg_1"), scope="sdk", start_s=0.1)
    wrapper = raw_span(
        chat((10, 13), gen_ai__response__id="msg_1"), scope="wrapper", duration_s=1.5
    )
    stranger = raw_span(chat((10, 12), gen_ai__response__id="msg_1"), scope="sdk", service="b")
    for order in ((sdk, wrapper, stranger), (stranger, wrapper, sdk)):
        found = calls(fed(*order))
        assert sorted(c.origin.service for c in found) == ["b", "shop"]
        assert sum(c.tokens.output_all for c in found if c.tokens) == 24


def test_failed_copies_are_matched_by_time_one_to_one() -> None:
    """Two concurrent failures told by two instrumentations each are two errors."""
    attrs = chat(None, error__type="RateLimitError")
    spans = []
    for start_s in (0.0, 0.3):
        spans.append(raw_span(attrs, scope="sdk", start_s=start_s + 0.1, status=2))
        spans.append(raw_span(attrs, scope="wrapper", start_s=start_s, duration_s=1.2, status=2))
    assert len(calls(fed(*spans))) == 2


def test_failures_of_one_instrumentation_are_never_copies() -> None:
    """A burst of failures at once is a burst."""
    attrs = chat(None, error__type="RateLimitError")
    assert len(calls(fed(*(raw_span(attrs, status=2) for _ in range(20))))) == 20


def test_calls_with_other_usage_or_other_ids_are_no_copies() -> None:
    """Without a shared id, two reporters must agree on what was used."""
    one = raw_span(chat((10, 5)), scope="a")
    other = raw_span(chat((11, 5)), scope="b")
    assert len(calls(fed(one, other))) == 2
    same = [raw_span(chat((1, 1), gen_ai__response__id=i), scope=i) for i in ("x", "y")]
    assert len(calls(fed(*same))) == 2


def test_cache_hits_of_a_gateway_are_calls_although_the_id_repeats() -> None:
    """A gateway answers twice from its cache with the first answer's id."""
    hit = {"gen_ai.response.cache_hit": True}
    spans = [raw_span(chat((1, 1), gen_ai__response__id="r") | more) for more in ({}, hit, hit)]
    assert len(calls(fed(*spans))) == 3


def test_resent_records_are_duplicates() -> None:
    """Clients retry: span ids and log fingerprints are remembered."""
    span = raw_span(chat())
    log = raw_log(
        {"gen_ai.evaluation.name": "j", "gen_ai.evaluation.score.label": "pass"},
        event="gen_ai.evaluation.result",
    )
    output = fed(span, log, span, log, span)
    assert len(output.records) == 2
    assert by_reason(output) == {"duplicate": (3, 30)}


def test_details_logs_lend_to_their_span_and_count_only_when_told_to() -> None:
    """The operation.details record repeats its span; some apps send nothing else."""
    span = raw_span(chat((10, 5)))
    log = raw_log(
        chat((10, 5), gen_ai__response__finish_reasons=["length"]),
        event="gen_ai.client.inference.operation.details",
        trace=span.trace_id, span=span.span_id,
    )  # fmt: skip
    for order in ((span, log), (log, span)):
        output = fed(*order)
        (call,) = calls(output)
        assert call.finish_reasons == ("length",)
        assert by_reason(output) == {"duplicate": (1, 15)}
    assert calls(fed(log)) == []
    counting = Context(count_details_logs=frozenset({"shop"}))
    assert len(calls(fed(log, context=counting))) == 1
    assert len(calls(fed(span, log, context=counting))) == 1


def test_claude_code_counts_spans_where_it_sends_them_else_logs() -> None:
    """Two sessions of one service, one with the tracing beta on."""
    call = {"model": "claude-sonnet-4-5", "input_tokens": 10, "output_tokens": 5}
    span = raw_span(
        {**call, "span.type": "llm_request", "session.id": "traced"},
        scope="com.anthropic.claude_code.tracing",
    )
    logs = [
        raw_log(
            {**call, "event.name": "api_request", "session.id": session, "cost_usd": 0.01,
             "duration_ms": 900},
            scope="com.anthropic.claude_code.events",
        )
        for session in ("traced", "plain")
    ]  # fmt: skip
    found = calls(fed(span, *logs))
    assert len(found) == 2
    assert [c.reported_cost.total_usd for c in found if c.reported_cost] == [0.01, 0.01]


def test_a_model_without_usage_or_generation_beneath_is_a_call_of_unknown_usage() -> None:
    """Unknown is not zero; without a model there is no call."""
    (call,) = calls(fed(raw_span(chat(None))))
    assert call.tokens is None
    nothing = fed(raw_span({"gen_ai.operation.name": "chat"}))
    assert (calls(nothing), by_reason(nothing)) == ([], {"not_llm": (1, 0)})


def test_calls_wait_for_their_reporters_and_late_ones_are_discarded() -> None:
    """Within the window order does not matter; after it what comes is told as late."""
    correlator = Correlator(Limits(decision_wait_s=10))
    outer, inner = nest(chat((99, 99)), chat((10, 5)))
    add(correlator, outer, 0.0)
    correlator.settle(9.9)
    assert (correlator.drain().records, correlator.waiting) == ([], 1)
    add(correlator, inner, 9.9)
    correlator.settle(10.0)
    (call,) = calls(correlator.drain())
    assert call.tokens is not None and call.tokens.total == 15
    assert correlator.waiting == 0

    late_outer, applied_inner = nest(chat((99, 99)), chat((10, 5)))
    add(correlator, applied_inner, 20.0)
    correlator.settle(31.0)
    assert len(calls(correlator.drain())) == 1
    add(correlator, late_outer, 32.0)
    correlator.settle(50.0)
    output = correlator.drain()
    assert (calls(output), by_reason(output)) == ([], {"late": (1, 198)})


def test_late_copies_by_id_are_discarded() -> None:
    """The response id of what was counted is remembered."""
    correlator = Correlator(Limits(decision_wait_s=1))
    for now_s in (0.0, 100.0):
        add(correlator, raw_span(chat(gen_ai__response__id="r"), scope=f"s{now_s}"), now_s)
        correlator.settle(now_s + 1)
    output = correlator.drain()
    assert (len(calls(output)), by_reason(output)) == (1, {"late": (1, 15)})


def test_nested_tools_and_retrievals_are_one_execution() -> None:
    """Two instrumentations of one tool; an agent between makes it two."""
    trace = trace_id()
    tool = {"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": "search"}
    outer = raw_span(tool, trace=trace, scope="a")
    inner = raw_span(tool, trace=trace, scope="b", parent=outer.span_id, status=2)
    for order in ((outer, inner), (inner, outer)):
        (step,) = steps(fed(*order))
        assert (step.name, step.error_type) == ("search", "other")
    agent = raw_span(
        {"gen_ai.operation.name": "invoke_agent", "gen_ai.agent.name": "x"},
        trace=trace, parent=outer.span_id,
    )  # fmt: skip
    own = raw_span(tool, trace=trace, parent=agent.span_id)
    assert [s.kind for s in steps(fed(outer, agent, own))] == ["tool", "agent", "tool"]


def test_an_unnamed_agent_that_only_directs_agents_is_a_workflow() -> None:
    """OpenInference labels the root of an agents run AGENT as well."""
    trace = trace_id()
    root = raw_span({"openinference.span.kind": "AGENT"}, trace=trace, name="Agent workflow")
    agent = raw_span(
        {"openinference.span.kind": "AGENT", "agent.name": "x"}, trace=trace, parent=root.span_id
    )
    assert [s.kind for s in steps(fed(root, agent))] == ["workflow", "agent"]


def test_calls_beneath_an_evaluator_are_a_judges() -> None:
    """Wherever in the trace the evaluator stands."""
    trace = trace_id()
    judge = raw_span({"openinference.span.kind": "EVALUATOR"}, trace=trace)
    chain = raw_span({"openinference.span.kind": "CHAIN"}, trace=trace, parent=judge.span_id)
    call = raw_span(chat(), trace=trace, parent=chain.span_id)
    assert [c.purpose for c in calls(fed(call, chain, judge))] == ["judge"]


def test_one_result_told_twice_counts_once() -> None:
    """An evaluation span and its own event; an event and a log record of one span."""
    told = {"gen_ai.evaluation.name": "j", "gen_ai.evaluation.score.label": "pass"}
    own = raw_span(
        {"gen_ai.operation.name": "evaluation", **told},
        events=(event("gen_ai.evaluation.result", gen_ai__evaluation__name="j"),),
    )
    judged = raw_span(
        chat(),
        events=(
            event(
                "gen_ai.evaluation.result", gen_ai__evaluation__name="j",
                gen_ai__evaluation__score__label="pass",
            ),
        ),
    )  # fmt: skip
    log = raw_log(
        told, event="gen_ai.evaluation.result", trace=judged.trace_id, span=judged.span_id
    )
    assert len([r for r in fed(own).records if isinstance(r, Verdict)]) == 1
    assert len([r for r in fed(judged, log).records if isinstance(r, Verdict)]) == 1


def test_memory_is_bounded_and_nothing_is_lost_by_it() -> None:
    """Traces are forgotten, calls settled early; every call still counts once."""
    correlator = Correlator(Limits(max_spans=50, max_pending=20, max_remembered=10))
    for number in range(500):
        add(correlator, raw_span(chat(gen_ai__response__id=f"r{number}")), float(number) / 1000)
        correlator.settle(float(number) / 1000)
    assert correlator.waiting <= 20
    assert correlator.memories.usage["spans"].held <= 50
    assert correlator.memories.usage["traces"].evicted > 0
    correlator.settle_all()
    assert len(calls(correlator.drain())) == 500
    memories = correlator.memories.usage
    assert memories["response_ids"].held == memories["response_ids"].limit == 10
    assert memories["response_ids"].evicted == 490
    correlator.reconfigure(Limits(max_spans=5, max_remembered=3), {}, lambda values: values)
    add(correlator, raw_span(chat(gen_ai__response__id="last")), 1.0)
    correlator.settle_all()
    correlator.settle(1.0)
    assert correlator.memories.usage["spans"].held <= 5
    assert correlator.memories.usage["response_ids"].held == 3


def test_log_records_of_endless_traces_are_bounded_too() -> None:
    """Log records may name traces whose spans never come."""
    correlator = Correlator(Limits(max_spans=50))
    for number in range(500):
        log = raw_log(
            {"gen_ai.evaluation.name": f"j{number}", "gen_ai.evaluation.score.label": "pass"},
            event="gen_ai.evaluation.result",
            trace=trace_id(),
        )
        add(correlator, log, float(number))
        correlator.settle(float(number))
    assert correlator.memories.usage["traces"].held <= 50
    correlator.settle_all()
    assert len(correlator.drain().records) == 500


@pytest.mark.dear
@pytest.mark.parametrize("depth", [100, 5_000])
def test_deep_nests_and_rings_of_parents_end(depth: int) -> None:
    """How deep spans nest, and whether a parent is its own child, is the sender's choice."""
    trace = trace_id()
    spans = [raw_span(chat((1, 1)), trace=trace)]
    for _ in range(depth):
        spans.append(raw_span(chat((1, 1)), trace=trace, parent=spans[-1].span_id))
    assert len(calls(fed(*spans))) >= 1
    spans[0].parent_span_id = spans[-1].span_id
    assert len(calls(fed(*spans))) >= 1
    own = raw_span(chat())
    own.parent_span_id = own.span_id
    assert len(calls(fed(own))) == 1


def test_what_does_not_count_is_told_by_who_told_it() -> None:
    """A stranger's wrapper around a call, read by its names alone, is the same call."""
    stranger = {"acme.model": "gpt-4o", "acme.prompt_tokens": 10, "acme.completion_tokens": 5}
    outer = raw_span(stranger, scope="acme", duration_s=3)
    inner = raw_span(
        chat((10, 5)), scope="sdk", trace=outer.trace_id, parent=outer.span_id, start_s=0.5
    )
    nameless = raw_span({"acme.prompt_tokens": 7}, scope="acme")
    output = fed(outer, inner, nameless)
    (call,) = calls(output)
    assert call.origin.dialect == "semconv"
    assert output.discarded == {("rollup", "open"): (1, 15), ("unknown_kind", ""): (1, 7)}
