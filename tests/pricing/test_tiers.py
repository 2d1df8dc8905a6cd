"""Service tiers where the host's list has no price of them: its rule, the maker's, the default."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from llm_trace_exporter.model import Tokens
from llm_trace_exporter.pricing import Contract, Pricing, PricingPolicy
from llm_trace_exporter.pricing.tiers import HOST_TIERS

MILLION = Tokens(input=1_000_000)
NOVEMBER = datetime(2026, 11, 20, 12, tzinfo=UTC)
ASSUMED = {"tier"}


def priced(
    pricing: Pricing, make_call: Any, provider: str, model: str, tier: str
) -> tuple[float, set[str]]:
    """Dollars of a million input tokens at a global endpoint, and what they rest on."""
    call = make_call(provider, model, MILLION, at=NOVEMBER, service_tier=tier, region="global")
    found = pricing.price(call)
    assert found.cost_usd is not None
    return round(found.cost_usd, 9), {name for name, _ in found.assumptions}


@pytest.mark.parametrize(
    ("provider", "model", "tier", "usd"),
    [
        ("azure.ai.openai", "gpt-4o", "batch", 1.25),
        ("azure.ai.openai", "o3-mini", "batch", 0.55),
        ("aws.bedrock", "amazon.nova-pro-v1:0", "batch", 0.4),
        ("aws.bedrock", "us.anthropic.claude-opus-4-6-v1:0", "batch", 2.75),
        ("aws.bedrock", "global.anthropic.claude-opus-4-6-v1:0", "batch", 2.5),
        ("gcp.vertex_ai", "claude-opus-4-6", "batch", 2.5),
        ("gcp.vertex_ai", "gemini-2.5-flash", "batch", 0.15),
        ("openai", "gpt-4o", "priority", 4.25),
        ("openai", "gpt-4o", "batch", 1.25),
        ("anthropic", "claude-opus-4-6", "batch", 2.5),
        ("ollama", "llama3", "batch", 0.0),
    ],
)
def test_what_the_host_states_is_known(
    pricing: Pricing, make_call: Any, provider: str, model: str, tier: str, usd: float
) -> None:
    assert priced(pricing, make_call, provider, model, tier) == (usd, set())


@pytest.mark.parametrize(
    ("provider", "model", "tier", "usd"),
    [
        # The maker's price of the tier is nearer than the host's price of another one.
        ("azure.ai.openai", "gpt-4o", "priority", 4.25),
        ("azure.ai.openai", "gpt-5", "flex", 0.625),
        ("aws.bedrock", "amazon.nova-pro-v1:0", "flex", 0.8),
        ("aws.bedrock", "amazon.nova-pro-v1:0", "priority", 0.8),
        ("openai", "gpt-4o", "scale", 2.5),
        ("openai", "gpt-4o", "nonsense", 2.5),
        ("anthropic", "claude-opus-4-6", "priority", 5.0),
    ],
)
def test_what_nobody_states_is_assumed(
    pricing: Pricing, make_call: Any, provider: str, model: str, tier: str, usd: float
) -> None:
    assert priced(pricing, make_call, provider, model, tier) == (usd, ASSUMED)


@pytest.mark.parametrize("tier", ["", "default", "standard", "on_demand"])
def test_the_default_tier_is_known(pricing: Pricing, make_call: Any, tier: str) -> None:
    assert priced(pricing, make_call, "azure", "gpt-4o", tier) == (2.5, set())


def test_a_tier_is_known_from_the_day_on_which_the_list_has_it(
    pricing: Pricing, make_call: Any
) -> None:
    found = [
        pricing.price(make_call(tokens=MILLION, at=at, service_tier="priority"))
        for at in (datetime(2026, 10, day, 12, tzinfo=UTC) for day in (11, 12))
    ]
    assert [price.cost_usd for price in found] == pytest.approx([2.5, 4.25])
    assert [price.assumptions for price in found] == [(("tier", 2.5),), ()]


def test_a_contract_makes_a_tier_known(make_call: Any) -> None:
    contract = Contract("gpt-4o", tier="scale", usd_per_million_tokens={"input": 2.0})
    pricing = Pricing(PricingPolicy((contract,)))
    call = make_call(tokens=MILLION, service_tier="scale")
    assert pricing.price(call).assumptions == ()
    # Output is not in the contract: what it costs in this tier is still a guess.
    both = make_call(tokens=Tokens(input=1_000_000, output=1000), service_tier="scale")
    assert pricing.price(both).assumptions == (("tier", 0.01),)


def test_every_rule_is_for_a_host_of_the_list(pricing: Pricing) -> None:
    hosts = {provider.id for provider in pricing.catalogue.providers}
    assert {rule.host for rule in HOST_TIERS} <= hosts
    assert all(0 < rule.factor < 1 for rule in HOST_TIERS if rule.tier == "batch")
