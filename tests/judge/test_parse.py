"""Answers are read strictly."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_trace_exporter.judge.parse import Answer, parse_answer, parse_completion
from llm_trace_exporter.model import Tokens


@pytest.mark.parametrize(
    ("content", "verdict"),
    [
        ('{"verdict": true, "evidence": "q"}', True),
        ('\n {"evidence": "", "verdict": false} \n', False),
        ('{"verdict": true}', True),
        ('```json\n{"verdict": true}\n```', True),
        ('<think>is {"verdict": false}?</think>\n{"verdict": true}', True),
    ],
)
def test_what_is_a_verdict(content: str, verdict: bool) -> None:
    answer = parse_answer(content)
    assert answer is not None and answer.verdict is verdict


@pytest.mark.parametrize(
    "content",
    [
        "",
        "TRUE",
        "true",
        "[]",
        "{}",
        "null",
        '"verdict"',
        '{"verdict": "true"}',
        '{"verdict": 1}',
        '{"verdict": null}',
        '{"verdict": true, "verdict": false}',
        '{"verdict": true, "evidence": 5}',
        '{"verdict": true, "score": 1}',
        '{"verdict": true} {"verdict": false}',
        'Sure! {"verdict": true}',
        '{"verdict": true} Thanks.',
        '{"answer": {"verdict": true}}',
        '[{"verdict": true}]',
        '[["verdict", true]]',
        '{"verdict": tru',
        '<think>{"verdict": true}',
        "{" * 100_000,
        '{"verdict": NaN}',
    ],
    ids=range(23),
)
def test_what_is_none(content: str) -> None:
    assert parse_answer(content) is None


@given(st.text(max_size=60) | st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner),
).map(json.dumps))  # fmt: skip
def test_nothing_else_is_ever_a_verdict(content: str) -> None:
    answer = parse_answer(content)
    assert answer is None or isinstance(json.loads(content)["verdict"], bool)


@given(st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
def test_no_body_raises(body: bytes) -> None:
    parse_completion(body)


@pytest.mark.parametrize(
    ("usage", "tokens"),
    [
        ({"prompt_tokens": 5, "completion_tokens": 2}, Tokens(input=5, output=2)),
        ({"prompt_tokens": 5, "prompt_tokens_details": {"cached_tokens": 9}}, Tokens(cache_read=5)),
        ({"prompt_tokens": -5, "completion_tokens": 10**12}, None),
        ({"prompt_tokens": True}, None),
        ({"prompt_tokens": "5", "cost": float("nan")}, None),
        ([], None),
    ],
)
def test_usage(usage: object, tokens: Tokens | None) -> None:
    body = json.dumps({"choices": [{"message": {"content": "x"}}], "usage": usage}).encode()
    found = parse_completion(body)
    assert found is not None and found.tokens == tokens and found.reported_cost is None


def test_content_in_parts_and_cut_off() -> None:
    body = b'{"choices": [{"finish_reason": "length", "message": {"content": [{"text": "a"}, 5]}}]}'
    found = parse_completion(body)
    assert found is not None
    assert (found.content, found.is_whole) == ("a", False)


def test_evidence_is_not_in_what_is_printed() -> None:
    assert "secret" not in repr(Answer(True, "secret"))
