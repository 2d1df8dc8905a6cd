"""What one record says, dialect by dialect, beyond what the captures hold."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_trace_exporter.dialects import DIALECTS, WANTED_PATTERN, Context, dimension, wanted_keys
from llm_trace_exporter.errors import RejectedRecord
from llm_trace_exporter.model import Feedback, Step, Tokens, Verdict
from tests.draws import draws
from tests.spans import call_of, chat, event, raw_log, raw_span, read_log, read_span

CONTEXT = Context()


def test_unknown_spans_are_not_llm() -> None:
    """A span that no dialect knows says nothing."""
    reading = read_span(raw_span({"http.method": "GET"}), CONTEXT)
    assert (reading.drop, reading.records, reading.dialect) == ("not_llm", (), "")


@pytest.mark.parametrize(
    ("attrs", "expected"),
    [
        ({"gen_ai.usage.prompt_tokens": 10, "gen_ai.usage.completion_tokens": 5},
         Tokens(10, output=5)),
        ({"gen_ai.usage.input_tokens": "10", "gen_ai.usage.output_tokens": 5.0},
         Tokens(10, output=5)),
        (
            {
                "gen_ai.usage.input_tokens": 100,
                "gen_ai.usage.output_tokens": 50,
                "gen_ai.usage.cache_read.input_tokens": 60,
                "gen_ai.usage.cache_write.input_tokens": 10,
                "gen_ai.usage.reasoning.output_tokens": 20,
            },
            Tokens(30, cache_read=60, cache_write=10, output=30, reasoning=20),
        ),
        (
            {
                "gen_ai.usage.input_tokens": 10,
                "gen_ai.usage.output_tokens": 5,
                "gen_ai.usage.cache_read_input_tokens": 60,
            },
            Tokens(10, cache_read=60, output=5),
        ),
        (
            {
                "gen_ai.usage.input_tokens": 100,
                "gen_ai.usage.output_tokens": 50,
                "gen_ai.usage.audio.input_tokens": 40,
                "gen_ai.usage.audio.output_tokens": 30,
            },
            Tokens(60, output=20, audio_input=40, audio_output=30),
        ),
        ({"gen_ai.usage.input_tokens": 0, "gen_ai.usage.output_tokens": 0}, None),
        ({}, None),
    ],
)  # fmt: skip
def test_tokens_are_disjoint(attrs: dict[str, Any], expected: Tokens | None) -> None:
    """Every generation of keys ends as disjoint types; zeros and absence are unknown."""
    assert call_of(read_span(raw_span(chat(None) | attrs), CONTEXT)).tokens == expected


def test_cache_inclusion_is_the_scopes_and_configurable() -> None:
    """An operator can say that a scope's input excludes cached tokens."""
    attrs = chat((100, 5), gen_ai__usage__cache_read__input_tokens=60)
    context = Context(cache_inclusion={"mine": "exclusive"})
    tokens = call_of(read_span(raw_span(attrs, scope="mine"), context)).tokens
    assert tokens == Tokens(100, cache_read=60, output=5)


@pytest.mark.parametrize(
    ("usage", "expected"),
    [
        ('{"input": 100, "output": 5, "cache_read_input_tokens": 30}', Tokens(100, 30, output=5)),
        (
            '{"prompt_tokens": 100, "completion_tokens": 50, "total_tokens": 150,'
            ' "prompt_tokens_details": {"cached_tokens": 30},'
            ' "completion_tokens_details": {"reasoning_tokens": 20}}',
            Tokens(70, 30, output=30, reasoning=20),
        ),
        (
            '{"input_tokens": 100, "output_tokens": 5,'
            ' "input_tokens_details": {"cached_tokens": 1}}',
            Tokens(99, 1, output=5),
        ),
        (
            '{"input_tokens": 10, "output_tokens": 5, "cache_read_input_tokens": 7,'
            ' "cache_creation_input_tokens": 3}',
            Tokens(10, 7, 3, output=5),
        ),
    ],
)
def test_langfuse_usage_shapes(usage: str, expected: Tokens) -> None:
    """Flat cache keys are additive, nested ones are part of the input."""
    attrs = {
        "langfuse.observation.type": "generation",
        "langfuse.observation.model.name": "m",
        "langfuse.observation.usage_details": usage,
    }
    assert call_of(read_span(raw_span(attrs), CONTEXT)).tokens == expected


@pytest.mark.parametrize(
    "attrs",
    [
        {"gen_ai.usage.input_tokens": -1},
        {"gen_ai.usage.output_tokens": 10**15},
    ],
)
def test_impossible_numbers_reject_the_span(attrs: dict[str, Any]) -> None:
    """A number that cannot be true is not trusted, and neither is the rest of the span."""
    with pytest.raises(RejectedRecord):
        read_span(raw_span(chat() | attrs), CONTEXT)


@pytest.mark.parametrize(
    "attrs",
    [
        {"gen_ai.usage.cache_read.input_tokens": "n/a"},
        {"gen_ai.usage.cache_read.input_tokens": -1},
        {"gen_ai.usage.total_tokens": float("inf")},
        {"gen_ai.usage.reasoning.output_tokens": float("nan")},
        {"operation.cost": -5.0},
        {"operation.cost": "$0.0021"},
        {"gen_ai.response.time_to_first_chunk": float("nan"), "gen_ai.request.stream": True},
        {"http.request.resend_count": "twice"},
    ],
)
def test_an_optional_number_that_cannot_be_read_is_lost_alone(attrs: dict[str, Any]) -> None:
    """The call counts with all else that it says."""
    whole = call_of(read_span(raw_span(chat((100, 5))), CONTEXT))
    call = call_of(read_span(raw_span(chat((100, 5)) | attrs), CONTEXT))
    assert call.tokens == whole.tokens
    assert call.reported_cost is None and call.ttft_s is None


@pytest.mark.parametrize("value", [float("nan"), "lots"])
def test_a_call_whose_usage_cannot_be_read_counts_without_it(value: object) -> None:
    told = {"gen_ai.usage.input_tokens": value, "gen_ai.usage.output_tokens": value}
    assert call_of(read_span(raw_span(chat() | told), CONTEXT)).tokens is None


@pytest.mark.parametrize(
    "attrs",
    [
        {"gen_ai.usage.input_tokens": float("nan")},
        {"operation.cost": -5.0},
        {"gen_ai.usage.output_tokens": "lots"},
    ],
)
def test_numbers_that_are_none_are_lost_alone(attrs: dict[str, Any]) -> None:
    """What could not be read is counted as such; the call counts with the rest."""
    reading = read_span(raw_span(chat() | attrs), CONTEXT)
    assert call_of(reading).reported_cost is None
    assert reading.unreadable == 1


def test_a_count_that_is_not_a_number_is_unknown_where_the_sdk_means_that() -> None:
    """AI SDK 4 writes NaN for usage that the provider did not send."""
    attrs = {
        "ai.operationId": "ai.streamText.doStream",
        "ai.model.id": "m",
        "ai.usage.promptTokens": float("nan"),
        "ai.usage.completionTokens": float("nan"),
    }
    assert call_of(read_span(raw_span(attrs), CONTEXT)).tokens is None


def test_cost_parts_make_a_total_where_none_is_told() -> None:
    """Langfuse users may give parts alone; a gateway's input cost holds its cached tokens' cost."""
    langfuse = {
        "langfuse.observation.type": "generation",
        "langfuse.observation.model.name": "m",
        "langfuse.observation.cost_details": '{"input": 0.25, "output": 0.5}',
    }
    gateway = chat(
        gen_ai__cost__total_cost=0.75,
        gen_ai__cost__input_cost=0.25,
        gen_ai__cost__output_cost=0.5,
        gen_ai__cost__cache_read_cost=0.125,
    )
    first = call_of(read_span(raw_span(langfuse), CONTEXT)).reported_cost
    second = call_of(read_span(raw_span(gateway, scope="litellm"), CONTEXT)).reported_cost
    assert first is not None and second is not None
    assert first.total_usd == second.total_usd == 0.75
    assert second.by_type == (("input", 0.125), ("cache_read", 0.125), ("output", 0.5))


def test_structure_beats_the_operation_it_borrows() -> None:
    """LangSmith calls retrievers `embeddings`, Traceloop workflows `invoke_agent`."""
    retriever = {"langsmith.span.kind": "retriever", "gen_ai.operation.name": "embeddings"}
    workflow = {"traceloop.span.kind": "workflow", "gen_ai.operation.name": "invoke_agent"}
    kinds = [
        step.kind
        for attrs in (retriever, workflow)
        for step in read_span(raw_span(attrs), CONTEXT).records
        if isinstance(step, Step)
    ]
    assert kinds == ["retrieval", "workflow"]


def test_agents_carry_no_tokens() -> None:
    """What an agent span repeats is told as discarded, never counted."""
    attrs = chat((100, 50)) | {"gen_ai.operation.name": "invoke_agent", "gen_ai.agent.name": "a"}
    reading = read_span(raw_span(attrs), CONTEXT)
    assert (reading.drop, reading.reported_tokens) == ("rollup", 150)
    assert [type(r) for r in reading.records] == [Step]


@pytest.mark.parametrize(
    ("attrs", "ttft_s", "streaming"),
    [
        ({"gen_ai.response.time_to_first_chunk": 0.2}, 0.2, True),
        ({"gen_ai.request.stream": True}, None, True),
        ({"gen_ai.server.time_to_first_token": 0.9}, None, False),
        ({"gen_ai.response.time_to_first_chunk": -3}, None, False),
    ],
)
def test_first_token(attrs: dict[str, Any], ttft_s: float | None, streaming: bool) -> None:
    """A first-token time means streaming, except where emitters write it on every call."""
    call = call_of(read_span(raw_span(chat() | attrs), CONTEXT))
    assert (call.ttft_s, call.streaming) == (ttft_s, streaming)


def test_first_token_from_events_and_milliseconds() -> None:
    """OpenInference tells it by an event, the AI SDK in milliseconds."""
    oi = {"openinference.span.kind": "LLM", "llm.model_name": "m", "llm.token_count.prompt": 1}
    spans = [
        raw_span(oi, events=(event("First Token Stream Event", 0.25),)),
        raw_span({"ai.operationId": "ai.streamText.doStream", "ai.response.msToFirstChunk": 250,
                  "ai.model.id": "m"}),
    ]  # fmt: skip
    assert [call_of(read_span(s, CONTEXT)).ttft_s for s in spans] == [0.25, 0.25]


def test_sampling_weights() -> None:
    """Consistent probability sampling and a configured ratio scale counts."""
    half = raw_span(chat(), trace_state="vendor=1,ot=th:8")
    tenth = raw_span(chat(), service="sampled")
    context = Context(sampling={"sampled": 0.1})
    assert call_of(read_span(half, context)).weight == 2
    assert call_of(read_span(tenth, context)).weight == pytest.approx(10)
    with pytest.raises(RejectedRecord):
        read_span(raw_span(chat(), trace_state="ot=th:ffffffffffffff"), context)


def test_dimensions_come_from_span_resource_and_json() -> None:
    """The first key with a value wins; `#` looks into JSON and Python reprs."""
    context = Context(dimensions=(dimension("feature", ("nope", "metadata#feature")),))
    for metadata in ('{"feature": "refunds"}', "{'feature': 'refunds'}"):
        call = call_of(read_span(raw_span(chat() | {"metadata": metadata}), context))
        assert call.origin.dimensions == ("refunds",)


@pytest.mark.parametrize(
    ("label", "verdict"),
    [("Relevant", "pass"), ("Not Biased", "pass"), ("not_relevant", "fail"),
     ("Hallucinated", "fail"),
     ("error", "error"), ("formal", "unscored"), ("", "unscored")],
)  # fmt: skip
def test_evaluation_labels(label: str, verdict: str) -> None:
    """Labels as judges write them become verdicts; unknown ones are unscored."""
    log = raw_log(
        {
            "gen_ai.evaluation.name": "j",
            "gen_ai.evaluation.score.label": label,
            "gen_ai.evaluation.score.value": 0.5,
        },
        event="gen_ai.evaluation.result",
    )
    (record,) = read_log(log, CONTEXT).records
    assert isinstance(record, Verdict)
    assert (record.verdict, record.score, record.kind) == (verdict, 0.5, "llm")


def test_a_broken_judge_is_an_error_and_a_thumb_is_feedback() -> None:
    """A judge's failure is no verdict on the answer, and a user is no judge."""
    broken = {"gen_ai.evaluation.name": "j", "error.type": "Timeout"}
    thumb = {"gen_ai.evaluation.name": "user_feedback", "gen_ai.evaluation.score.value": 0}
    logs = [raw_log(a, event="gen_ai.evaluation.result") for a in (broken, thumb)]
    first, second = (read_log(log, CONTEXT).records[0] for log in logs)
    assert isinstance(first, Verdict) and first.verdict == "error"
    assert isinstance(second, Feedback) and second.rating == "negative"


def test_every_dialect_has_a_name_of_its_own() -> None:
    """Configuration names dialects."""
    names = [d.name for d in DIALECTS]
    assert len(set(names)) == len(names)


def test_no_content_is_wanted() -> None:
    """Keys that hold prompts and answers are not even decoded."""
    keys = wanted_keys(CONTEXT)
    content = {"gen_ai.prompt", "gen_ai.completion", "gen_ai.input.messages", "input.value",
               "gen_ai.output.messages", "output.value", "mlflow.spanInputs", "mlflow.spanOutputs",
               "langfuse.observation.input", "langfuse.observation.output", "user.id"}  # fmt: skip
    assert not keys & content
    assert not WANTED_PATTERN.fullmatch("evaluations.0.evaluation.explanation")


VALUES = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=20),
    st.binary(max_size=8),
    st.lists(st.text(max_size=5), max_size=3), st.dictionaries(st.text(max_size=5), st.integers()),
    st.sampled_from(["chat", "LLM", "generation", '{"input": 1}', '"CHAT_MODEL"', "llm", "tool"]),
)  # fmt: skip


@pytest.mark.dear
@draws(300)
@given(
    st.dictionaries(st.sampled_from(sorted(wanted_keys(CONTEXT))), VALUES, max_size=25),
    st.sampled_from([s for d in DIALECTS for s in d.scopes] + ["x"]),
    st.sampled_from([e for d in DIALECTS for e in d.logs]),
)
def test_any_attributes_are_read_or_rejected(attrs: dict[str, Any], scope: str, name: str) -> None:
    """No attribute value breaks a dialect other than by rejecting the record."""
    with suppress(RejectedRecord):
        read_span(raw_span(attrs, scope=scope), CONTEXT)
    with suppress(RejectedRecord):
        read_log(raw_log(attrs, scope=scope, event=name), CONTEXT)
