"""Contracts: which one covers a call, from when to when, and at what price."""

from __future__ import annotations

import math
from datetime import UTC, date, datetime
from typing import Any

import pytest

from llm_trace_exporter.errors import ConfigError
from llm_trace_exporter.model import Tokens
from llm_trace_exporter.pricing import Contract, Pricing, PricingPolicy

EVERY_TYPE = Tokens(1000, 1000, 1000, 1000, 1000, 1000, 1000)


def per_million(**usd: float) -> dict[str, Any]:
    return {"usd_per_million_tokens": usd}


def cost(make_call: Any, *contracts: Contract, **call: Any) -> float | None:
    usd: float | None = Pricing(PricingPolicy(contracts)).price(make_call(**call)).cost_usd
    return usd


def by_type(make_call: Any, contract: Contract, **call: Any) -> dict[str, tuple[str, float]]:
    priced = Pricing(PricingPolicy((contract,))).price(make_call(**call))
    return {line.type: (line.source, line.usd) for line in priced.cost}


def test_contract_comes_before_the_list(make_call: Any) -> None:
    assert cost(make_call, Contract("gpt-4o", **per_million(input=1, output=1))) == pytest.approx(
        0.0012
    )


def test_types_without_a_price_take_the_one_of_their_side(make_call: Any) -> None:
    contract = Contract("acme-1", **per_million(input=1, output=2))
    lines = by_type(make_call, contract, provider="acme", model="acme-1", tokens=EVERY_TYPE)
    assert {kind: round(usd * 1000, 9) for kind, (_, usd) in lines.items()} == {
        "input": 1,
        "cache_read": 1,
        "cache_write": 1,
        "audio_input": 1,
        "output": 2,
        "reasoning": 2,
        "audio_output": 2,
    }
    assert {source for source, _ in lines.values()} == {"contract"}


def test_own_prices_of_types_come_first(make_call: Any) -> None:
    contract = Contract("*", **per_million(input=10, cache_read=1, output=10, reasoning=5))
    lines = by_type(make_call, contract, tokens=EVERY_TYPE)
    assert lines["cache_read"][1] == pytest.approx(0.001)
    assert lines["reasoning"][1] == pytest.approx(0.005)


def test_what_a_contract_does_not_name_is_at_list_price(make_call: Any) -> None:
    lines = by_type(make_call, Contract("gpt-4o", **per_million(output=1)))
    assert {kind: source for kind, (source, _) in lines.items()} == {
        "input": "list",
        "cache_read": "list",
        "output": "contract",
    }
    assert lines["output"][1] == pytest.approx(0.0002)


def test_a_side_that_nothing_prices_is_unpriced_tokens(make_call: Any) -> None:
    pricing = Pricing(PricingPolicy((Contract("acme-1", **per_million(output=1)),)))
    priced = pricing.price(make_call("acme", "acme-1"))
    assert priced.cost_usd == pytest.approx(0.0002)
    assert priced.unpriced == "unknown_model"
    assert priced.unpriced_tokens == (("input", 600), ("cache_read", 400))


def test_a_fee_is_added_to_token_prices(make_call: Any) -> None:
    contract = Contract("gpt-4o", usd_per_request=0.01, **per_million(input=0, output=0))
    assert by_type(make_call, contract)["request"] == ("contract", 0.01)


def test_a_fee_alone_is_the_whole_price(make_call: Any) -> None:
    contract = Contract("gpt-4o", usd_per_request=0.01)
    assert by_type(make_call, contract) == {"request": ("contract", 0.01)}


def test_a_contract_prices_local_providers_and_models_nobody_lists(
    make_call: Any,
) -> None:
    contract = Contract("llama*", provider="ollama", **per_million(input=1, output=1))
    assert cost(make_call, contract, provider="ollama", model="llama3.2") == pytest.approx(0.0012)


@pytest.mark.parametrize(
    ("winner", "loser"),
    [
        (
            Contract("gpt-4o", **per_million(input=1)),
            Contract("gpt-4o*", **per_million(input=9)),
        ),
        (
            Contract("gpt-4*", **per_million(input=1)),
            Contract("gpt*", **per_million(input=9)),
        ),
        (
            Contract("gpt-4o", provider="openai", **per_million(input=1)),
            Contract("gpt-4o", **per_million(input=9)),
        ),
        (
            Contract("gpt-4o", tier="batch", **per_million(input=1)),
            Contract("gpt-4o", **per_million(input=9)),
        ),
        (
            Contract("gpt-4o", valid_from=date(2026, 1, 1), **per_million(input=1)),
            Contract("gpt-4o", valid_from=date(2025, 1, 1), **per_million(input=9)),
        ),
    ],
    ids=["exact", "longer", "provider", "tier", "later"],
)
def test_the_most_specific_contract_wins_in_any_order(
    make_call: Any, winner: Contract, loser: Contract
) -> None:
    call = {"tokens": Tokens(input=10**6), "service_tier": "batch"}
    assert cost(make_call, winner, loser, **call) == pytest.approx(1)
    assert cost(make_call, loser, winner, **call) == pytest.approx(1)


def test_equally_specific_contracts_go_in_the_order_given(make_call: Any) -> None:
    first, second = (Contract("gpt-4o", **per_million(input=usd, output=0)) for usd in (1, 9))
    assert cost(make_call, first, second, tokens=Tokens(input=10**6)) == pytest.approx(1)


@pytest.mark.parametrize(
    ("moment", "source"),
    [
        (datetime(2026, 2, 28, 23, 59, 59, tzinfo=UTC), "list"),
        (datetime(2026, 3, 1, tzinfo=UTC), "contract"),
        (datetime(2026, 3, 31, 23, 59, 59, tzinfo=UTC), "contract"),
        (datetime(2026, 4, 1, tzinfo=UTC), "list"),
    ],
)
def test_both_days_of_validity_belong_to_the_contract(
    make_call: Any, moment: datetime, source: str
) -> None:
    march: dict[str, Any] = {"valid_from": date(2026, 3, 1), "valid_until": date(2026, 3, 31)}
    contract = Contract("gpt-4o", **march, **per_million(input=1, output=1))
    assert by_type(make_call, contract, at=moment)["input"][0] == source


def test_dates_at_the_end_of_the_calendar_are_open_ends(make_call: Any) -> None:
    ends: dict[str, Any] = {"valid_from": date.min, "valid_until": date.max}
    assert cost(make_call, Contract("*", usd_per_request=1, **ends)) == 1


@pytest.mark.parametrize(
    "call",
    [
        {"provider": "azure_openai"},
        {"provider": "azure", "model": "GPT-4O-2024-08-06"},
        {"provider": "azure", "model": "gpt-4o", "service_tier": "standard"},
        {
            "provider": "azure",
            "request_model": "gpt-4o-prod",
            "response_model": "who-knows",
        },
    ],
)
def test_names_are_compared_as_labels_and_as_written(make_call: Any, call: dict[str, str]) -> None:
    assert cost(make_call, Contract("Gpt-4o*", provider="azure", usd_per_request=7), **call) == 7


def test_the_default_tier_can_have_a_contract_of_its_own(make_call: Any) -> None:
    contract = Contract("gpt-4o", tier="default", usd_per_request=7)
    assert cost(make_call, contract) == cost(make_call, contract, service_tier="standard") == 7
    assert cost(make_call, contract, service_tier="batch") != 7


def test_a_pattern_has_classes_and_single_characters(make_call: Any) -> None:
    contract = Contract("gpt-?[no]", usd_per_request=7)
    assert cost(make_call, contract) == 7
    assert cost(make_call, contract, model="gpt-4.1") != 7


@pytest.mark.dear
def test_thousands_of_contracts_find_the_one(make_call: Any) -> None:
    many = [Contract(f"m-{i}*", usd_per_request=i) for i in range(1000, 4000)]
    exact = [Contract(f"n-{i}", usd_per_request=i) for i in range(1000, 4000)]
    assert cost(make_call, *many, *exact, model="m-2345-x") == 2345
    assert cost(make_call, *many, *exact, model="n-2345") == 2345
    assert cost(make_call, *many, *exact, model="n-99999") is None


def test_other_providers_tiers_and_models_are_not_covered(make_call: Any) -> None:
    contract = Contract("gpt-4o", provider="azure", tier="batch", usd_per_request=7)
    assert cost(make_call, contract, provider="azure") != 7
    assert cost(make_call, contract, provider="openai", service_tier="batch") != 7
    assert cost(make_call, contract, provider="azure", model="o3", service_tier="batch") != 7


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"model": " ", "usd_per_request": 1}, "model is empty"),
        ({"model": "*"}, "no price"),
        ({"model": "*", "usd_per_request": 1, "provider": "litellm"}, "no provider"),
        ({"model": "*", **per_million(inputs=1)}, "unknown token type"),
        ({"model": "*", **per_million(input=-1)}, "finite and not negative"),
        ({"model": "*", "usd_per_request": math.nan}, "finite and not negative"),
        ({"model": "*", "usd_per_web_search": -1}, "usd_per_web_search is -1"),
        (
            {
                "model": "*",
                "usd_per_request": 1,
                "valid_from": date(2026, 2, 1),
                "valid_until": date(2026, 1, 1),
            },
            "before from",
        ),
    ],
)
def test_impossible_contracts_are_refused(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Contract(**fields)


def test_all_problems_are_told_at_once() -> None:
    with pytest.raises(ConfigError) as caught:
        Contract("", usd_per_request=-1, **per_million(nope=math.inf))
    assert len(caught.value.problems) == 4
