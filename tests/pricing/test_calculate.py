"""The price of a call: precedence, unknowns, and what the sum obeys."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from llm_trace_exporter.model import TOKEN_TYPES, Tokens
from llm_trace_exporter.pricing import Contract, Pricing, PricingPolicy
from llm_trace_exporter.pricing.names import MAX_LENGTH
from llm_trace_exporter.settled import CostLine, PricedCall
from tests.draws import draws

LIST_USD = 0.004
"""600 input, 400 cached, 200 output of gpt-4o."""
FLAT = Contract("gpt-4o", usd_per_request=0.5)
MODELS = [
    ("openai", "gpt-4o"),
    ("anthropic", "claude-sonnet-4-5"),
    ("openai", "gpt-4o-audio-preview"),
    ("deepseek", "deepseek-chat"),
    ("groq", "openai/gpt-oss-120b"),
]

counts = st.integers(min_value=0, max_value=20_000)
usage = st.builds(Tokens, **dict.fromkeys(TOKEN_TYPES, counts))
small_usage = st.builds(Tokens, **dict.fromkeys(TOKEN_TYPES, st.integers(0, 2_000)))


def sources(priced: PricedCall) -> set[str]:
    return {line.source for line in priced.cost}


class TestReported:
    def test_comes_before_contract_and_list(self, make_call: Any) -> None:
        pricing = Pricing(PricingPolicy((FLAT,)))
        priced = pricing.price(make_call(reported=0.123))
        assert priced.cost == (CostLine("unsplit", "reported", 0.123),)
        assert priced.unpriced is None

    @pytest.mark.parametrize("dialect", ["openlit", "trulens"])
    def test_of_dialects_that_ignore_cached_discounts_comes_last(
        self, pricing: Pricing, make_call: Any, dialect: str
    ) -> None:
        known = pricing.price(make_call(dialect=dialect, reported=0.123))
        assert known.cost_usd == pytest.approx(LIST_USD)
        unknown = pricing.price(make_call("acme", "acme-1", dialect=dialect, reported=0.123))
        assert unknown.cost == (CostLine("unsplit", "reported", 0.123),)
        assert (unknown.unpriced, unknown.unpriced_tokens) == (None, ())

    def test_trust_is_a_choice_per_dialect(self, make_call: Any) -> None:
        policy = PricingPolicy(reported_cost={"openlit": "trust", "langfuse": "ignore"})
        pricing = Pricing(policy)
        assert pricing.price(make_call(dialect="openlit", reported=0.1)).cost_usd == 0.1
        assert sources(pricing.price(make_call(dialect="langfuse", reported=0.1))) == {"list"}
        assert sources(pricing.price(make_call(dialect="trulens", reported=0.1))) == {"list"}

    @pytest.mark.parametrize("bad", [-0.1, math.nan, math.inf, -math.inf, 1e9])
    def test_impossible_figures_are_no_price(
        self, pricing: Pricing, make_call: Any, bad: float
    ) -> None:
        assert sources(pricing.price(make_call(reported=bad))) == {"list"}

    def test_zero_is_an_unknown(self, pricing: Pricing, make_call: Any) -> None:
        assert pricing.price(make_call(reported=0.0)).cost_usd == pytest.approx(LIST_USD)
        silent = pricing.price(make_call(tokens=None, reported=0.0))
        assert (silent.cost, silent.unpriced) == ((), "no_usage")
        stranger = pricing.price(make_call("acme", "acme-1", reported=0.0))
        assert (stranger.cost_usd, stranger.unpriced) == (None, "unknown_model")
        failed = pricing.price(make_call(tokens=None, reported=0.0, error_type="timeout"))
        assert (failed.cost, failed.unpriced) == ((), "no_usage")

    def test_zero_is_a_price_where_a_gateway_answered(
        self, pricing: Pricing, make_call: Any
    ) -> None:
        hit = make_call(reported=0.0, gateway_events=(("cache_hit", 1),))
        assert pricing.price(hit).cost == (CostLine("unsplit", "reported", 0.0),)

    def test_prices_a_call_without_usage(self, pricing: Pricing, make_call: Any) -> None:
        priced = pricing.price(make_call(tokens=None, reported=0.02))
        assert (priced.cost_usd, priced.unpriced) == (0.02, None)

    @pytest.mark.parametrize(
        ("parts", "lines"),
        [
            ((("input", 0.1), ("output", 0.2)), {"input": 0.1, "output": 0.2}),
            ((("input", 0.1), ("request", 0.2)), {"input": 0.1, "request": 0.2}),
            ((("input", 0.1),), {"input": 0.1, "unsplit": 0.2}),
            ((("input", 0.1), ("input", 0.1)), {"input": 0.2, "unsplit": 0.1}),
            ((("input", 0.1), ("tools", 0.2)), {"input": 0.1, "unsplit": 0.2}),
            ((("input", 0.0), ("output", 0.0)), {"unsplit": 0.3}),
            ((("input", 0.3), ("output", 0.3)), {"unsplit": 0.3}),
            ((("input", -0.1), ("output", 0.4)), {"unsplit": 0.3}),
            ((("input", math.nan),), {"unsplit": 0.3}),
            ((), {"unsplit": 0.3}),
        ],
    )
    def test_parts_never_change_the_total(
        self,
        pricing: Pricing,
        make_call: Any,
        parts: tuple[tuple[str, float], ...],
        lines: dict[str, float],
    ) -> None:
        priced = pricing.price(make_call(reported=0.3, parts=parts))
        assert {line.type: line.usd for line in priced.cost} == pytest.approx(lines)
        assert priced.cost_usd == pytest.approx(0.3, rel=1e-6)


class TestLocal:
    @pytest.mark.parametrize("provider", ["ollama", "vllm", "llama.cpp", "LM-Studio", "tgi"])
    def test_is_free_even_under_the_name_of_a_hosted_model(
        self, pricing: Pricing, make_call: Any, provider: str
    ) -> None:
        priced = pricing.price(make_call(provider, "gpt-4o"))
        assert (priced.cost_usd, priced.unpriced) == (0.0, None)
        assert sources(priced) == {"list"}

    def test_is_what_the_operator_says(self, make_call: Any) -> None:
        pricing = Pricing(PricingPolicy(local_providers=frozenset({"Our GPUs"})))
        assert pricing.price(make_call("our_gpus", "gpt-4o")).cost_usd == 0.0
        assert pricing.price(make_call("ollama", "llama3")).cost_usd is None

    def test_without_usage_is_still_without_usage(self, pricing: Pricing, make_call: Any) -> None:
        priced = pricing.price(make_call("ollama", "llama3", None))
        assert (priced.cost, priced.unpriced) == ((), "no_usage")


class TestUnpriced:
    def test_no_model(self, pricing: Pricing, make_call: Any) -> None:
        priced = pricing.price(make_call("", ""))
        assert (priced.cost_usd, priced.unpriced) == (None, "no_model")
        assert priced.unpriced_tokens == (
            ("input", 600),
            ("cache_read", 400),
            ("output", 200),
        )

    def test_unknown_model(self, pricing: Pricing, make_call: Any) -> None:
        priced = pricing.price(make_call("openai", "gpt-nope"))
        assert (priced.cost, priced.unpriced) == ((), "unknown_model")
        assert sum(count for _, count in priced.unpriced_tokens) == 1200

    @pytest.mark.parametrize("tokens", [None, Tokens()])
    @pytest.mark.parametrize("error", ["", "rate_limited"])
    def test_no_usage(
        self, pricing: Pricing, make_call: Any, tokens: Tokens | None, error: str
    ) -> None:
        priced = pricing.price(make_call(tokens=tokens, error_type=error))
        assert (priced.cost, priced.unpriced, priced.unpriced_tokens) == (
            (),
            "no_usage",
            (),
        )

    @pytest.mark.parametrize("operation", ["rerank", "image", "audio", "transcription"])
    def test_per_request(self, pricing: Pricing, make_call: Any, operation: str) -> None:
        priced = pricing.price(make_call("cohere", "rerank-v3.5", None, operation=operation))
        assert (priced.cost, priced.unpriced) == ((), "per_request")

    def test_models_priced_by_the_hour_are_not_priced_by_tokens(
        self, pricing: Pricing, make_call: Any
    ) -> None:
        priced = pricing.price(make_call("groq", "whisper-large-v3"))
        assert (priced.cost, priced.unpriced) == ((), "per_request")

    def test_types_without_a_rate_are_told_apart(self, pricing: Pricing, make_call: Any) -> None:
        priced = pricing.price(
            make_call("openai", "text-embedding-3-small", operation="embeddings")
        )
        assert priced.cost_usd == pytest.approx(0.00002)
        assert (priced.unpriced, priced.unpriced_tokens) == (
            "unknown_model",
            (("output", 200),),
        )


class TestFees:
    def test_list_fee_is_charged_once_a_call(self, pricing: Pricing, make_call: Any) -> None:
        priced = pricing.price(make_call("perplexity", "sonar"))
        assert CostLine("request", "list", 0.012) in priced.cost

    def test_fee_is_known_where_usage_is_not(self, pricing: Pricing, make_call: Any) -> None:
        priced = pricing.price(make_call("perplexity", "sonar", None))
        assert (priced.cost_usd, priced.unpriced) == (0.012, "no_usage")

    def test_failed_calls_pay_no_fee(self, make_call: Any) -> None:
        pricing = Pricing(PricingPolicy((FLAT,)))
        priced = pricing.price(make_call(tokens=None, error_type="server_error"))
        assert (priced.cost, priced.unpriced) == ((), "no_usage")

    def test_contract_fee_prices_rerank(self, make_call: Any) -> None:
        fee = Contract("rerank-*", provider="cohere", usd_per_request=0.002)
        pricing = Pricing(PricingPolicy((fee,)))
        priced = pricing.price(make_call("cohere", "rerank-v3.5", None, operation="rerank"))
        assert priced.cost == (CostLine("request", "contract", 0.002),)
        assert priced.unpriced is None

    @pytest.mark.parametrize(("operation", "unpriced"), [("rerank", None), ("chat", "no_usage")])
    def test_a_fee_beside_token_prices_is_all_of_a_call_that_has_no_tokens(
        self, make_call: Any, operation: str, unpriced: str | None
    ) -> None:
        """A rerank is paid with its fee; a chat of unknown usage is not."""
        fee = Contract(
            "m", provider="cohere", usd_per_request=0.002, usd_per_million_tokens={"input": 1}
        )
        pricing = Pricing(PricingPolicy((fee,)))
        priced = pricing.price(make_call("cohere", "m", None, operation=operation))
        assert priced.cost == (CostLine("request", "contract", 0.002),)
        assert priced.unpriced == unpriced

    def test_free_models_are_free_without_tokens_too(
        self, pricing: Pricing, make_call: Any
    ) -> None:
        call = make_call("openai", "omni-moderation-latest", None, operation="moderation")
        assert pricing.price(call).cost == (CostLine("request", "list", 0.0),)

    def test_a_gateways_own_answer_costs_nothing(self, pricing: Pricing, make_call: Any) -> None:
        priced = pricing.price(make_call(gateway_events=(("cache_hit", 1),)))
        assert (priced.cost_usd, priced.unpriced) == (0.0, None)
        retried = pricing.price(make_call(gateway_events=(("retry", 2),)))
        assert retried.cost_usd == pytest.approx(LIST_USD)


def test_an_error_with_usage_is_paid_for(pricing: Pricing, make_call: Any) -> None:
    priced = pricing.price(make_call(error_type="cancelled"))
    assert priced.cost_usd == pytest.approx(LIST_USD)


def test_makers_prices_hold_behind_unknown_hosts_for_closed_models_only(
    pricing: Pricing, make_call: Any
) -> None:
    assert pricing.price(make_call("our-proxy", "gpt-4o")).cost_usd == pytest.approx(LIST_USD)
    assert pricing.price(make_call("our-proxy", "gpt-oss-120b")).unpriced == "unknown_model"
    assert pricing.price(make_call("our-proxy", "llama-3.3-70b")).unpriced == "unknown_model"


def test_the_call_itself_is_passed_on(pricing: Pricing, make_call: Any) -> None:
    call = make_call()
    assert pricing.price(call).call is call


@draws(100)
@given(model=st.sampled_from(MODELS), tokens=small_usage, factor=st.integers(2, 9))
def test_price_is_linear_below_a_step(
    pricing: Pricing,
    make_call: Any,
    model: tuple[str, str],
    tokens: Tokens,
    factor: int,
) -> None:
    many = replace(tokens, **{name: count * factor for name, count in tokens.by_type()})
    once = pricing.price(make_call(*model, tokens)).cost_usd or 0
    whole = pricing.price(make_call(*model, many)).cost_usd or 0
    assert whole == pytest.approx(once * factor)


@draws(100)
@given(model=st.sampled_from(MODELS), tokens=usage)
def test_price_is_the_sum_over_types(
    pricing: Pricing, make_call: Any, model: tuple[str, str], tokens: Tokens
) -> None:
    alone = [replace(Tokens(), **{name: count}) for name, count in tokens.by_type()]
    parts = [pricing.price(make_call(*model, part)).cost_usd or 0 for part in alone]
    whole = pricing.price(make_call(*model, tokens)).cost_usd or 0
    assert whole == pytest.approx(sum(parts))


@draws(200)
@given(
    model=st.sampled_from([*MODELS, ("acme", "x"), ("", ""), ("ollama", "m")]),
    tokens=st.none() | usage,
    reported=st.none() | st.floats(allow_nan=True, allow_infinity=True),
    error=st.sampled_from(["", "timeout"]),
    operation=st.sampled_from(["chat", "rerank"]),
)
def test_every_dollar_and_every_token_is_accounted_for(
    pricing: Pricing, make_call: Any, model: tuple[str, str], **drawn: Any
) -> None:
    tokens, operation = drawn["tokens"], drawn["operation"]
    priced = pricing.price(
        make_call(
            *model,
            tokens,
            reported=drawn["reported"],
            error_type=drawn["error"],
            operation=operation,
        )
    )
    assert all(line.usd >= 0 and math.isfinite(line.usd) for line in priced.cost)
    assert priced.cost or priced.unpriced
    assert not priced.unpriced_tokens or priced.unpriced
    if tokens is not None and sources(priced) <= {"list"}:
        lines = {line.type for line in priced.cost} | {name for name, _ in priced.unpriced_tokens}
        assert lines - {"request"} == {name for name, count in tokens.by_type() if count}


@pytest.mark.parametrize(
    "long", ["provider", "response_model", "request_model", "service_tier", "region"]
)
def test_one_name_that_is_too_long_is_cut_whatever_the_others_are(long: str) -> None:
    pricing = Pricing(PricingPolicy())
    names = {"provider": "p", "response_model": "m", "request_model": "m"}
    names |= {"service_tier": "t", "region": "r"}
    told = [names | {long: "x" * (MAX_LENGTH + size)} for size in (-1, 0, 1, 10**6)]
    found = [pricing.resolved(*(t[n] for n in names)) for t in told]
    assert found[1] is found[2] is found[3] and found[0] is not found[1]


def test_what_a_gateway_had_in_store_is_free_by_type_where_usage_is_known(make_call: Any) -> None:
    pricing = Pricing(PricingPolicy())
    hit = {"gateway_events": (("cache_hit", 1),)}
    known, unknown = pricing.price(make_call(**hit)), pricing.price(make_call(tokens=None, **hit))
    assert {(line.type, line.usd) for line in known.cost} == {
        ("input", 0.0), ("cache_read", 0.0), ("output", 0.0),
    }  # fmt: skip
    assert [(line.type, line.usd) for line in unknown.cost] == [("request", 0.0)]
