"""A usage object made from known truth gives that truth back, however it is spelled and nested."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from typing import Any

from hypothesis import assume, given
from hypothesis import strategies as st

from llm_trace_exporter.dialects import Context
from llm_trace_exporter.model import LlmCall, Tokens
from tests.spans import raw_span, read_span

NAMES: dict[str, tuple[str, ...]] = {
    "input": ("input_tokens", "prompt_tokens", "inputTokens", "promptTokenCount", "input",
              "prompt_token_count", "tokens.in"),
    "output": ("output_tokens", "completion_tokens", "outputTokens", "candidatesTokenCount",
               "candidates_token_count", "output", "tokens.out"),
    "cache_read": ("cache_read_input_tokens", "cached_tokens", "cacheReadInputTokens",
                   "input_cached_tokens", "cached_content_token_count", "cache_read.input_tokens",
                   "input_tokens_details.cached_tokens", "promptTokensDetails.cachedTokens"),
    "cache_write": ("cache_creation_input_tokens", "cacheWriteInputTokens", "cache_write_tokens",
                    "cache_creation.input_tokens", "input_cache_creation"),
    "cache_write_5m": ("ephemeral_5m_input_tokens", "cache_creation.ephemeral_5m_input_tokens"),
    "cache_write_1h": ("ephemeral_1h_input_tokens", "cache_creation.ephemeral_1h_input_tokens"),
    "reasoning": ("reasoning_tokens", "thoughts_token_count", "reasoning_output_tokens",
                  "output_tokens_details.reasoning_tokens", "thinkingTokens",
                  "completionTokensDetails.reasoningTokens"),
    "total": ("total_tokens", "totalTokenCount", "total"),
}  # fmt: skip

Told = dict[str, int]


def nested(told: Told) -> dict[str, Any]:
    """The same with a dotted name as objects in objects."""
    found: dict[str, Any] = {}
    for name, value in told.items():
        *outer, last = name.split(".")
        inner = found
        for part in outer:
            inner = inner.setdefault(part, {})
        inner[last] = value
    return found


def flat(told: Told) -> dict[str, Any]:
    return {f"acme.usage.{name}": value for name, value in told.items()}


CONTAINERS: tuple[Callable[[Told], dict[str, Any]], ...] = (
    flat,
    lambda told: {f"gen_ai.usage.{name}": str(value) for name, value in told.items()},
    lambda told: {f"gen_ai.usage.{name}": float(value) for name, value in told.items()},
    lambda told: {"acme.usage": json.dumps(nested(told))},
    lambda told: {"llm.token_usage": repr(nested(told))},
    lambda told: {"acme.response.usage_details": nested(told)},
    lambda told: {"acme.usage": json.dumps(json.dumps(nested(told)))},
)

SOME = st.one_of(st.just(0), st.integers(1, 200_000))


@st.composite
def usages(draw: st.DrawFn) -> tuple[dict[str, Any], Tokens]:
    """Attributes of one span, and the tokens that they tell."""
    uncached, read, written = draw(st.integers(1, 200_000)), draw(SOME), draw(SOME)
    plain, thought = draw(st.integers(1, 200_000)), draw(SOME)
    cache_inside, thought_inside = draw(st.booleans()), draw(st.booleans())
    cached = read + written
    total = uncached + cached + plain + thought
    told = {
        "input": uncached + (cached if cache_inside else 0),
        "output": plain + (thought if thought_inside else 0),
        "total": total,
    }
    parts = {"cache_read": read, "reasoning": thought}
    hour: int | None = None
    if draw(st.booleans()):
        parts["cache_write"] = written
    else:
        hour = draw(st.integers(0, written))
        parts |= {"cache_write_5m": written - hour, "cache_write_1h": hour}
        hour = hour if written else None
    told |= {fact: size for fact, size in parts.items() if size or draw(st.booleans())}
    # Where several readings add up to the total, nothing can tell them apart.
    base = told["input"] + told["output"]
    sums = [base + a + b for a in (0, cached) for b in (0, thought)]
    sums += [base + written + b for b in (0, thought) if read and written]
    assume(sums.count(total) == 1 or not (cached and thought))
    spelled = [(draw(st.sampled_from(NAMES[fact])), count) for fact, count in told.items()]
    random.Random(draw(st.integers(0, 2**32))).shuffle(spelled)
    attrs = draw(st.sampled_from(CONTAINERS))(dict(spelled))
    expected = Tokens(
        uncached, read, written, plain, thought, cache_write_1h=hour if written else None
    )
    return attrs, expected


@given(usages())
def test_a_usage_gives_its_disjoint_tokens_back(usage: tuple[dict[str, Any], Tokens]) -> None:
    attrs, expected = usage
    named = {"gen_ai.operation.name": "chat", "gen_ai.request.model": "some-model"}
    reading = read_span(raw_span(named | attrs), Context())
    (call,) = [record for record in reading.records if isinstance(record, LlmCall)]
    assert call.tokens == expected


@given(usages(), st.integers(1, 10_000))
def test_what_the_total_holds_beyond_is_told(
    usage: tuple[dict[str, Any], Tokens], rest: int
) -> None:
    """Nothing that was told is lost, and nothing is told twice."""
    _, expected = usage
    told = {"gen_ai.usage.input_tokens": expected.input_all,
            "gen_ai.usage.output_tokens": expected.output_all,
            "gen_ai.usage.total_tokens": expected.total + rest}  # fmt: skip
    named = {"gen_ai.operation.name": "chat", "gen_ai.request.model": "some-model"}
    reading = read_span(raw_span(named | told), Context())
    (call,) = [record for record in reading.records if isinstance(record, LlmCall)]
    assert call.tokens is not None
    assert (call.tokens.total, call.tokens.unexplained) == (expected.total, rest)
