"""Calls of an agent's loop that one span tells, each over the one before."""

from __future__ import annotations

from itertools import permutations

from llm_trace_exporter.correlation import Correlator, Output
from llm_trace_exporter.otlp.records import RawLog, RawSpan
from tests.correlation.test_nesting import TOOL
from tests.correlation.test_pipeline import CONTEXT, by_reason, calls
from tests.spans import chat, raw_log, raw_span, read_log, read_span

SCOPE = "gcp.vertex.agent"
EVENT = "gen_ai.client.inference.operation.details"


def loop(usage: tuple[int, int]) -> RawSpan:
    kind = {"openinference.span.kind": "LLM"}
    return raw_span(chat(usage) | kind, scope=SCOPE, name="invoke_agent helper", duration_s=5)


def tool(beneath: RawSpan) -> RawSpan:
    return raw_span(TOOL, trace=beneath.trace_id, parent=beneath.span_id, start_s=1)


def log(span: RawSpan, usage: tuple[int, int], scope: str = SCOPE) -> RawLog:
    return raw_log(chat(usage), scope=scope, event=EVENT, trace=span.trace_id, span=span.span_id)


def told(*records: RawSpan | RawLog) -> Output:
    correlator = Correlator()
    for record in records:
        if isinstance(record, RawSpan):
            correlator.add(read_span(record, CONTEXT), 0.0)
        else:
            correlator.add(read_log(record, CONTEXT), 0.0)
    correlator.settle_all()
    return correlator.drain()


def usages(output: Output) -> list[int]:
    return sorted(call.tokens.total if call.tokens else -1 for call in calls(output))


def test_log_records_tell_the_calls_that_their_span_does_not() -> None:
    span = loop((20, 5))
    records: list[RawSpan | RawLog]
    records = [span, tool(span), log(span, (10, 5)), log(span, (20, 5))]
    for order in permutations(records):
        output = told(*order)
        assert usages(output) == [15, 25]
        assert "structure" not in by_reason(output)
    found = {call.is_untimed: call for call in calls(told(*records))}
    assert found[True].model == found[False].model == "gpt-4o-2024-08-06"


def test_two_calls_with_one_usage_are_two() -> None:
    span = loop((20, 5))
    assert usages(told(span, log(span, (20, 5)), log(span, (20, 5)))) == [25, 25]


def test_without_them_a_call_is_lost_and_told() -> None:
    span = loop((20, 5))
    output = told(span, tool(span))
    assert usages(output) == [25]
    assert by_reason(output)["structure"] == (1, 0)
    assert "structure" not in by_reason(told(loop((20, 5))))


def test_other_emitters_logs_repeat_the_span() -> None:
    span = loop((20, 5))
    assert usages(told(span, log(span, (10, 5), "lib"), log(span, (20, 5), "lib"))) == [25]
    # None of them is what is on the span: nobody knows which of them are calls.
    assert usages(told(span, log(span, (1, 5)), log(span, (2, 5)))) == [25]


def test_log_records_of_a_call_that_is_no_loop_repeat_it() -> None:
    for usage in ((20, 5), (20, 1)):
        span = raw_span(chat((20, 5)), scope=SCOPE, name="chat gpt-4o")
        assert usages(told(span, log(span, usage, SCOPE), log(span, (20, 5), SCOPE))) == [25]
