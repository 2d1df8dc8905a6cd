"""Usage in lists, and counts that stand beside what they are usually a part of."""

from __future__ import annotations

import json
from typing import Any

import pytest

from llm_trace_exporter.dialects import Context
from llm_trace_exporter.model import LlmCall, Tokens
from tests.spans import chat, raw_span, read_span

STEPS = [
    {"prompt_tokens": 10, "completion_tokens": 5},
    {"prompt_tokens": 20, "completion_tokens": 7, "prompt_tokens_details": {"cached_tokens": 8}},
]
ITERATIONS: dict[str, Any] = {
    "input_tokens": 45,
    "output_tokens": 12,
    "iterations": [
        {"type": "compaction", "input_tokens": 180, "output_tokens": 35},
        {"type": "message", "input_tokens": 45, "output_tokens": 12},
    ],
}
MODALITIES = {
    "promptTokensDetails": [
        {"modality": "TEXT", "tokenCount": 60},
        {"modality": "AUDIO", "tokenCount": 40},
    ],
    "candidatesTokensDetails": [{"modality": "TEXT", "tokenCount": 20}],
}
KINDS = [
    {"type": "input", "tokens": 100},
    {"type": "output", "tokens": 30},
    {"type": "cache_read", "tokens": 40},
]


def call_of(attrs: dict[str, Any], provider: str = "openai") -> LlmCall:
    told = {"gen_ai.operation.name": "chat", "gen_ai.request.model": "m"}
    span = raw_span(told | {"gen_ai.provider.name": provider} | attrs, scope="my-app")
    (call,) = read_span(span, Context()).records
    assert isinstance(call, LlmCall)
    return call


@pytest.mark.parametrize("encode", [json.dumps, repr, lambda usage: usage])
@pytest.mark.parametrize(
    ("usage", "expected"),
    [
        (STEPS, Tokens(22, cache_read=8, output=12)),
        ({"steps": [{"usage": step} for step in STEPS]}, Tokens(22, cache_read=8, output=12)),
        # The sum beside its parts, and the last step beside all.
        ({"input_tokens": 30, "output_tokens": 12, "steps": STEPS}, Tokens(30, output=12)),
        (ITERATIONS, Tokens(225, output=47)),
        (MODALITIES, Tokens(60, output=20, audio_input=40)),
        (KINDS, Tokens(60, cache_read=40, output=30)),
        ([{"name": "prompt_tokens", "value": 9}], Tokens(9)),
        ([json.dumps(step) for step in STEPS], Tokens(22, cache_read=8, output=12)),
        (["{", "x", json.dumps(STEPS[0])], Tokens(10, output=5)),
    ],
)
def test_lists_of_usage_add_up(usage: Any, expected: Tokens, encode: Any) -> None:
    assert call_of({"acme.usage": encode(usage)}).tokens == expected


@pytest.mark.parametrize("encode", [json.dumps, lambda rows: rows])
def test_the_parts_of_a_count_may_have_an_attribute(encode: Any) -> None:
    name = "gen_ai.usage.promptTokensDetails"
    rows = encode(MODALITIES["promptTokensDetails"])
    whole = {"gen_ai.usage.input_tokens": 100, "gen_ai.usage.output_tokens": 20}
    expected = Tokens(60, output=20, audio_input=40)
    assert call_of(whole | {name: rows}).tokens == expected
    assert call_of({"gen_ai.usage.output_tokens": 20, name: rows}).tokens == expected


def test_a_list_of_rows_beyond_the_limit_is_no_sum() -> None:
    rows = [{"modality": "TEXT", "tokenCount": 1}] * 17
    usage = {"promptTokensDetails": rows, "candidatesTokenCount": 5}
    assert call_of({"acme.usage": json.dumps(usage)}).tokens == Tokens(0, output=5)


MISSED = {"prompt_cache_hit_tokens": 60, "prompt_cache_miss_tokens": 40, "completion_tokens": 10}


@pytest.mark.parametrize(
    "more", [{}, {"prompt_tokens": 100}, {"total_tokens": 110}, {"prompt_cache_hit_tokens": 60}]
)
def test_what_came_out_of_no_cache_is_the_rest_of_the_input(more: dict[str, int]) -> None:
    """DeepSeek's API; of `prompt_tokens` it is a part."""
    expected = Tokens(40, cache_read=60, output=10)
    assert call_of({"acme.usage": json.dumps(MISSED | more)}, "deepseek").tokens == expected
    flat = {f"gen_ai.usage.{name}": told for name, told in (MISSED | more).items()}
    assert call_of(flat, "deepseek").tokens == expected


def test_what_came_out_of_no_cache_changes_nothing_beside_the_input() -> None:
    more = {"ai.usage.inputTokenDetails.noCacheTokens": 60}
    assert call_of(chat((100, 5)) | more).tokens == Tokens(100, output=5)


SONAR = {
    "prompt_tokens": 10, "completion_tokens": 100, "total_tokens": 110, "citation_tokens": 50,
    "num_search_queries": 3, "reasoning_tokens": 70,
}  # fmt: skip


def test_perplexity_counts_reasoning_and_citations_beside_all() -> None:
    call = call_of({"acme.usage": json.dumps(SONAR)}, "perplexity")
    assert call.tokens == Tokens(10, output=100, reasoning=70, citations=50)
    assert call.web_searches == 3


@pytest.mark.parametrize(
    ("provider", "total", "expected"),
    [
        ("xai", None, Tokens(10, output=50, reasoning=20, reasoning_assumed=True)),
        ("xai", 80, Tokens(10, output=50, reasoning=20)),
        ("xai", 60, Tokens(10, output=30, reasoning=20)),
        ("openai", None, Tokens(10, output=30, reasoning=20)),
    ],
)
def test_xai_counts_reasoning_beside_the_output_unless_the_total_says_otherwise(
    provider: str, total: int | None, expected: Tokens
) -> None:
    told = chat((10, 50)) | {"gen_ai.usage.reasoning_tokens": 20}
    more = {} if total is None else {"gen_ai.usage.total_tokens": total}
    assert call_of(told | more | {"gen_ai.provider.name": provider}).tokens == expected


def test_sources_that_live_search_used_are_searches() -> None:
    usage = {"prompt_tokens": 1, "completion_tokens": 1, "num_sources_used": 4}
    assert call_of({"acme.usage": json.dumps(usage)}, "xai").web_searches == 4


@pytest.mark.parametrize("name", ["session", "history", "limits", "cumulative", "attempts"])
def test_a_list_beside_a_usage_that_is_not_of_its_steps_says_nothing_of_it(name: str) -> None:
    usage = {"prompt_tokens": 100, "completion_tokens": 50, name: STEPS * 9}
    assert call_of({"acme.usage": json.dumps(usage)}).tokens == Tokens(100, output=50)


def test_what_is_told_beside_the_steps_alone_is_not_lost() -> None:
    usage = ITERATIONS | {
        "cache_read_input_tokens": 500,
        "server_tool_use": {"web_search_requests": 2},
    }
    call = call_of({"acme.usage": json.dumps(usage)}, "anthropic")
    assert call.web_searches == 2
    assert call.tokens is not None and call.tokens.cache_read == 500
    assert call.tokens.output == 47


@pytest.mark.parametrize("number", [float, int])
@pytest.mark.parametrize("encode", [json.dumps, lambda row: row])
def test_rows_that_split_a_count_add_up_however_they_are_written(number: Any, encode: Any) -> None:
    rows = [{"modality": m, "tokenCount": number(n)} for m, n in (("TEXT", 80), ("IMAGE", 20))]
    usage = {"promptTokensDetails": [encode(row) for row in rows], "candidatesTokenCount": 5}
    assert call_of({"acme.usage": json.dumps(usage)}, "gcp.gemini").tokens == Tokens(100, output=5)


@pytest.mark.parametrize(
    ("provider", "model", "is_inside"),
    [
        ("relaxai", "deepseek-r1", True),
        ("", "sonarqube-helper", True),
        ("xai", "grok-4", False),
        ("x_ai", "grok-4", False),
        ("", "grok-4-fast", False),
        ("", "sonar-pro", False),
        ("openrouter", "x-ai/grok-4", True),
    ],
)
def test_only_whole_names_say_where_reasoning_is(
    provider: str, model: str, is_inside: bool
) -> None:
    told = {"gen_ai.request.model": model, "acme.usage": json.dumps(THINKING)}
    call = call_of(told, provider)
    assert call.tokens is not None
    assert (call.tokens.output == 30) == is_inside


THINKING = {"prompt_tokens": 100, "completion_tokens": 50, "reasoning_tokens": 20}
