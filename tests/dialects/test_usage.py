"""Where counts overlap, and where they cannot: every token once, at the edges as well."""

from __future__ import annotations

from typing import Any

import pytest

from llm_trace_exporter.dialects import Context
from llm_trace_exporter.model import LlmCall, Tokens
from tests.spans import chat, raw_log, raw_span, read_log, read_span

READ = "gen_ai.usage.cache_read.input_tokens"
WRITE = "gen_ai.usage.cache_write.input_tokens"
INPUT, OUTPUT = "gen_ai.usage.input_tokens", "gen_ai.usage.output_tokens"
THOUGHT = "gen_ai.usage.reasoning.output_tokens"
HEARD = "gen_ai.usage.audio.input_tokens"
SPOKEN = "gen_ai.usage.audio.output_tokens"
TOTAL = "gen_ai.usage.total_tokens"


@pytest.mark.parametrize(
    ("told", "more", "expected"),
    [
        # Read wholly from the cache: as many as the input are still a part of it.
        ((100, 5), {READ: 100}, Tokens(0, cache_read=100, output=5)),
        ((100, 5), {READ: 60, WRITE: 40}, Tokens(0, cache_read=60, cache_write=40, output=5)),
        ((100, 5), {READ: 101}, Tokens(100, cache_read=101, output=5)),
        ((100, 5), {READ: 60, WRITE: 41}, Tokens(100, cache_read=60, cache_write=41, output=5)),
        ((100, 5), {WRITE: 100}, Tokens(0, cache_write=100, output=5)),
        # Thinking that is all of the output, and more than it.
        ((10, 30), {THOUGHT: 30}, Tokens(10, output=0, reasoning=30)),
        ((10, 5), {THOUGHT: 30}, Tokens(10, output=5, reasoning=30)),
        # The total says that it stands beside the output.
        ((10, 30), {THOUGHT: 20, TOTAL: 60}, Tokens(10, output=30, reasoning=20)),
        ((10, 30), {THOUGHT: 20, TOTAL: 40}, Tokens(10, output=10, reasoning=20)),
        ((10, 30), {THOUGHT: 1, TOTAL: 41}, Tokens(10, output=30, reasoning=1)),
        # A total of one more than anything that was told.
        ((100, 5), {READ: 30, TOTAL: 106}, Tokens(70, cache_read=30, output=5, unexplained=1)),
        ((100, 5), {TOTAL: 108}, Tokens(100, output=5, unexplained=3)),
        ((100, 5), {READ: 30, TOTAL: 135}, Tokens(100, cache_read=30, output=5)),
        (
            (100, 5),
            {READ: 30, THOUGHT: 2, TOTAL: 137},
            Tokens(100, cache_read=30, output=5, reasoning=2),
        ),
        ((100, 30), {READ: 100, THOUGHT: 20, TOTAL: 150}, Tokens(0, 100, output=30, reasoning=20)),
        # More audio than there is of anything.
        ((100, 5), {HEARD: 250}, Tokens(0, audio_input=100, output=5)),
        ((100, 5), {HEARD: 80, READ: 60}, Tokens(0, cache_read=60, audio_input=40, output=5)),
        ((100, 50), {SPOKEN: 70}, Tokens(100, output=0, audio_output=50)),
        ((100, 50), {SPOKEN: 40, THOUGHT: 20}, Tokens(100, reasoning=20, audio_output=30)),
        ((100, 0), {READ: 30}, Tokens(70, cache_read=30)),
        ((0, 50), {SPOKEN: 20}, Tokens(0, output=30, audio_output=20)),
        # The direction that is not told is the rest of the total, and nothing is unexplained.
        ((10, None), {TOTAL: 15}, Tokens(10, output=5)),
        ((None, 5), {TOTAL: 15}, Tokens(10, output=5)),
    ],
)  # fmt: skip
def test_every_token_is_one(
    told: tuple[int | None, int | None], more: dict[str, int], expected: Tokens
) -> None:  # fmt: skip
    assert tokens_of(told, more) == expected


def tokens_of(
    told: tuple[int | None, int | None], more: dict[str, Any], **span: Any
) -> Tokens | None:
    usage = dict(zip((INPUT, OUTPUT), told, strict=True))
    attrs = chat(None) | {key: n for key, n in usage.items() if n is not None} | more
    reading = read_span(raw_span(attrs, **span), Context())
    (call,) = [r for r in reading.records if isinstance(r, LlmCall)]
    return call.tokens


def test_the_total_of_embeddings_is_input_but_for_what_was_answered() -> None:
    embeds = {"gen_ai.operation.name": "embeddings", TOTAL: 20}
    assert tokens_of((None, None), embeds) == Tokens(20)
    assert tokens_of((None, 5), embeds) == Tokens(15, output=5)


def test_who_leaves_the_cached_tokens_out_of_the_input() -> None:
    """OpenLIT hands on what Anthropic says, also where it could be a part."""
    openlit = {"gen_ai.provider.name": "anthropic", READ: 30}
    assert tokens_of((100, 5), openlit, scope="openlit") == Tokens(100, 30, output=5)


@pytest.mark.parametrize(("total", "read"), [(112, 107), (105, 100), (None, 100), (111, 100)])
def test_what_tools_put_in_is_input_where_the_total_says_so(total: int | None, read: int) -> None:
    """Gemini's count of tool results: beside the input, or a part of it."""
    attrs = {"input_token_count": 100, "output_token_count": 5, "tool_token_count": 7}
    told = attrs if total is None else attrs | {"total_token_count": total}
    reading = read_log(
        raw_log(told, scope="gemini-cli", event="gemini_cli.api_response"), Context()
    )
    (call,) = [r for r in reading.records if isinstance(r, LlmCall)]
    rest = 6 if total == 111 else 0
    assert call.tokens == Tokens(read, output=5, reasoning=rest)


def test_what_tools_put_in_is_told_apart_from_thinking() -> None:
    attrs = {
        "input_token_count": 100, "output_token_count": 5, "tool_token_count": 7,
        "thoughts_token_count": 3, "total_token_count": 115,
    }  # fmt: skip
    reading = read_log(
        raw_log(attrs, scope="gemini-cli", event="gemini_cli.api_response"), Context()
    )
    (call,) = [r for r in reading.records if isinstance(r, LlmCall)]
    assert call.tokens is not None and call.tokens.input == 107
    assert call.tokens.reasoning == 3


def test_a_zero_under_one_name_does_not_hide_what_another_says() -> None:
    told = {"gen_ai.usage.prompt_tokens": 9, "gen_ai.usage.completion_tokens": 4}
    span = raw_span(chat((0, 0)) | told)
    (call,) = [r for r in read_span(span, Context()).records if isinstance(r, LlmCall)]
    assert call.tokens == Tokens(9, output=4)


def test_a_single_token_of_a_tier_is_told_apart_from_the_sum_beside_it() -> None:
    usage = '{"input": 1, "output": 1, "input_flex": 1, "output_flex": 1}'
    attrs = {"langfuse.observation.type": "generation", "langfuse.observation.usage_details": usage}
    (call,) = [r for r in read_span(raw_span(attrs), Context()).records if isinstance(r, LlmCall)]
    assert (call.tokens, call.service_tier) == (Tokens(1, output=1), "flex")


@pytest.mark.parametrize(
    ("scope", "more", "assumed"),
    [
        ("my-app", {}, True),
        ("my-app", {TOTAL: 105}, False),
        ("my-app", {"gen_ai.provider.name": "openai"}, False),
        ("strands.telemetry.tracer", {HEARD: 5}, False),
        ("org.springframework.boot", {}, False),
        ("opentelemetry.instrumentation.genai.anthropic", {}, False),
    ],
)
def test_what_nothing_says_of_cached_tokens_is_an_assumption(
    scope: str, more: dict[str, object], assumed: bool
) -> None:
    """Anthropic's own counts leave them out, and many write the conventions' names."""
    attrs = chat((100, 5)) | {READ: 30, "gen_ai.provider.name": "anthropic"} | more
    reading = read_span(raw_span(attrs, scope=scope), Context())
    (call,) = [r for r in reading.records if isinstance(r, LlmCall)]
    assert call.tokens is not None and call.tokens.inclusion_assumed is assumed
