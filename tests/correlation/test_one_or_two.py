"""What looks like one call and is two, and the other way round."""

from __future__ import annotations

import pytest

from llm_trace_exporter.correlation import Correlator, Limits
from llm_trace_exporter.correlation.duplicates import CopyIndex
from llm_trace_exporter.dialects import Context
from llm_trace_exporter.model import LlmCall, Verdict
from llm_trace_exporter.otlp.records import RawSpan
from tests.correlation.test_pipeline import add, by_reason, calls, fed, nest
from tests.spans import chat, raw_log, raw_span, trace_id


def test_an_id_that_comes_again_later_is_another_call() -> None:
    """Some servers draw response ids from a few hundred."""
    attrs = chat((10, 5), gen_ai__response__id="chatcmpl-123")
    first, second = (raw_span(attrs, start_s=start_s) for start_s in (0, 300))
    assert len(calls(fed(first, second))) == 2
    correlator = Correlator(Limits(decision_wait_s=1))
    for now_s, span in ((0.0, first), (300.0, second)):
        add(correlator, span, now_s)
        correlator.settle(now_s + 1)
    assert len(calls(correlator.drain())) == 2


def test_an_id_comes_again_when_clocks_cannot_explain_it() -> None:
    attrs = chat((10, 5), gen_ai__response__id="chatcmpl-123")
    for start_s, number, told in ((1.05, 1, {"rollup": (1, 15)}), (1.051, 2, {})):
        output = fed(raw_span(attrs, scope="a"), raw_span(attrs, scope="b", start_s=start_s))
        assert (len(calls(output)), by_reason(output)) == (number, told)


def test_a_copy_by_id_that_has_waited_less_is_heard() -> None:
    """The tighter one came second: its numbers are the call's."""
    correlator = Correlator(Limits(decision_wait_s=10))
    attrs = {"gen_ai.response.id": "msg_1"}
    add(correlator, raw_span(chat((10, 13)) | attrs, scope="wrapper", duration_s=2), 0.0)
    add(correlator, raw_span(chat((10, 12)) | attrs, scope="sdk", start_s=0.1), 5.0)
    correlator.settle(10.0)
    output = correlator.drain()
    assert [c.tokens.total for c in calls(output) if c.tokens] == [22]
    assert by_reason(output) == {"rollup": (1, 23)}
    assert correlator.waiting == 0


def test_what_a_gateway_had_in_store_after_a_retry_is_a_call_although_the_id_repeats() -> None:
    hit = {"gen_ai.response.cache_hit": True, "gen_ai.request.retry_count": 1}
    attrs = chat((1, 1), gen_ai__response__id="r")
    assert len(calls(fed(raw_span(attrs), raw_span(attrs | hit)))) == 2
    assert len(calls(fed(raw_span(attrs), raw_span(attrs | hit, scope="gateway")))) == 2
    retried = raw_span(attrs | {"gen_ai.request.retry_count": 1}, scope="gateway")
    assert len(calls(fed(raw_span(attrs), retried))) == 1


def test_nests_of_two_services_are_two_calls_whatever_they_say() -> None:
    def nested(service: str) -> list[RawSpan]:
        outer = raw_span(chat(), scope=f"{service}-wrapper", service=service)
        within = raw_span(
            chat(), trace=outer.trace_id, parent=outer.span_id, scope=service, service=service
        )
        return [outer, within]

    found = calls(fed(*nested("a"), *nested("b")))
    assert sorted(c.origin.service for c in found) == ["a", "b"]


def test_three_reporters_of_one_call_are_one_call() -> None:
    """A third instrumentation joins the pair of the other two."""
    spans = [
        raw_span(chat((10, 5)), scope=scope, start_s=0.1 * i, duration_s=2 - 0.3 * i)
        for i, scope in enumerate("abc")
    ]
    assert len(calls(fed(*spans))) == 1


@pytest.mark.parametrize("told", [(None, (10, 5)), ((10, 5), None), ((0, 5), (10, 5))])
def test_a_copy_of_what_two_of_a_nest_tell_together(
    told: tuple[tuple[int, int] | None, tuple[int, int] | None],
) -> None:
    outer = raw_span(chat(told[0]), scope="a", duration_s=2)
    inner = raw_span(
        chat(told[1]), trace=outer.trace_id, parent=outer.span_id, scope="b", start_s=0.1
    )
    copy = raw_span(chat((10, 5)), scope="c", start_s=0.2, duration_s=0.8)
    output = fed(outer, inner, copy)
    assert [c.tokens.total for c in calls(output) if c.tokens] == [15]
    assert len(calls(output)) == 1


def test_failures_of_other_kinds_are_no_copies() -> None:
    """Another operation, or another reason."""
    chat_failed = raw_span(chat(None, error__type="APITimeoutError"), scope="a", duration_s=60)
    embedding = {**chat(None, error__type="RateLimitError"), "gen_ai.operation.name": "embeddings"}
    assert len(calls(fed(chat_failed, raw_span(embedding, scope="b", start_s=30)))) == 2
    limited = raw_span(chat(None, error__type="RateLimitError"), scope="b", start_s=30)
    assert len(calls(fed(chat_failed, limited))) == 2


def test_an_answer_after_told_failures_is_a_call() -> None:
    """A wrapper falls back to something that nobody else tells."""
    outer, inner = nest(chat((10, 5)), chat(None, error__type="RateLimitError"))
    found = calls(fed(outer, inner))
    assert sorted(c.error_type for c in found) == ["", "rate_limited"]


def test_the_unsampled_reporter_gives_the_weight() -> None:
    """A gateway sends a tenth of what its client sends whole: the client tells the rest itself."""
    outer, inner = nest(chat((10, 5)), chat((10, 5)))
    inner.resource.attrs["service.name"] = "gateway"
    (call,) = calls(fed(outer, inner, context=Context(sampling={"gateway": 0.1})))
    assert call.weight == 1


def test_equal_results_on_one_record_are_several() -> None:
    """A retriever's documents are judged one by one."""
    filed = {
        f"evaluations.{i}.evaluation.{name}": value
        for i in range(3)
        for name, value in (("name", "relevance"), ("label", "relevant"), ("score", 1.0))
    }
    output = fed(raw_span({"openinference.span.kind": "RETRIEVER", **filed}))
    assert len([r for r in output.records if isinstance(r, Verdict)]) == 3


def test_a_sum_of_calls_beside_a_tool_that_calls_a_model_is_a_sum() -> None:
    """The tool's own call is not part of what the wrapper adds up."""
    trace = trace_id()
    wrapper = raw_span(chat((20, 10)), scope="wrapper", trace=trace, duration_s=5)
    within = [
        raw_span(chat((10, 5)), scope="sdk", trace=trace, parent=wrapper.span_id, start_s=start_s)
        for start_s in (0, 3)
    ]
    tool = raw_span(
        {"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": "search"},
        trace=trace, parent=wrapper.span_id, start_s=1,
    )  # fmt: skip
    own = raw_span(chat((3, 2)), scope="sdk", trace=trace, parent=tool.span_id, start_s=1)
    found = calls(fed(wrapper, *within, tool, own))
    assert sorted(c.tokens.total for c in found if c.tokens) == [5, 15, 15]


def test_results_for_three_answers_are_three() -> None:
    """One judge may look at many answers and tell of all at one place."""
    trace = trace_id()
    told = {"gen_ai.evaluation.name": "j", "gen_ai.evaluation.score.label": "pass"}
    logs = [
        raw_log(
            {**told, "gen_ai.response.id": f"resp-{number}"},
            event="gen_ai.evaluation.result", trace=trace, span=b"judging.",
        )
        for number in (1, 2, 3, 3)
    ]  # fmt: skip
    assert len([r for r in fed(*logs).records if isinstance(r, Verdict)]) == 3


@pytest.mark.parametrize("written", [1, 5])
@pytest.mark.parametrize("part_first", [True, False])
def test_who_knows_only_the_output_finds_who_knows_both(part_first: bool, written: int) -> None:
    """The one that came later has not waited long enough by then."""
    correlator = Correlator(Limits(decision_wait_s=10))
    part = raw_span(chat(None, gen_ai__usage__output_tokens=written), scope="a", duration_s=2)
    whole = raw_span(chat((10, written)), scope="b", start_s=0.1)
    first, second = (part, whole) if part_first else (whole, part)
    add(correlator, first, 0.0)
    add(correlator, second, 5.0)
    correlator.settle(10.0)
    assert [c.tokens.total for c in calls(correlator.drain()) if c.tokens] == [10 + written]
    assert correlator.waiting == 0


def test_who_waits_no_longer_is_nobodys_copy() -> None:
    correlator, index = Correlator(Limits()), CopyIndex()
    attrs = chat((10, 5), gen_ai__response__id="r")
    spans = raw_span(attrs, scope="a"), raw_span(attrs, scope="b")
    reports = []
    for span in spans:
        add(correlator, span, 0.0)
        trace = correlator.memories.table.live(span.trace_id)
        assert trace is not None
        reports += trace.calls
    one, other = reports
    assert isinstance(one.record, LlmCall) and isinstance(other.record, LlmCall)
    index.add(one, one.record)
    index.add(other, other.record)
    assert one in list(index.candidates([other]))
    index.remove(one, one.record)
    assert list(index.candidates([other])) == []
