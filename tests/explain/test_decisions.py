"""What is said of records by what became of them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from llm_trace_exporter.config import Settings
from llm_trace_exporter.config.settings import LabelSettings
from llm_trace_exporter.engine.engine import Engine
from llm_trace_exporter.explain import DecisionLog, Explained, lines_of, plain
from llm_trace_exporter.otlp.records import RawEvent, RawSpan
from tests.explain.explained import PLAIN, Replay, counted
from tests.explain.test_captures import agrees
from tests.spans import chat, raw_log, raw_span, trace_id


def spans(*attrs: dict[str, Any], nested: bool = True) -> list[RawSpan]:
    """Spans of one trace, each within the one before."""
    trace, parent, made = trace_id(), b"", []
    for number, each in enumerate(attrs):
        made.append(
            raw_span(each, trace=trace, parent=parent, name=f"span {number}", scope=f"s{number}")
        )
        parent = made[-1].span_id if nested else b""
    return made


def by_name(replay: Replay) -> dict[str, Explained]:
    return {one.arrival.name: one for one in replay.records}


def said(replay: Replay) -> list[str]:
    """The text without its margin."""
    lines = (line for trace in replay.log.traces() for line in lines_of(trace, 200))
    return [" ".join(line.split()) for line in plain(lines).splitlines()]


def test_a_wrapper_is_merged_into_the_call_within() -> None:
    outer, inner = spans(chat((10, 5)), chat((10, 5)))
    replay = counted([outer, inner])
    agrees(replay)
    found = by_name(replay)
    assert (found["span 0"].state, found["span 0"].reason) == ("merged", "rollup")
    assert found["span 0"].into == (inner.trace_id, inner.span_id)
    charge = found["span 1"].charge
    assert charge is not None and charge.tokens is not None
    assert (charge.kind, charge.provider, charge.model) == ("chat", "openai", "gpt-4o")
    assert (charge.tokens.total, charge.sources) == (15, ("list",))
    head, wrapper, call = said(replay)
    assert "1 call 15 of 30 reported tokens $0.000075 not counted: 1 rollup" in head
    assert f"merged into {inner.span_id.hex()[:8]} (rollup) reports 15 tokens" in wrapper
    assert "counted chat gpt-4o in 10 out 5 $0.000075 list" in call


def test_what_comes_after_its_call_is_late() -> None:
    outer, inner = spans(chat((10, 5)), chat((10, 5)))
    replay = counted([outer], [inner])
    agrees(replay)
    assert by_name(replay)["span 1"].reason == "late"
    assert by_name(replay)["span 1"].state == "discarded"


def test_usage_that_comes_late_is_added_to_the_call_that_lacked_it() -> None:
    outer, inner = spans(chat(None), chat((10, 5)))
    replay = counted([outer], [inner])
    agrees(replay)
    late = by_name(replay)["span 1"]
    assert (late.state, late.reason, late.into[1]) == ("merged", "rollup", outer.span_id)
    assert late.charge is not None and late.charge.tokens is not None
    assert late.charge.tokens.total == 15
    assert late.charge.cost_usd == pytest.approx(0.000075)


def test_a_span_sent_again_is_named_beside_the_first() -> None:
    (one,) = spans(chat())
    replay = counted([one, one], [one])
    agrees(replay)
    assert [each.state for each in replay.records] == ["counted", "resent", "resent"]


def test_what_cannot_be_true_is_invalid_and_none_of_it_is_shown() -> None:
    wrong, right = spans(chat((-77123, 5)), chat())
    replay = counted([wrong, right])
    found = by_name(replay)["span 0"]
    assert (found.state, found.reason) == ("discarded", "invalid")
    assert found.arrival.detail
    assert "77123" not in "\n".join(said(replay))
    assert replay.samples.total("llm_exporter_discarded_total", reason="invalid") == 1


def test_records_that_cannot_be_read_at_all_are_told_with_their_reason() -> None:
    engine, log = Engine(PLAIN), DecisionLog(10)
    engine.ingester.explain_to(log)
    span = '{"traceId": "%s", "spanId": "%s", "startTimeUnixNano": "7", "endTimeUnixNano": "8"}'
    bodies = ",".join([span % ("ab" * 16, "cd" * 8), span % ("short", "cd" * 8)])
    body = f'{{"resourceSpans": [{{"scopeSpans": [{{"spans": [{bodies}]}}]}}]}}'
    outcome = engine.ingester.ingest_request("traces", "json", body.encode(), "file")
    assert outcome.rejected == log.unreadable.total() == 1
    assert len(log) == 1


def test_structure_and_evaluators_say_so() -> None:
    chain, judge = (
        {"openinference.span.kind": "PROMPT"},
        {"openinference.span.kind": "EVALUATOR"},
    )
    replay = counted(spans(chain, judge))
    agrees(replay)
    states = {name: (one.state, one.reason) for name, one in by_name(replay).items()}
    assert states == {"span 0": ("structure", ""), "span 1": ("structure", "evaluator")}


def test_a_sampled_call_stands_for_several() -> None:
    sampled = raw_span(chat((10, 5)), trace_state="ot=th:c", name="span 0")
    replay = counted([sampled])
    charge = by_name(replay)["span 0"].charge
    assert charge is not None
    assert charge.weight == 4
    assert replay.samples.total("llm_tokens_total") == 15 * charge.weight
    assert "4 calls 60 of 15 reported tokens" in said(replay)[0]
    assert "stands for 4" in said(replay)[1]


def test_a_price_that_is_missing_has_its_reason() -> None:
    unknown = chat((10, 5)) | {"gen_ai.response.model": "in-house-7", "gen_ai.request.model": "x"}
    replay = counted(spans(unknown), spans(chat(None)))
    agrees(replay)
    text = "\n".join(said(replay))
    assert "unpriced: unknown_model (input 10, output 5)" in text
    assert "tokens unknown unpriced: no_usage" in text


def test_a_label_beyond_its_cap_is_named() -> None:
    settings = replace(PLAIN, labels=LabelSettings(caps={"model": 1}))
    other = chat() | {"gen_ai.response.model": "gpt-4o-mini", "gen_ai.request.model": "gpt-4o-mini"}
    replay = counted(spans(chat()), spans(other), settings=settings)
    assert replay.samples.by("llm_requests_total", "model") == {"gpt-4o": 1, "other": 1}
    first, second = replay.records
    assert first.charge is not None and second.charge is not None
    assert (first.charge.capped, second.charge.capped) == ((), ("model",))
    assert "shown as other: model" in said(replay)[-1]


def test_results_are_counted_on_the_record_that_carries_them() -> None:
    verdict = {"gen_ai.evaluation.name": "tone", "gen_ai.evaluation.score.label": "pass"}
    told = RawEvent("gen_ai.evaluation.result", 0, {**verdict})
    one = raw_span(chat(), name="span 0", events=(told,))
    alone = raw_log(verdict, event="gen_ai.evaluation.result", trace=one.trace_id, span=one.span_id)
    replay = counted([one], logs=[alone])
    agrees(replay)
    found = by_name(replay)
    assert found["span 0"].results_counted == 1
    log = found["gen_ai.evaluation.result"]
    assert log.state == "results"
    assert len(log.results_discarded) + log.results_counted == 1


def test_what_is_not_settled_waits() -> None:
    engine, log = Engine(Settings()), DecisionLog(10)
    engine.ingester.explain_to(log)
    engine.ingester.ingest_records(spans(chat()), [], "otlp_http")
    (trace,) = log.traces()
    assert [one.state for one in trace.records] == ["waiting"]
    assert "waiting chat" in " ".join(plain(lines_of(trace, 200)).split())


def test_nothing_is_noted_where_nobody_asks() -> None:
    engine = Engine(PLAIN)
    engine.ingester.ingest_records(spans(chat()), [], "otlp_http")
    engine.ingester.settle_all()
    assert engine.decisions is None
    assert engine.ingester._correlator._output.decisions is None


def test_whoever_asks_later_is_told_from_then_on() -> None:
    engine, log = Engine(PLAIN), DecisionLog(10)
    before, after = spans(chat()), spans(chat())
    engine.ingester.ingest_records(before, [], "otlp_http")
    engine.ingester.explain_to(log)
    engine.ingester.ingest_records(after, [], "otlp_http")
    engine.ingester.settle_all()
    assert [(t.trace_id, t.records[0].state) for t in log.traces()] == [
        (after[0].trace_id, "counted")
    ]
