"""The explanation of one price, as numbers and as text."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

import pytest
from msgspec.structs import replace

from llm_trace_exporter.errors import ConfigError
from llm_trace_exporter.model import Tokens
from llm_trace_exporter.pricing import (
    Contract,
    Pricing,
    PricingPolicy,
    explain,
    render,
    tokens_from_totals,
)

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)
TOKENS = Tokens(input=600, cache_read=400, output=200)


def test_totals_hold_their_parts() -> None:
    assert tokens_from_totals(input_all=1000, cached=400, output_all=200) == TOKENS
    parts = {
        "cached": 1,
        "cache_write": 2,
        "reasoning": 3,
        "audio_input": 4,
        "audio_output": 5,
    }
    tokens = tokens_from_totals(input_all=10, output_all=10, **parts)
    assert (tokens.input_all, tokens.output_all) == (10, 10)
    assert (tokens.input, tokens.output) == (3, 2)


@pytest.mark.parametrize(
    ("counts", "message"),
    [
        ({"input_all": 10, "output_all": 0, "cached": 11}, "input 10 is less"),
        ({"input_all": 0, "output_all": 10, "reasoning": 11}, "output 10 is less"),
        ({"input_all": -1, "output_all": 0}, "negative"),
        ({"input_all": 5, "output_all": 0, "cache_write_1h": -1}, "negative"),
        ({"input_all": 5, "output_all": 0, "cache_write": 2, "cache_write_1h": 3}, "of an hour"),
    ],
)
def test_impossible_counts_are_refused(counts: dict[str, int], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        tokens_from_totals(**counts)


def test_text_of_a_list_price(pricing: Pricing) -> None:
    text = render(explain(pricing, "openai", "gpt-4o-2024-08-06", TOKENS, at=NOON))
    assert text[0] == "provider   openai"
    assert "model      gpt-4o" in text
    assert any("list entry 'gpt-4o' of OpenAI by the name 'gpt-4o-2024-08-06'" in t for t in text)
    assert "input                 600 tokens x $2.5 / 1M              = $0.0015  (list)" in text
    assert "cache_read            400 tokens x $1.25 / 1M             = $0.0005  (list)" in text
    assert text[-1] == "total        $0.004"


def test_agrees_with_the_price_of_a_call(pricing: Pricing, make_call: Any) -> None:
    for provider, model in [
        ("openai", "o3"),
        ("perplexity", "sonar"),
        ("ollama", "llama3"),
    ]:
        explained = explain(pricing, provider, model, TOKENS, at=NOON)
        assert explained.total_usd == pricing.price(make_call(provider, model)).cost_usd


def test_says_above_which_size_a_rate_holds(pricing: Pricing) -> None:
    large = explain(pricing, "google", "gemini-2.5-pro", Tokens(input=300_000), at=NOON)
    assert large.lines[0].note == "rate above 200000 input tokens"
    small = explain(pricing, "google", "gemini-2.5-pro", Tokens(input=200_000), at=NOON)
    assert small.lines[0].note == ""


def test_names_the_contract_and_its_period() -> None:
    contract = Contract(
        "gpt-4o*",
        provider="azure",
        tier="batch",
        valid_from=date(2026, 1, 1),
        valid_until=date(2026, 12, 31),
        usd_per_million_tokens={"input": 1, "output": 1},
    )
    pricing = Pricing(PricingPolicy((contract,)))
    explained = explain(pricing, "azure", "gpt-4o", TOKENS, tier="batch", at=NOON)
    assert "contract for model 'gpt-4o*', provider azure, tier batch" in explained.matched
    assert explained.validity == (
        datetime(2026, 1, 1, tzinfo=UTC),
        datetime(2027, 1, 1, tzinfo=UTC),
    )
    assert "valid      from 2026-01-01 until before 2027-01-01" in render(explained)
    assert {line.source for line in explained.lines} == {"contract"}


@pytest.mark.parametrize(
    ("provider", "model", "tokens", "said"),
    [
        ("", "", TOKENS, "no_model: no model was named"),
        (
            "acme",
            "x",
            TOKENS,
            "unknown_model: neither a contract nor the list has a price for it",
        ),
        ("openai", "gpt-4o", Tokens(), "no_usage: no token counts"),
        (
            "groq",
            "whisper-large-v3",
            TOKENS,
            "per_request: the list prices it by",
        ),
    ],
)
def test_says_why_there_is_no_price(
    pricing: Pricing, provider: str, model: str, tokens: Tokens, said: str
) -> None:
    text = render(explain(pricing, provider, model, tokens, at=NOON))
    assert "total        unpriced" in text
    assert said in text[-1]


def test_a_flat_fee_is_one_line() -> None:
    pricing = Pricing(PricingPolicy((Contract("*", usd_per_request=0.5),)))
    text = render(explain(pricing, "openai", "gpt-4o", TOKENS, at=NOON))
    assert "request                 1 call                            = $0.50  (contract)" in text
    assert text[-1] == "total        $0.50"


SONNET = ("vertex", "claude-sonnet-4-5")
WRITES = tokens_from_totals(input_all=110_000, output_all=0, cache_write=100_000)


def test_text_of_what_costs_more_than_tokens(pricing: Pricing) -> None:
    tokens = tokens_from_totals(
        input_all=100_000, output_all=0, cache_write=100_000, cache_write_1h=40_000
    )
    asked: dict[str, Any] = {"region": "us-east5", "tier": "batch", "web_searches": 3, "at": NOON}
    text = render(explain(pricing, "vertex", "claude-fable-5-2", tokens, **asked))
    assert "region     us-east5" in text
    assert any("x 1.1 in region us-east5" in line for line in text)
    assert "cache_write         60000 tokens x $5.5 / 1M              = $0.33  (list)" in text
    assert (
        "cache_write         40000 tokens x $8.8 / 1M              = $0.352  (list, for an hour)"
        in text
    )
    assert "request                 3 searches                        = $0.03  (list)" in text
    assert text[-1] == "total        $0.712"


def test_says_what_is_assumed(pricing: Pricing) -> None:
    text = render(explain(pricing, *SONNET, WRITES, tier="scale", at=NOON))
    assumed = [line.split(":")[0] for line in text if line.startswith("assumed")]
    assert assumed == [
        "assumed      tier, $0.405",
        "assumed      region, $0.405",
        "assumed      cache_lifetime, $0.375",
    ]
    told = replace(WRITES, cache_write_1h=0)
    known = explain(pricing, *SONNET, told, region="global", at=NOON)
    assert known.total_usd == pytest.approx(0.405)
    assert known.assumptions == ()


def test_agrees_with_the_price_of_a_call_in_all_that_it_may_tell(
    pricing: Pricing, make_call: Any
) -> None:
    told: list[dict[str, Any]] = [
        {"region": region, "web_searches": searches}
        for region in ("", "eu", "global")
        for searches in (0, 2)
    ]
    for tokens in (WRITES, replace(WRITES, cache_write_1h=30_000)):
        for tier in ("", "batch", "scale"):
            for more in told:
                call = pricing.price(make_call(*SONNET, tokens, service_tier=tier, **more))
                explained = explain(pricing, *SONNET, tokens, tier=tier, at=NOON, **more)
                assert explained.total_usd == pytest.approx(call.cost_usd)
                assert explained.assumptions == call.assumptions
                assert explained.unpriced == call.unpriced


def test_searches_without_a_price_are_told(pricing: Pricing) -> None:
    text = render(explain(pricing, "mistral", "mistral-large-latest", TOKENS, web_searches=1))
    assert text[-1].startswith("unpriced     per_request: ")
    with pytest.raises(ConfigError, match="negative"):
        explain(pricing, "mistral", "mistral-large-latest", TOKENS, web_searches=-1)


def test_a_moment_without_a_zone_is_utc_and_none_is_now(pricing: Pricing) -> None:
    naive = explain(pricing, "openai", "gpt-4o", TOKENS, at=datetime(2026, 6, 1, 12))
    assert naive.at == NOON
    assert explain(pricing, "openai", "gpt-4o", TOKENS).at > NOON
