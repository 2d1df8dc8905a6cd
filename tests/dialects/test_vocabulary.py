"""What names say of tokens, and names that only look as if they did."""

from __future__ import annotations

import json
from typing import Any

import pytest

from llm_trace_exporter.dialects import Context
from llm_trace_exporter.dialects.open_names import places_of
from llm_trace_exporter.dialects.vocabulary import bucket_of_attribute, bucket_of_member
from llm_trace_exporter.model import LlmCall, Tokens
from tests.spans import chat, raw_span, read_span

MEMBERS = {
    "input": """input_tokens inputTokens inputTokenCount prompt_tokens promptTokenCount
        prompt_eval_count billed_units.input_tokens input_token_count native_tokens_prompt
        x_groq.usage.prompt_tokens""",
    "output": """output_tokens completionTokens candidatesTokenCount eval_count generated_tokens
        generated_token_count native_tokens_completion details.generated_tokens""",
    "total": "total_tokens totalTokenCount totalTokens tokens",
    "cache_read": """prompt_cache_hit_tokens cached_tokens num_cached_tokens cacheReadInputTokens
        cachedContentTokenCount prompt_tokens_details.cached_tokens cached_prompt_text_tokens
        input_token_details.cached_tokens_details.text_tokens native_tokens_cached""",
    "cache_read_audio": "input_token_details.cached_tokens_details.audio_tokens",
    "cache_write": """cache_creation_input_tokens cacheWriteInputTokenCount
        prompt_tokens_details.cache_write_tokens""",
    "cache_write_5m": "cache_creation.ephemeral_5m_input_tokens",
    "cache_write_1h": "cache_creation.ephemeral_1h_input_tokens",
    "reasoning": """reasoning_tokens thoughtsTokenCount output_tokens_details.reasoning_tokens
        completion_tokens_details.reasoning_tokens output_token_details.reasoning""",
    "audio_input": "input_token_details.audio_tokens prompt_tokens_details.audio_tokens",
    "audio_output": "output_token_details.audio_tokens output_token_details.audio",
    "tool_input": "toolUsePromptTokenCount",
    "other_input": "input_token_details.text_tokens prompt_tokens_details.image_tokens",
    "other_output": "output_token_details.text_tokens completion_tokens_details.image_tokens",
    "uncached_input": """prompt_cache_miss_tokens uncached_input_tokens non_cached_prompt_tokens
        inputTokenDetails.noCacheTokens""",
    "citation": "citation_tokens output_tokens_details.citation_tokens",
    "web_searches": """server_tool_use.web_search_requests web_search_calls num_search_queries
        num_sources_used""",
    "": """total_duration eval_duration prompt_eval_duration queue_time
        completion_time cost is_byok file_search_calls search_context_size
        cost_details.upstream_inference_cost invocationLatency prompt_audio_seconds
        completion_tokens_details.accepted_prediction_tokens billed_units.search_units
        server_tool_use.web_fetch_requests rag_sources_used knowledge_search_count
        code_search_calls""",
}

NO_USAGE_NAMES = """
    ratelimit.tokens x-ratelimit-remaining-tokens rate_limiter.tokens.used throttle.tokens.total
    token_bucket.tokens gen_ai.request.max_tokens llm.max_output_tokens token_budget
    agent.token_budget.input session.cumulative.input_tokens llm.tokens_per_second tps.output_tokens
    tpm.input_tokens avg_input_tokens mean.output.tokens daily_input_tokens projected_output_tokens
    reserved_input_tokens allowed_output_tokens input_tokens_before input_tokens_after
    savings.tokens auth.token oauth.token oauth.access_token.length csrf_token
    jwt.tokens.total lock.token
    pagination.token page_token.input push.tokens.sent crypto.tokens.received lexer.tokens.count
    parser.input_tokens token_count chunk.token_count document.tokens context.tokens text.tokens
    gpu.usage gpu.memory.usage cpu.usage cpu.usage.total process.cpu.usage db.usage memory.usage
    memory.usage.input memory.usage.total system.memory.usage disk.usage.total network.usage.input
    network.io.usage.received storage.usage heap.usage.used k8s.pod.cpu.usage container.cpu.usage
    k8s.container.memory.usage usage.web_fetch_requests web.requests
"""
NO_USAGE = NO_USAGE_NAMES.split()


@pytest.mark.parametrize(
    ("name", "fact"), [(name, fact) for fact, names in MEMBERS.items() for name in names.split()]
)
def test_members_of_usage_objects(name: str, fact: str) -> None:
    found = bucket_of_member(tuple(name.split(".")))
    assert (found.fact if found else "") == fact


@pytest.mark.parametrize(
    ("name", "fact"),
    [(name, fact) for fact, names in MEMBERS.items() for name in names.split() if fact],
)
def test_attributes_say_the_same(name: str, fact: str) -> None:
    found = bucket_of_attribute(f"acme.usage.{name}")
    assert found is not None and found.fact == fact


@pytest.mark.parametrize("name", NO_USAGE)
def test_what_only_looks_like_usage(name: str) -> None:
    assert bucket_of_attribute(name) is None
    assert not places_of([name], ())


@pytest.mark.parametrize("name", NO_USAGE)
def test_beside_usage_it_changes_nothing(name: str) -> None:
    """A machine's bytes are no total of tokens that nothing explains."""
    reading = read_span(raw_span(chat((100, 5)) | {name: 900_000}), Context())
    (call,) = reading.records
    assert isinstance(call, LlmCall) and call.tokens == Tokens(100, output=5)
    assert not reading.unreadable


GEMINI: dict[str, Any] = {
    "promptTokensDetails": [
        {"modality": "TEXT", "tokenCount": 70},
        {"modality": "AUDIO", "tokenCount": 30},
    ],
    "promptTokenCount": 100,
    "cacheTokensDetails": [
        {"modality": "TEXT", "tokenCount": 40},
        {"modality": "AUDIO", "tokenCount": 20},
    ],
    "cachedContentTokenCount": 60,
    "candidatesTokenCount": 30,
    "toolUsePromptTokenCount": 40,
    "thoughtsTokenCount": 20,
    "totalTokenCount": 190,
}
CONVERSE: dict[str, Any] = {
    "inputTokens": 10,
    "outputTokens": 20,
    "totalTokens": 64,
    "cacheReadInputTokens": 30,
    "cacheWriteInputTokens": 4,
    "cacheDetails": [{"ttl": "1h", "inputTokens": 3}, {"ttl": "5m", "inputTokens": 1}],
}
REALTIME: dict[str, Any] = {
    "total_tokens": 253,
    "input_tokens": 132,
    "output_tokens": 121,
    "input_token_details": {
        "text_tokens": 112,
        "audio_tokens": 20,
        "cached_tokens": 64,
        "cached_tokens_details": {"text_tokens": 54, "audio_tokens": 10},
    },
    "output_token_details": {"text_tokens": 30, "audio_tokens": 91},
}
EXPECTED = [
    ("gcp.gemini", GEMINI, Tokens(70, cache_read=60, output=30, reasoning=20, audio_input=10)),
    (
        "aws.bedrock",
        CONVERSE,
        Tokens(10, cache_read=30, cache_write=4, output=20, cache_write_1h=3),
    ),
    ("openai", REALTIME, Tokens(58, cache_read=64, output=30, audio_input=10, audio_output=91)),
]


@pytest.mark.parametrize("encode", [json.dumps, repr, dict])
@pytest.mark.parametrize(("provider", "usage", "expected"), EXPECTED)
def test_lists_say_in_each_row_what_they_count(
    provider: str, usage: dict[str, Any], expected: Tokens, encode: Any
) -> None:
    attrs = {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": provider,
        "gen_ai.request.model": "m",
        "gen_ai.usage.raw": encode(usage),
    }
    (call,) = read_span(raw_span(attrs), Context()).records
    assert isinstance(call, LlmCall) and call.tokens == expected


@pytest.mark.parametrize(
    "rows",
    [[], [None], ["x"], [{"tokenCount": 9}], [{"modality": 3, "tokenCount": 9}], [[{"a": 1}]]],
)
def test_rows_that_say_nothing_of_themselves_count_nothing(rows: list[Any]) -> None:
    usage = {"promptTokenCount": 100, "candidatesTokenCount": 5, "promptTokensDetails": rows}
    attrs = {"acme.model": "m", "acme.usage": json.dumps(usage)}
    (call,) = read_span(raw_span(attrs), Context()).records
    assert isinstance(call, LlmCall) and call.tokens == Tokens(100, output=5)


@pytest.mark.parametrize("untrue", [-1, 2**63 - 1, "many"])
def test_a_guess_by_name_never_costs_the_call(untrue: Any) -> None:
    """What no table lists may be of something else."""
    attrs = {"gen_ai.operation.name": "chat", "gen_ai.request.model": "m"}
    told = {"gen_ai.usage.output_tokens": 3, "acme.input_tokens": untrue}
    (call,) = read_span(raw_span(attrs | told), Context()).records
    assert isinstance(call, LlmCall) and call.tokens == Tokens(0, output=3)


@pytest.mark.parametrize(("told", "searches", "lost"), [(2, 2, 0), (10**6, 0, 1), (-1, 0, 1)])
def test_searches_beyond_belief_are_no_fees(told: int, searches: int, lost: int) -> None:
    usage = {"input_tokens": 3, "server_tool_use": {"web_search_requests": told}}
    attrs = {"gen_ai.operation.name": "chat", "gen_ai.usage.raw": json.dumps(usage)}
    reading = read_span(raw_span(attrs), Context())
    (call,) = reading.records
    assert isinstance(call, LlmCall) and call.tokens == Tokens(3)
    assert (call.web_searches, reading.unreadable) == (searches, lost)


def test_only_so_many_objects_are_parsed() -> None:
    """Each may be kilobytes of Python, which takes milliseconds."""
    attrs = {f"acme{number}.usage": "{'x': 1}" for number in range(8)}
    told = {"late.usage": '{"input_tokens": 3}'}
    chat_ = {"gen_ai.operation.name": "chat"}
    (unseen,) = read_span(raw_span(chat_ | attrs | told), Context()).records
    (seen,) = read_span(raw_span(chat_ | told | attrs), Context()).records
    assert isinstance(unseen, LlmCall) and unseen.tokens is None
    assert isinstance(seen, LlmCall) and seen.tokens == Tokens(3)


def test_parts_of_what_is_not_told_are_no_usage_of_zero() -> None:
    attrs = {"gen_ai.operation.name": "chat", "acme.system_prompt_tokens": 50}
    (call,) = read_span(raw_span(attrs), Context()).records
    assert isinstance(call, LlmCall) and call.tokens is None
