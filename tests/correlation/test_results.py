"""Results of judges and ratings of users find the call that they are about."""

from __future__ import annotations

from typing import Any

import pytest

from llm_trace_exporter.correlation import Correlator, Limits
from llm_trace_exporter.dialects import Context
from llm_trace_exporter.model import Feedback, LlmCall, Verdict
from llm_trace_exporter.otlp.records import RawLog, RawSpan
from llm_trace_exporter.settled import Agreement
from tests.spans import chat, raw_log, raw_span, read_log, read_span, trace_id

CONTEXT = Context()
ASKED = {"feature": "refunds", "gen_ai.prompt.name": "answer", "gen_ai.prompt.version": "7"}


def judged(
    trace: bytes, span: bytes = b"", *, name: str = "faithful", label: str = "fail", **more: Any
) -> RawLog:
    """A judge's result, told by an evaluation service of its own."""
    attrs = {"gen_ai.evaluation.name": name, "gen_ai.evaluation.score.label": label}
    return raw_log(
        {**attrs, **more.pop("attrs", {})},
        event="gen_ai.evaluation.result",
        trace=trace,
        span=span,
        service="evaluator",
        **more,
    )


def asked(trace: bytes, model: str = "gpt-4o", **more: Any) -> RawSpan:
    """A call of the shop."""
    return raw_span({**chat(), **ASKED, "gen_ai.request.model": model}, trace=trace, **more)


def add(correlator: Correlator, *records: RawSpan | RawLog, at_s: float) -> None:
    """Take records in, and settle what is due."""
    for record in records:
        read: Any = read_span if isinstance(record, RawSpan) else read_log
        correlator.add(read(record, CONTEXT), at_s)
    correlator.settle(at_s)


def results(correlator: Correlator) -> list[Verdict | Feedback]:
    """The results that came out since the last time."""
    output = correlator.drain()
    return [r for r in output.records if isinstance(r, Verdict | Feedback)]


def test_a_verdict_takes_over_the_labels_of_its_call() -> None:
    trace = trace_id()
    call = asked(trace)
    correlator = Correlator()
    add(correlator, judged(trace, call.span_id, at_s=31.0), call, at_s=0)
    add(correlator, at_s=10)
    (verdict,) = results(correlator)
    assert verdict.subject is not None
    assert verdict.subject.request_model == "gpt-4o"
    assert verdict.origin.service == "shop"
    assert verdict.origin.dimensions == ("refunds", "", "answer", "7")
    assert isinstance(verdict, Verdict)
    assert verdict.target_end_ns == call.end_ns


@pytest.mark.parametrize("verdict_at_s", [0.0, 9.0, 30.0, 3_000.0, 40_000.0, 86_000.0])
@pytest.mark.parametrize("call_at_s", [0.0, 5.0, 50.0])
def test_whichever_comes_first_and_however_late(verdict_at_s: float, call_at_s: float) -> None:
    trace = trace_id()
    call = asked(trace)
    correlator = Correlator()
    told: list[tuple[float, RawSpan | RawLog]] = [
        (call_at_s, call),
        (verdict_at_s, judged(trace, call.span_id)),
    ]
    told.sort(key=lambda one: one[0])
    for at_s, record in told:
        add(correlator, record, at_s=at_s)
    seen: list[Verdict | Feedback] = results(correlator)
    for at_s in (60.0, 70.0, 80.0, 90_000.0):
        if at_s >= told[-1][0]:
            add(correlator, at_s=at_s)
            seen += results(correlator)
    (verdict,) = seen
    assert verdict.origin.service == "shop"


def test_a_subject_that_never_comes_is_waited_for_and_counted() -> None:
    correlator = Correlator(Limits(evaluation_wait_s=60))
    add(correlator, judged(trace_id(), b"nowhere."), at_s=0)
    add(correlator, at_s=59)
    assert not results(correlator)
    assert correlator.waiting == 1
    add(correlator, at_s=69)
    output = correlator.drain()
    (verdict,) = output.records
    assert isinstance(verdict, Verdict)
    assert verdict.subject is None
    assert verdict.origin.service == "evaluator"
    assert output.missing == {"unknown": 1}


@pytest.mark.parametrize(("with_stray", "missing"), [(False, {}), (True, {"unknown": 1})])
def test_nothing_is_missing_where_a_guard_let_no_call_happen(
    with_stray: bool, missing: dict[str, int]
) -> None:
    trace = trace_id()
    guard = {"gen_ai.operation.name": "apply_guardrail", "gen_ai.guardrail.name": "injection"}
    correlator = Correlator(Limits(evaluation_wait_s=60))
    blocked = raw_span({**guard, "gen_ai.guardrail.status": "failed"}, trace=trace)
    add(correlator, blocked, at_s=0)
    if with_stray:
        add(correlator, judged(trace_id(), b"nowhere."), at_s=0)
    add(correlator, at_s=70)
    output = correlator.drain()
    assert [r.subject for r in output.records if isinstance(r, Verdict)] == [None] * (
        1 + with_stray
    )
    assert output.missing == missing


def test_a_result_that_names_nothing_is_not_waited_for() -> None:
    correlator = Correlator()
    add(correlator, judged(b""), at_s=0)
    add(correlator, at_s=10)
    output = correlator.drain()
    assert len(output.records) == 1
    assert output.missing == {"unnamed": 1}


def test_a_subject_is_forgotten_by_age() -> None:
    trace = trace_id()
    call = asked(trace)
    correlator = Correlator(Limits(evaluation_target_age_s=100, max_age_s=50))
    add(correlator, call, at_s=0)
    add(correlator, at_s=10)
    add(correlator, at_s=111)
    add(correlator, judged(trace, call.span_id), at_s=112)
    add(correlator, at_s=180)
    assert correlator.drain().missing == {"unknown": 1}
    assert correlator.subjects.count == 0


def test_subjects_are_bounded_in_number() -> None:
    correlator = Correlator(Limits(max_subjects=100))
    for _ in range(300):
        add(correlator, asked(trace_id()), at_s=0)
    add(correlator, at_s=10)
    assert correlator.subjects.count <= 100
    assert correlator.subjects.evicted == 200


def test_one_long_trace_is_bounded() -> None:
    trace = trace_id()
    correlator = Correlator(Limits(max_subjects=10_000))
    add(correlator, *(asked(trace) for _ in range(3_000)), at_s=0)
    add(correlator, at_s=10)
    assert correlator.subjects.count <= 1_000


@pytest.mark.parametrize(
    ("models", "model"),
    [(("gpt-4o", "gpt-4o"), "gpt-4o"), (("gpt-4o", "claude-sonnet-4"), "")],
)
def test_a_whole_trace_has_the_labels_that_its_calls_agree_on(
    models: tuple[str, ...], model: str
) -> None:
    trace = trace_id()
    correlator = Correlator()
    add(correlator, *(asked(trace, m) for m in models), judged(trace), at_s=0)
    add(correlator, at_s=10)
    (verdict,) = results(correlator)
    assert verdict.subject is not None
    assert verdict.subject.request_model == model
    assert verdict.origin.dimensions == ("refunds", "", "answer", "7")


def test_what_has_no_words_was_not_judged() -> None:
    trace = trace_id()
    embedding = asked(trace, "text-embedding-3-small")
    embedding.attrs["gen_ai.operation.name"] = "embeddings"
    correlator = Correlator()
    add(correlator, embedding, asked(trace, "gpt-4o"), judged(trace), at_s=0)
    add(correlator, at_s=10)
    (verdict,) = results(correlator)
    assert verdict.subject is not None
    assert verdict.subject.request_model == "gpt-4o"


def test_an_agents_verdict_is_about_the_calls_within_it() -> None:
    trace = trace_id()
    agent = raw_span({"gen_ai.operation.name": "invoke_agent", "gen_ai.agent.name": "a"},
                     trace=trace)  # fmt: skip
    within = asked(trace, "gpt-4o", parent=agent.span_id)
    beside = asked(trace, "claude-sonnet-4")
    correlator = Correlator()
    add(correlator, agent, within, beside, judged(trace, agent.span_id), at_s=0)
    add(correlator, at_s=10)
    (verdict,) = results(correlator)
    assert verdict.subject is not None
    assert verdict.subject.request_model == "gpt-4o"


def test_an_evaluators_own_span_is_not_what_it_judges() -> None:
    trace = trace_id()
    call = asked(trace)
    evaluator = raw_span({"openinference.span.kind": "EVALUATOR"}, trace=trace, parent=call.span_id)
    judges_call = asked(trace, "gpt-4o-mini", parent=evaluator.span_id)
    correlator = Correlator()
    add(correlator, call, evaluator, judges_call, judged(trace, evaluator.span_id), at_s=0)
    add(correlator, at_s=10)
    (verdict,) = results(correlator)
    assert verdict.subject is not None
    assert verdict.subject.request_model == "gpt-4o"


def test_an_answers_id_names_its_call() -> None:
    call = raw_span({**chat(), "gen_ai.response.id": "resp-1"}, service="evaluator")
    correlator = Correlator()
    add(correlator, call, judged(b"", attrs={"gen_ai.response.id": "resp-1"}), at_s=0)
    add(correlator, at_s=10)
    (verdict,) = results(correlator)
    assert verdict.subject is not None


def test_a_flood_of_results_is_let_out_early() -> None:
    correlator = Correlator(Limits(max_pending=100))
    add(correlator, *(judged(trace_id(), b"nowhere.") for _ in range(500)), at_s=0)
    assert correlator.waiting <= 100
    assert len(results(correlator)) == 400


def test_new_dimensions_keep_the_values_that_they_had() -> None:
    trace = trace_id()
    call = asked(trace)
    correlator = Correlator()
    add(correlator, call, at_s=0)
    correlator.settle_all()
    correlator.reconfigure(Limits(), {}, lambda values: (values[3], values[0]))
    add(correlator, judged(trace, call.span_id), at_s=1)
    correlator.settle_all()
    (verdict,) = results(correlator)
    assert verdict.subject is not None
    assert verdict.subject.dimensions == ("7", "refunds")


@pytest.mark.parametrize("human_first", [True, False])
@pytest.mark.parametrize(("machine", "agrees"), [("fail", True), ("pass", False)])
def test_a_human_and_a_machine_on_one_subject_are_compared(
    human_first: bool, machine: str, agrees: bool
) -> None:
    trace = trace_id()
    call = asked(trace)
    person = raw_span(
        {
            "openinference.span.kind": "CHAIN",
            "annotations.0.annotation.name": "thumbs",
            "annotations.0.annotation.label": "down",
            "annotations.0.annotation.annotator_kind": "HUMAN",
        },
        trace=trace,
    )
    told: list[RawSpan | RawLog] = [judged(trace, person.span_id, label=machine), person]
    correlator = Correlator(human_names={"faithful": ("thumbs",)})
    add(correlator, call, *(told[::-1] if human_first else told), at_s=0)
    add(correlator, judged(trace, person.span_id, label=machine, at_s=7.0), at_s=1)
    correlator.settle_all()
    (agreement,) = [r for r in correlator.drain().records if isinstance(r, Agreement)]
    assert agreement.agrees is agrees
    assert agreement.verdict.judge == "faithful"
    assert agreement.verdict.subject is not None


def test_verdicts_of_machines_are_not_compared_with_each_other() -> None:
    trace = trace_id()
    call = asked(trace)
    correlator = Correlator()
    add(correlator, call, judged(trace, call.span_id), at_s=0)
    add(correlator, judged(trace, call.span_id, label="pass"), at_s=0)
    correlator.settle_all()
    records = correlator.drain().records
    assert [type(r) for r in records if not isinstance(r, LlmCall)] == [Verdict, Verdict]
