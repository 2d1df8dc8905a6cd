"""What a region costs: uplifts by provider and model, contracts by region, and what is not told."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from llm_trace_exporter.errors import ConfigError
from llm_trace_exporter.model import TOKEN_TYPES, Tokens
from llm_trace_exporter.pricing import Contract, Pricing, PricingPolicy, normalize_provider
from llm_trace_exporter.pricing.regions import REGIONAL_PRICES, normalize_region, regional_price

NOVEMBER = datetime(2026, 11, 20, 12, tzinfo=UTC)
TOKENS = Tokens(input=100_000)
VERTEX = ("gcp.vertex_ai", "claude-sonnet-4-5@20250929")


def price(pricing: Pricing, make_call: Any, provider: str, model: str, region: str) -> Any:
    return pricing.price(make_call(provider, model, TOKENS, at=NOVEMBER, region=region))


@pytest.mark.parametrize(
    ("provider", "model", "region"),
    [
        (*VERTEX, "us-east5"),
        (*VERTEX, "eu"),
        ("gcp.vertex_ai", "claude-opus-5", "us"),
        ("gcp.vertex_ai", "gemini-3.5-flash", "europe-west1"),
        ("azure.ai.openai", "gpt-4o", "eu"),
        ("azure.ai.openai", "gpt-5", "datazone"),
        ("anthropic", "claude-opus-4-6", "us"),
        ("openai", "gpt-5.4", "eu"),
    ],
)
def test_a_region_costs_a_tenth_more(
    pricing: Pricing, make_call: Any, provider: str, model: str, region: str
) -> None:
    there, anywhere = (
        price(pricing, make_call, provider, model, where) for where in (region, "global")
    )
    assert there.cost_usd == pytest.approx(1.1 * anywhere.cost_usd)
    assert there.assumptions == anywhere.assumptions == ()


@pytest.mark.parametrize(
    ("provider", "model", "region"),
    [
        ("gcp.vertex_ai", "claude-sonnet-4@20250514", "us-east5"),
        ("gcp.vertex_ai", "claude-3-5-haiku", "us-east5"),
        ("gcp.vertex_ai", "gemini-2.5-flash", "us-central1"),
        ("anthropic", "claude-sonnet-4-5", "us"),
        ("anthropic", "claude-opus-4-6", "not_available"),
        ("openai", "gpt-4o", "eu"),
        ("gcp.gemini", "gemini-3.5-flash", "us"),
        # Bedrock's list tells regions apart by the name of the model.
        ("aws.bedrock", "us.anthropic.claude-opus-4-6-v1:0", "us-east-1"),
    ],
)
def test_models_that_cost_the_same_everywhere(
    pricing: Pricing, make_call: Any, provider: str, model: str, region: str
) -> None:
    there, untold = (price(pricing, make_call, provider, model, where) for where in (region, ""))
    assert there.cost_usd == untold.cost_usd
    assert there.assumptions == untold.assumptions == ()


def test_a_vertex_endpoint_costs_what_google_says(pricing: Pricing, make_call: Any) -> None:
    assert price(pricing, make_call, *VERTEX, "us-east5").cost_usd == pytest.approx(0.33)
    assert price(pricing, make_call, *VERTEX, "global").cost_usd == pytest.approx(0.30)


def test_an_untold_region_is_an_assumption_where_there_is_no_usual_one(
    pricing: Pricing, make_call: Any
) -> None:
    untold = price(pricing, make_call, *VERTEX, "")
    assert untold.cost_usd == pytest.approx(0.30)
    assert dict(untold.assumptions) == pytest.approx({"region": 0.30})
    # Where an Azure resource is does not tell where its deployments compute.
    azure = price(pricing, make_call, "azure", "gpt-4o", "swedencentral")
    assert dict(azure.assumptions) == pytest.approx({"region": 0.25})


@pytest.mark.parametrize(
    ("provider", "model"), [("anthropic", "claude-opus-4-6"), ("openai", "gpt-5.4")]
)
def test_an_untold_region_is_none_where_one_must_ask_for_it(
    pricing: Pricing, make_call: Any, provider: str, model: str
) -> None:
    assert price(pricing, make_call, provider, model, "").assumptions == ()


def test_an_uplift_holds_from_its_first_day(pricing: Pricing, make_call: Any) -> None:
    found = [
        pricing.price(make_call("gcp.vertex_ai", "gemini-3.5-flash", TOKENS, at=at, region=region))
        for at in (datetime(2026, 6, 30, 23, tzinfo=UTC), datetime(2026, 7, 1, tzinfo=UTC))
        for region in ("europe-west1", "")
    ]
    before, _, after, _ = (price.cost_usd or 0.0 for price in found)
    assert after == pytest.approx(1.1 * before)
    assert [bool(price.assumptions) for price in found] == [False, False, False, True]


def test_the_operator_says_where_untold_calls_go(make_call: Any) -> None:
    for written, usd in (("global", 0.30), ("US-EAST5", 0.33)):
        pricing = Pricing(PricingPolicy(default_regions={"vertex": written}))
        untold = price(pricing, make_call, *VERTEX, "")
        assert (untold.cost_usd, untold.assumptions) == (pytest.approx(usd), ())
        told = price(pricing, make_call, *VERTEX, "eu")
        assert told.cost_usd == pytest.approx(0.33)


@pytest.mark.parametrize(
    ("answered", "asked", "usd"),
    [
        # An uplift is of the model whose price is taken.
        ("our-alias", "claude-sonnet-4-5", 0.33),
        ("claude-sonnet-4-5", "claude-3-5-haiku", 0.33),
        ("claude-3-5-haiku", "claude-sonnet-4-5", 0.08),
        ("our-alias", "claude-3-5-haiku", 0.08),
    ],
)
def test_the_model_that_is_priced_is_the_one_that_costs_more(
    pricing: Pricing, make_call: Any, answered: str, asked: str, usd: float
) -> None:
    named = {"response_model": answered, "request_model": asked}
    call = make_call("gcp.vertex_ai", "", TOKENS, at=NOVEMBER, region="eu", **named)
    assert pricing.price(call).cost_usd == pytest.approx(usd)


def test_a_default_region_is_of_a_provider() -> None:
    with pytest.raises(ConfigError, match="'litellm' is no provider"):
        PricingPolicy(default_regions={"vertex": "eu", "litellm": "eu"})


def test_contracts_are_for_regions(make_call: Any) -> None:
    def contract(usd: float, region: str = "", tier: str = "") -> Contract:
        agreed = {"input": usd}
        return Contract("claude-*", region=region, tier=tier, usd_per_million_tokens=agreed)

    contracts = (contract(1), contract(2, "Europe-*"), contract(4, tier="batch"))
    pricing = Pricing(PricingPolicy(contracts))

    def usd(region: str, tier: str = "") -> float:
        call = make_call(*VERTEX, Tokens(input=1_000_000), region=region, service_tier=tier)
        found = pricing.price(call)
        assert {line.source for line in found.cost} == {"contract"}
        assert found.assumptions == ()
        return found.cost_usd or 0.0

    assert [usd(region) for region in ("europe-west4", "us-east5", "")] == [2, 1, 1]
    # A tier says more than a region, as the pages say.
    assert usd("europe-west4", "batch") == 4


def test_regions_are_no_part_of_the_labels(pricing: Pricing, make_call: Any) -> None:
    found = {
        (priced.provider, priced.model)
        for priced in (price(pricing, make_call, *VERTEX, where) for where in ("", "eu", "x" * 999))
    }
    assert found == {("gcp.vertex_ai", "claude-sonnet-4-5")}


def test_words_for_no_region() -> None:
    told = [normalize_region(raw) for raw in ("", " ", "NOT_AVAILABLE", "US-East5 ", "global")]
    assert told == ["", "", "", "us-east5", "global"]


def test_every_uplift_is_for_a_provider_as_labelled() -> None:
    for known in REGIONAL_PRICES:
        assert normalize_provider(known.provider) == known.provider
        assert known.factor > 1
    assert regional_price("gcp.vertex_ai", "claude-sonnet-4-20250514") is None


counts = st.integers(0, 2_000_000)


@settings(max_examples=100, deadline=None)
@given(
    tokens=st.builds(Tokens, **dict.fromkeys(TOKEN_TYPES, counts)),
    hour=st.integers(0, 2_000_000),
    tier=st.sampled_from(["", "batch", "scale"]),
    region=st.sampled_from(["us-east5", "eu", "europe-west1"]),
)
def test_a_factor_is_on_every_dollar_of_tokens(
    pricing: Pricing, make_call: Any, tokens: Tokens, hour: int, tier: str, region: str
) -> None:
    used = replace(tokens, cache_write_1h=min(hour, tokens.cache_write))
    there, anywhere = (
        pricing.price(make_call(*VERTEX, used, at=NOVEMBER, service_tier=tier, region=where))
        for where in (region, "global")
    )
    assert [line.type for line in there.cost] == [line.type for line in anywhere.cost]
    for dear, plain in zip(there.cost, anywhere.cost, strict=True):
        assert dear.usd == pytest.approx(1.1 * plain.usd)
