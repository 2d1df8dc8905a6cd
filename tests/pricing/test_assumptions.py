"""Lifetimes of cache writes, searches, tokens of no type, and what a price rests on untold."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from llm_trace_exporter.model import TOKEN_TYPES, Tokens
from llm_trace_exporter.pricing import Contract, Pricing, PricingPolicy
from llm_trace_exporter.settled import CostLine, PricedCall

SONNET = ("anthropic", "claude-sonnet-4-5")
WRITES = Tokens(input=10_000, cache_write=100_000, output=10)


def rests(priced: PricedCall) -> dict[str, float]:
    """Assumption -> the dollars that rest on it."""
    return dict(priced.assumptions)


def writes(**usd: float) -> Contract:
    return Contract("*", usd_per_million_tokens=usd)


def of_type(priced: PricedCall, kind: str) -> float:
    return sum(line.usd for line in priced.cost if line.type == kind)


@pytest.mark.parametrize(
    ("hour", "usd"), [(100_000, 0.60), (0, 0.375), (40_000, 0.465), (999_999, 0.60), (-1, 0.375)]
)
def test_writes_of_an_hour_cost_twice_the_input(
    pricing: Pricing, make_call: Any, hour: int, usd: float
) -> None:
    tokens = replace(WRITES, cache_write_1h=hour)
    priced = pricing.price(make_call(*SONNET, tokens))
    assert of_type(priced, "cache_write") == pytest.approx(usd)
    assert priced.cost_usd == pytest.approx(usd + 0.03 + 0.00015)
    assert [line.type for line in priced.cost].count("cache_write") == 1
    assert priced.assumptions == ()


def test_writes_of_untold_lifetime_are_taken_to_last_five_minutes(
    pricing: Pricing, make_call: Any
) -> None:
    priced = pricing.price(make_call(*SONNET, WRITES))
    assert of_type(priced, "cache_write") == pytest.approx(0.375)
    # The rest of the call is known.
    assert rests(priced) == pytest.approx({"cache_lifetime": 0.375})
    one = pricing.price(make_call(*SONNET, replace(WRITES, cache_write=1)))
    assert rests(one) == pytest.approx({"cache_lifetime": 3.75e-6})


@pytest.mark.parametrize("model", ["openai/gpt-5.6-sol", "gemini/gemini-2.5-flash"])
def test_a_lifetime_that_makes_no_price_is_no_assumption(
    pricing: Pricing, make_call: Any, model: str
) -> None:
    assert pricing.price(make_call("", model, WRITES)).assumptions == ()


def test_contracts_price_writes_of_an_hour(make_call: Any) -> None:
    tokens = replace(WRITES, cache_write_1h=40_000)

    def cost(contract: Contract, used: Tokens = tokens) -> Any:
        priced = Pricing(PricingPolicy((contract,))).price(make_call(*SONNET, used))
        lines = {line.source: line.usd for line in priced.cost if line.type == "cache_write"}
        return lines, priced.assumptions

    own = writes(input=1, cache_write=2, cache_write_1h=3, output=1)
    assert cost(own) == ({"contract": pytest.approx(0.24)}, ())
    one = writes(input=1, cache_write=2, output=1)
    assert cost(one) == ({"contract": pytest.approx(0.2)}, ())
    assert cost(writes(input=1)) == ({"contract": pytest.approx(0.1)}, ())
    part = writes(cache_write_1h=3)
    assert cost(part) == ({"list": pytest.approx(0.225), "contract": pytest.approx(0.12)}, ())
    all_hour = replace(WRITES, cache_write_1h=100_000)
    assert cost(part, all_hour) == ({"contract": pytest.approx(0.3)}, ())
    # One price of all writes needs no lifetime, two prices do.
    assert cost(one, WRITES)[1] == ()
    assert cost(own, WRITES)[1] == (("cache_lifetime", pytest.approx(0.2)),)
    assert cost(writes(input=0, cache_write_1h=3, output=1), WRITES)[1] == ()


def test_an_assumed_inclusion_is_in_the_dollars_of_the_input(
    pricing: Pricing, make_call: Any
) -> None:
    tokens = Tokens(input=600, cache_read=400, output=200, inclusion_assumed=True)
    priced = pricing.price(make_call(tokens=tokens))
    assert priced.cost_usd == pytest.approx(0.004)
    assert rests(priced) == pytest.approx({"cache_inclusion": 0.002})
    contract = Pricing(PricingPolicy((writes(input=1, cache_read=0.5, output=1),)))
    agreed = contract.price(make_call(tokens=tokens))
    assert rests(agreed) == pytest.approx({"cache_inclusion": 0.0008})


def test_a_call_may_rest_on_several(pricing: Pricing, make_call: Any) -> None:
    tokens = replace(WRITES, inclusion_assumed=True)
    call = make_call("vertex", "claude-sonnet-4-5", tokens, service_tier="priority")
    priced = pricing.price(call)
    assert set(rests(priced)) == {"tier", "region", "cache_lifetime", "cache_inclusion"}


@pytest.mark.parametrize(
    "how",
    [
        {"provider": "ollama"},
        {"reported": 0.5},
        {"gateway_events": (("cache_hit", 1),)},
    ],
)
def test_what_is_told_or_free_rests_on_nothing(
    pricing: Pricing, make_call: Any, how: dict[str, Any]
) -> None:
    tokens = replace(WRITES, inclusion_assumed=True)
    named = {"provider": "vertex", "model": "claude-sonnet-4-5"} | how
    priced = pricing.price(make_call(tokens=tokens, service_tier="scale", **named))
    assert (priced.assumptions, priced.unpriced) == ((), None)


def test_nothing_rests_on_what_costs_nothing(pricing: Pricing, make_call: Any) -> None:
    call = make_call("openai", "omni-moderation-latest", service_tier="scale")
    assert (pricing.price(call).cost_usd, pricing.price(call).assumptions) == (0, ())


class TestSearches:
    def test_cost_what_the_list_says(self, pricing: Pricing, make_call: Any) -> None:
        priced = pricing.price(make_call(*SONNET, web_searches=3))
        assert CostLine("request", "list", 0.03) in priced.cost
        assert priced.unpriced is None

    def test_have_no_discount_of_a_tier_and_no_uplift(
        self, pricing: Pricing, make_call: Any
    ) -> None:
        call = make_call("vertex", "claude-fable-5-2", web_searches=2, region="eu")
        assert CostLine("request", "list", 0.02) in pricing.price(call).cost

    def test_without_a_price_are_told(self, pricing: Pricing, make_call: Any) -> None:
        priced = pricing.price(make_call("mistral", "mistral-large-latest", web_searches=1))
        assert priced.cost_usd
        assert (priced.unpriced, priced.unpriced_tokens) == ("per_request", ())

    def test_of_a_model_without_a_price_change_nothing(
        self, pricing: Pricing, make_call: Any
    ) -> None:
        priced = pricing.price(make_call("acme", "acme-1", web_searches=1))
        assert (priced.cost, priced.unpriced) == ((), "unknown_model")
        half = Pricing(PricingPolicy((writes(output=1),)))
        assert half.price(make_call("acme", "acme-1", web_searches=1)).unpriced == "unknown_model"
        free = Pricing(PricingPolicy((writes(input=0, output=0),)))
        assert free.price(make_call("acme", "acme-1", web_searches=1)).unpriced is None

    @pytest.mark.parametrize(("tokens", "fees"), [(WRITES, 1), (None, 0)])
    def test_of_a_failed_call_are_paid_where_its_tokens_are(
        self, pricing: Pricing, make_call: Any, tokens: Tokens | None, fees: int
    ) -> None:
        call = make_call(*SONNET, tokens, web_searches=3, error_type="timeout")
        assert list(pricing.price(call).cost).count(CostLine("request", "list", 0.03)) == fees

    def test_are_a_price_of_a_contract(self, make_call: Any) -> None:
        searches = Contract("*", usd_per_web_search=0.5)
        priced = Pricing(PricingPolicy((searches,))).price(make_call(*SONNET, web_searches=2))
        assert CostLine("request", "contract", 1.0) in priced.cost
        assert {line.source for line in priced.cost} == {"contract", "list"}
        flat = Contract("*", usd_per_request=0.1, usd_per_web_search=0.5)
        both = Pricing(PricingPolicy((flat,))).price(make_call(*SONNET, web_searches=2))
        assert both.cost_usd == pytest.approx(1.1)
        alone = Pricing(PricingPolicy((Contract("*", usd_per_request=0.1),)))
        assert alone.price(make_call(*SONNET, web_searches=2)).cost_usd == pytest.approx(0.1)

    @pytest.mark.parametrize(
        "how", [{"provider": "ollama"}, {"gateway_events": (("cache_hit", 1),)}]
    )
    def test_are_free_where_all_is(
        self, pricing: Pricing, make_call: Any, how: dict[str, Any]
    ) -> None:
        priced = pricing.price(make_call(web_searches=3, **how))
        assert (priced.cost_usd, priced.unpriced) == (0.0, None)


class TestUnexplained:
    TOKENS = Tokens(input=600, output=200, unexplained=70)

    def test_are_tokens_without_a_price_of_a_call_with_one(
        self, pricing: Pricing, make_call: Any
    ) -> None:
        priced = pricing.price(make_call(tokens=self.TOKENS))
        assert priced.cost_usd == pytest.approx(0.0035)
        assert (priced.unpriced, priced.unpriced_tokens) == (None, (("unexplained", 70),))

    def test_are_beside_others_without_a_price(self, pricing: Pricing, make_call: Any) -> None:
        priced = pricing.price(make_call("acme", "acme-1", self.TOKENS))
        assert priced.unpriced == "unknown_model"
        assert priced.unpriced_tokens == (("input", 600), ("output", 200), ("unexplained", 70))

    def test_alone_are_the_reason(self, pricing: Pricing, make_call: Any) -> None:
        priced = pricing.price(make_call(tokens=Tokens(unexplained=1)))
        assert (priced.cost, priced.unpriced) == ((), "unexplained")
        assert priced.unpriced_tokens == (("unexplained", 1),)

    @pytest.mark.parametrize(
        "how",
        [{"provider": "ollama"}, {"reported": 0.5}, {"gateway_events": (("cache_hit", 1),)}],
    )
    def test_are_paid_where_all_is(
        self, pricing: Pricing, make_call: Any, how: dict[str, Any]
    ) -> None:
        priced = pricing.price(make_call(tokens=self.TOKENS, **how))
        assert (priced.unpriced, priced.unpriced_tokens) == (None, ())

    def test_are_paid_with_a_flat_fee(self, make_call: Any) -> None:
        flat = Pricing(PricingPolicy((Contract("*", usd_per_request=0.1),)))
        assert flat.price(make_call(tokens=self.TOKENS)).unpriced_tokens == ()


counts = st.integers(0, 20_000)


@settings(max_examples=200, deadline=None)
@given(
    model=st.sampled_from([SONNET, ("vertex", "claude-opus-4-6"), ("azure", "gpt-4o")]),
    tokens=st.builds(Tokens, **dict.fromkeys(TOKEN_TYPES, counts)),
    hour=st.none() | counts,
    told=st.fixed_dictionaries(
        {
            "region": st.sampled_from(["", "eu", "global"]),
            "service_tier": st.sampled_from(["", "batch", "scale"]),
            "web_searches": st.integers(0, 3),
        }
    ),
    inclusion=st.booleans(),
)
def test_no_assumption_holds_more_than_the_call_costs(
    pricing: Pricing, make_call: Any, model: tuple[str, str], tokens: Tokens, **drawn: Any
) -> None:
    used = replace(tokens, cache_write_1h=drawn["hour"], inclusion_assumed=drawn["inclusion"])
    priced = pricing.price(make_call(*model, used, **drawn["told"]))
    names = [name for name, _ in priced.assumptions]
    assert len(names) == len(set(names))
    for _, usd in priced.assumptions:
        assert 0 < usd <= (priced.cost_usd or 0) * (1 + 1e-12)


@settings(max_examples=100, deadline=None)
@given(hour=counts, rest=counts)
def test_writes_cost_the_sum_of_both_kinds(
    pricing: Pricing, make_call: Any, hour: int, rest: int
) -> None:
    tokens = Tokens(cache_write=hour + rest, cache_write_1h=hour)
    priced = pricing.price(make_call(*SONNET, tokens))
    assert (priced.cost_usd or 0) == pytest.approx((hour * 6 + rest * 3.75) / 1e6)


class TestOfSearches:
    """What is paid beside the tokens of those who search."""

    def test_citations_have_a_price_where_the_list_has_one(
        self, pricing: Pricing, make_call: Any
    ) -> None:
        tokens = Tokens(10, output=100, citations=1_000_000)
        plain = replace(tokens, citations=0)
        for model, usd in (("sonar-deep-research", 2.0), ("sonar-pro", 0.0)):
            told, without = (
                pricing.price(make_call("perplexity", model, used)).cost_usd
                for used in (tokens, plain)
            )
            assert told is not None and without is not None
            assert told - without == pytest.approx(usd)

    def test_contracts_may_price_citations(self, make_call: Any) -> None:
        own = Contract(model="sonar-pro", usd_per_million_tokens={"citation": 7.0})
        pricing = Pricing(PricingPolicy((own,)))
        call = make_call("perplexity", "sonar-pro", Tokens(10, citations=1_000_000))
        assert CostLine("request", "contract", 7.0) in pricing.price(call).cost

    def test_a_fee_per_request_covers_its_searches(self, pricing: Pricing, make_call: Any) -> None:
        priced = pricing.price(make_call("perplexity", "sonar-pro", Tokens(10), web_searches=2))
        assert priced.unpriced is None
        live = pricing.price(make_call("xai", "grok-4", Tokens(10), web_searches=4))
        assert live.unpriced == "per_request"

    def test_reasoning_that_may_be_in_the_output_is_an_assumption(
        self, pricing: Pricing, make_call: Any
    ) -> None:
        tokens = Tokens(10, output=50, reasoning=20, reasoning_assumed=True)
        priced = pricing.price(make_call("xai", "grok-4", tokens))
        assert rests(priced) == {"reasoning_inclusion": pytest.approx(70 * 15e-6)}
