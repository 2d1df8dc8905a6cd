"""What was said in the calls of real captures, and in hostile ones."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_trace_exporter.content.extract import (
    MAX_RECORD_CHARS,
    MESSAGE_EVENTS,
    TEXT_KEYS,
    TEXT_PATTERN,
    ContentExtractor,
    RawContent,
    extract_content,
    is_text_key,
)
from llm_trace_exporter.content.messages import MAX_JSON_CHARS
from llm_trace_exporter.content.record import CallContent
from llm_trace_exporter.dialects import (
    WANTED_PATTERN,
    Context,
    RecordParser,
    wanted_keys,
)
from llm_trace_exporter.model import LlmCall, Step
from llm_trace_exporter.otlp.attributes import KeyFilter
from llm_trace_exporter.otlp.decode import decode_logs, decode_traces
from llm_trace_exporter.otlp.files import iter_requests
from llm_trace_exporter.otlp.records import RawLog, RawSpan
from tests.spans import event, raw_log, raw_span

CORPUS = Path(__file__).parents[1] / "corpus"
STUB = "The answer from the stub model is forty two."
SHORT = "This is a short stub answer."
KEYS = wanted_keys(Context())
FILTER = KeyFilter(
    KEYS | TEXT_KEYS,
    re.compile(f"{WANTED_PATTERN.pattern}|{TEXT_PATTERN.pattern}"),
    fleeting=is_text_key,
    bodies=MESSAGE_EVENTS,
)
TAKER = ContentExtractor(KEYS, WANTED_PATTERN)


@cache
def said_in(source: str) -> tuple[tuple[CallContent, ...], tuple[str, ...]]:
    """(what was said in each answered call, retrieved documents) of one capture."""
    reader = RecordParser(Context())
    texts: dict[tuple[bytes, bytes], list[RawContent]] = defaultdict(list)
    calls: list[tuple[bytes, bytes]] = []
    retrievals: list[RawContent] = []
    for request in iter_requests(CORPUS / source, lambda _: None):
        if request.signal == "metrics" or request.encoding != "protobuf":
            continue
        decode = decode_traces if request.signal == "traces" else decode_logs
        batch = decode(request.body, FILTER)
        records: list[RawSpan | RawLog] = [*batch.spans, *batch.logs]
        for record in records:
            taken = TAKER.extract(record)
            is_span = isinstance(record, RawSpan)
            reading = reader.span(record) if isinstance(record, RawSpan) else reader.log(record)
            key = (record.trace_id, record.span_id)
            if taken is not None:
                texts[key].append(taken)
            for found in reading.records:
                is_sum = reading.precedence == "evidence" and isinstance(reading.records[0], Step)
                if isinstance(found, LlmCall) and is_span and not (found.error_type or is_sum):
                    calls += [key] if found.operation not in ("embeddings", "rerank") else []
                if isinstance(found, Step) and found.kind == "retrieval" and taken is not None:
                    retrievals.append(taken)
    said = tuple(extract_content(texts[key]) for key in calls)
    return said, extract_content([], retrievals).documents


ANSWERS = {
    **dict.fromkeys(
        ("deepeval-pydantic-ai", "langfuse", "langsmith", "litellm-proxy", "mlflow"), STUB
    ),
    **dict.fromkeys(
        ("logfire-pydantic-ai", "openinference-anthropic", "openinference-langchain"), STUB
    ),
    **dict.fromkeys(("openinference-litellm", "openinference-openai", "openlit"), STUB),
    **dict.fromkeys(("otel-genai-anthropic", "otel-genai-openai", "otel-google-genai"), STUB),
    **dict.fromkeys(("otel-openai-v2-legacy", "strands-agents", "traceloop-guardrails"), STUB),
    **dict.fromkeys(("traceloop-langchain", "traceloop-openai-anthropic"), STUB),
    **dict.fromkeys(("vercel-ai-sdk", "vercel-ai-sdk-v7-legacy"), STUB),
    **dict.fromkeys(("agent-framework", "langsmith-langchain", "litellm-sdk"), SHORT),
    **dict.fromkeys(("logfire-openai", "mlflow-langchain-openai", "opensearch-genai"), SHORT),
    **dict.fromkeys(("openinference-autogen-agentchat", "openinference-bedrock"), SHORT),
    **dict.fromkeys(("openinference-google-genai", "openinference-haystack-agent"), SHORT),
    **dict.fromkeys(("openinference-llama-index", "openinference-openai-agents"), SHORT),
    **dict.fromkeys(("openinference-pydantic-ai", "openlit-1.34"), SHORT),
    **dict.fromkeys(("otel-genai-langchain", "otel-openai-v2-experimental"), SHORT),
    **dict.fromkeys(("traceloop-llamaindex", "vercel-ai-sdk-v7-otel"), SHORT),
}
"""Capture -> what the stub answered to plain questions."""


@pytest.mark.parametrize(("source", "answer"), ANSWERS.items())
def test_a_capture_tells_questions_and_answers(source: str, answer: str) -> None:
    """Every call has its question; each answer is the stub's own, not JSON around it."""
    said, _ = said_in(source)
    assert any(e.answer == answer for e in said)
    wrapped = [e.answer for e in said if answer in e.answer and e.answer.strip() != answer]
    assert wrapped == []
    told = [e for e in said if e.answer == answer]
    # Spans made by hand may have no question.
    assert sum(bool(e.user or e.tool_results) for e in told) >= 0.8 * len(told)
    shapes = ('"choices"', '"generations"', '"parts"', '"tool_calls"', "HumanMessage")
    assert not [e for e in said if any(shape in e.user + e.answer for shape in shapes)]


@pytest.mark.parametrize(
    ("source", "question"),
    [
        ("langfuse", "What is the answer?"),
        ("langsmith", "What is the answer?"),
        ("mlflow", "What is the answer?"),
        ("openinference-openai", "What is the answer?"),
        ("openlit", "What is the answer?"),
        ("otel-genai-openai", "What is the answer?"),
        ("otel-openai-v2-legacy", "What is the answer?"),
        ("strands-agents", "What is the answer?"),
        ("traceloop-openai-anthropic", "What is the answer?"),
        ("vercel-ai-sdk", "What is the answer?"),
    ],
)
def test_the_question_is_the_users_last_words(source: str, question: str) -> None:
    said, _ = said_in(source)
    assert question in [e.user for e in said]


@pytest.mark.parametrize(
    ("source", "result"),
    [
        ("langfuse", "21C"),
        ("langsmith", "21C"),
        ("mlflow", "21C"),
        ("openinference-anthropic", "21C"),
        ("openinference-bedrock", "sunny"),
        ("openinference-langchain", "21C in Paris"),
        ("otel-genai-anthropic", "21C"),
        ("otel-openai-v2-legacy", "21C"),
        ("strands-agents", "21C"),
        ("traceloop-langchain", "21C in Paris"),
        ("vercel-ai-sdk", "21C in Paris"),
        ("vercel-ai-sdk-v7-otel", "sunny in Paris"),
    ],
)
def test_what_tools_returned_is_told(source: str, result: str) -> None:
    said, _ = said_in(source)
    assert any(result in r for e in said for r in e.tool_results)
    assert not [e for e in said if e.user == result]


@pytest.mark.parametrize("source", ["langfuse", "langsmith", "mlflow", "openinference-openai"])
def test_system_instructions_are_told(source: str) -> None:
    said, _ = said_in(source)
    assert "You are terse." in {e.system for e in said}


@pytest.mark.parametrize(
    ("source", "documents"),
    [
        ("openinference-haystack", {"Shipping takes 5 days.", "The refund window is 30 days."}),
        ("openinference-langchain", {"Shipping takes 5 days.", "Support is open on weekdays."}),
        ("traceloop-langchain", {"Shipping takes 5 days.", "Support is open on weekdays."}),
        ("mlflow-langchain-openai", {"Rome is the capital of Italy."}),
        ("langsmith-langchain", {"Rome is the capital of Italy."}),
        ("trulens", {"doc one", "doc two"}),
    ],
)
def test_retrieved_documents_are_told(source: str, documents: set[str]) -> None:
    _, found = said_in(source)
    assert set(found) == documents


@pytest.mark.parametrize("source", ["otel-openai-v2", "splunk-genai-evals", "claude-code"])
def test_captures_with_content_off_tell_nothing(source: str) -> None:
    said, documents = said_in(source)
    assert {e.answer + e.user for e in said} <= {""}
    assert documents == ()


def exchange(attrs: dict[str, Any], **told: Any) -> CallContent:
    """What one span with these attributes says."""
    taken = TAKER.extract(raw_span(dict(attrs), **told))
    return extract_content([taken] if taken is not None else [])


SCHEMA = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
FORMAT = {"type": "json_schema", "json_schema": {"name": "n", "schema": SCHEMA}}


@pytest.mark.parametrize(
    ("attrs", "schema"),
    [
        ({"gen_ai.output.type": "json"}, None),
        ({"ai.settings.output": "object", "ai.schema": json.dumps(SCHEMA)}, SCHEMA),
        ({"llm.invocation_parameters": json.dumps({"response_format": FORMAT})}, SCHEMA),
        ({"llm.invocation_parameters": json.dumps({"format": "json"})}, None),
        (
            {
                "input.value": json.dumps(
                    {"text": {"format": {"type": "json_schema", "schema": SCHEMA}}}
                )
            },
            SCHEMA,
        ),
        (
            {
                "input.value": json.dumps(
                    {
                        "config": {
                            "response_mime_type": "application/json",
                            "response_schema": SCHEMA,
                        }
                    }
                )
            },
            SCHEMA,
        ),
        ({"gen_ai.request.structured_output_schema": json.dumps(SCHEMA)}, SCHEMA),
    ],
)
def test_json_that_was_asked_for(attrs: dict[str, Any], schema: dict[str, Any] | None) -> None:
    said = exchange({**attrs, "ai.response.text": '{"n": 1}'})
    assert said.asked_json
    assert (json.loads(said.schema) if said.schema else None) == schema
    assert said.answer == '{"n": 1}'


@pytest.mark.parametrize(
    "attrs",
    [
        {},
        {"gen_ai.output.type": "text"},
        {"llm.invocation_parameters": json.dumps({"response_format": {"type": "text"}})},
        {"input.value": "please answer in response_format json"},
        {"llm.invocation_parameters": '{"response_format": "<class Answer>"}'},
    ],
)
def test_json_that_was_not_asked_for(attrs: dict[str, Any]) -> None:
    said = exchange({**attrs, "output.value": "hello"})
    assert (said.asked_json, said.schema) == (False, "")


def test_a_refusal_beside_empty_messages_is_the_answer() -> None:
    answer = {"choices": [{"message": {"role": "assistant", "content": None, "refusal": "No."}}]}
    flat = {"llm.output_messages.0.message.role": "assistant"}
    assert exchange({**flat, "output.value": json.dumps(answer)}).answer == "No."
    assert exchange({**flat, "output.value": "assistant: None"}).answer == ""


@pytest.mark.parametrize("key", ["output.value", "gen_ai.completion.0.content", "ai.response.text"])
@pytest.mark.parametrize("answer", ['{"answer": "x"}', '{"text": "y", "n": [1]}', "[1, 2]"])
def test_an_answer_in_json_stays_whole(key: str, answer: str) -> None:
    assert exchange({key: answer}).answer == answer


def test_indexed_messages_of_openllmetry() -> None:
    said = exchange(
        {
            "gen_ai.prompt.0.role": "system",
            "gen_ai.prompt.0.content": "Be kind.",
            "gen_ai.prompt.2.role": "user",
            "gen_ai.prompt.2.content": '[{"type": "text", "text": "new question"}]',
            "gen_ai.prompt.10.role": "tool",
            "gen_ai.prompt.10.content": "21C",
            "gen_ai.prompt.1.role": "user",
            "gen_ai.prompt.1.content": "old question",
            "gen_ai.completion.0.role": "assistant",
            "gen_ai.completion.0.content": "It is 21C.",
        }
    )
    assert (said.system, said.answer, said.tool_results) == ("Be kind.", "It is 21C.", ("21C",))
    assert "new question" in said.user


def test_an_earlier_answer_in_the_request_is_not_the_answer() -> None:
    request = [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]
    said = exchange({"input.value": json.dumps({"messages": request})})
    assert (said.user, said.answer) == ("a", "")


def test_events_tell_messages() -> None:
    events = (
        event("gen_ai.user.message", content="hi"),
        event("gen_ai.choice", message='{"role": "assistant", "content": "hello"}'),
    )
    said = exchange({}, events=events)
    assert (said.user, said.answer) == ("hi", "hello")


def test_bodies_of_log_events_tell_messages() -> None:
    log = raw_log({}, event="gen_ai.choice")
    log.content = {"index": 0, "message": {"role": "assistant", "content": "hello"}}
    taken = TAKER.extract(log)
    assert taken is not None
    assert extract_content([taken]).answer == "hello"


def test_the_first_reporter_that_knows_a_part_tells_it() -> None:
    inner, outer = (
        TAKER.extract(raw_span(attrs))
        for attrs in (
            {"ai.response.text": "inner"},
            {"output.value": "outer", "input.value": "question"},
        )
    )
    assert inner is not None
    assert outer is not None
    said = extract_content([inner, outer])
    assert (said.user, said.answer) == ("question", "inner")


def test_every_text_is_cut() -> None:
    taken = TAKER.extract(raw_span({"input.value": "x" * 5000, "ai.response.text": "y" * 5000}))
    assert taken is not None
    said = extract_content([taken], max_chars=100)
    assert (len(said.user), len(said.answer)) == (100, 100)


def test_what_reads_numbers_never_sees_texts() -> None:
    span = raw_span(
        {"gen_ai.input.messages": "[]", "gen_ai.request.model": "m", "input.value": "x"}
    )
    TAKER.extract(span)
    assert span.attrs == {"gen_ai.request.model": "m"}


def test_too_much_text_is_not_kept() -> None:
    assert TAKER.extract(raw_span({"input.value": "x" * (MAX_RECORD_CHARS + 1)})) is None


def test_no_text_shows_in_a_repr() -> None:
    taken = TAKER.extract(raw_span({"input.value": "canary", "output.value": "canary"}))
    assert taken is not None
    assert "canary" not in repr(taken) + repr(extract_content([taken]))


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20) | st.binary(),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(
                [
                    *("role", "content", "parts", "type", "messages", "choices", "message"),
                    *("text", "lc", "kwargs", "id", "output", "toolResult", "response_format"),
                    *("format", "documents"),
                ]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)
NAMES = st.sampled_from(
    [*sorted(TEXT_KEYS), "llm.input_messages.0.message.content", "gen_ai.prompt.7.role"]
)


@pytest.mark.dear
@given(st.dictionaries(NAMES, VALUES | VALUES.map(lambda v: json.dumps(v, default=repr))))
def test_nothing_that_is_sent_breaks_it(attrs: dict[str, Any]) -> None:
    said = exchange(attrs, events=(event("gen_ai.choice", message=attrs),))
    assert all(isinstance(text, str) for text in (said.user, said.answer, said.system))


@pytest.mark.parametrize(
    "hostile",
    [
        "[" * 100_000,
        '{"messages":' * 20_000,
        "[" * 900 + '"x"' + "]" * 900,
        '{"role":"user","content":' * 500 + '"x"' + "}" * 500,
        "(" * 60_000,
        "user: " * 40_000,
        "\ud800",
        json.dumps([{"role": "user", "content": "x"}] * 9_000)[:MAX_JSON_CHARS],
        "9" * 5_000,
    ],
)
def test_hostile_nesting_is_only_not_read(hostile: str) -> None:
    keys = ("gen_ai.input.messages", "gen_ai.prompt", "output.value", "llm.invocation_parameters")
    for key in keys:
        exchange({key: hostile})
    extract_content([], [RawContent({"output.value": hostile})])
