"""The list: every model of the catalogue costs what `genai-prices` itself says."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from functools import cache
from typing import Any

import genai_prices
import pytest
from genai_prices import data_snapshot
from genai_prices.types import ClauseOr, MatchLogic, ModelInfo, Provider, Usage
from hypothesis import given
from hypothesis import strategies as st

from llm_trace_exporter.model import TOKEN_TYPES, Tokens
from llm_trace_exporter.pricing import Pricing
from llm_trace_exporter.pricing.catalogue import bundled_catalogue, fetched_catalogue
from llm_trace_exporter.pricing.ratecard import days_of_change, times_of_change
from llm_trace_exporter.pricing.tiers import lists_tier, price_context
from tests.draws import draws

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
PROVIDERS = data_snapshot.get_snapshot().providers


def texts(clause: MatchLogic) -> Iterator[str]:
    """Names that a clause is made of."""
    if isinstance(clause, ClauseOr):
        for inner in clause.or_:
            yield from texts(inner)
    else:
        yield from (text for text in vars(clause).values() if isinstance(text, str))


def ref_of(provider: Provider, model: ModelInfo) -> str | None:
    """A name by which the catalogue itself finds the model; None for one shadowed by others."""
    names = (model.id, *texts(model.match))
    return next((name for name in names if provider.find_model(name) is model), None)


@cache
def models() -> tuple[tuple[Provider, ModelInfo, str], ...]:
    """Looked up when asked for: each process that collects tests would take a second for it."""
    return tuple(
        (provider, model, ref)
        for provider in PROVIDERS
        for model in provider.models
        if (ref := ref_of(provider, model))
    )


TIERS = ("batch", "flex", "priority", "fast")
SMALL = Tokens(1000, 300, 70, 500, 90, 40, 30)
LARGE = Tokens(700_000, 300_000, 50_000, 9_000, 5_000, 400, 300)


def inclusive(tokens: Tokens) -> Usage:
    """The same counts as the catalogue wants them: totals that hold their parts."""
    return Usage(
        input_tokens=tokens.input_all,
        output_tokens=tokens.output_all,
        cache_read_tokens=tokens.cache_read,
        cache_write_tokens=tokens.cache_write,
        input_audio_tokens=tokens.audio_input,
        output_audio_tokens=tokens.audio_output,
        output_reasoning_tokens=tokens.reasoning,
        cache_audio_read_tokens=0,
    )


def reference(provider: Provider, ref: str, tokens: Tokens, at: datetime, tier: str) -> float:
    """Dollars according to `genai_prices.calc_price`."""
    price = genai_prices.calc_price(
        inclusive(tokens),
        ref,
        provider_id=provider.id,
        genai_request_timestamp=at,
        price_context=price_context(tier) or None,
    )
    return float(price.total_price)


def moments(model: ModelInfo) -> Iterator[datetime]:
    """Just before and at every change of a price, through the day where it matters."""
    yield NOON
    times = times_of_change(model)
    for day in days_of_change(model):
        yield day - timedelta(seconds=1)
        yield day
        for time in times:
            yield datetime.combine(day.date(), time, tzinfo=UTC)
    for time in times:
        at = datetime.combine(NOON.date(), time, tzinfo=UTC)
        yield from (at - timedelta(seconds=1), at)


def priced(pricing: Pricing, make_call: Any, provider: str, ref: str, *rest: Any) -> float:
    tokens, at, tier = rest
    call = make_call(provider, ref, tokens, at=at, service_tier=tier)
    return pricing.price(call).cost_usd or 0.0


def test_nearly_every_model_has_a_name() -> None:
    assert len(models()) > 0.97 * sum(len(provider.models) for provider in PROVIDERS)


@pytest.mark.dear
def test_every_model_costs_what_the_catalogue_says(pricing: Pricing, make_call: Any) -> None:
    wrong = [
        (provider.id, ref, tokens)
        for provider, _, ref in models()
        for tokens in (SMALL, LARGE)
        if priced(pricing, make_call, provider.id, ref, tokens, NOON, "")
        != pytest.approx(reference(provider, ref, tokens, NOON, ""), rel=1e-9)
    ]
    assert not wrong


def test_every_change_of_price_holds_from_its_moment(pricing: Pricing, make_call: Any) -> None:
    dated = [found for found in models() if days_of_change(found[1]) or times_of_change(found[1])]
    assert len(dated) > 100
    for provider, model, ref in dated:
        for at in moments(model):
            ours = priced(pricing, make_call, provider.id, ref, SMALL, at, "")
            expected = reference(provider, ref, SMALL, at, "")
            assert ours == pytest.approx(expected, rel=1e-9), (provider.id, ref, at)


def test_every_tier_costs_what_the_catalogue_says(pricing: Pricing, make_call: Any) -> None:
    tiered = [found for found in models() if found[1].price_variants]
    assert len(tiered) > 50
    for provider, model, ref in tiered:
        listed = [tier for tier in TIERS if lists_tier(model, tier, NOON)]
        for tier in listed:
            ours = priced(pricing, make_call, provider.id, ref, SMALL, NOON, tier)
            expected = reference(provider, ref, SMALL, NOON, tier)
            assert ours == pytest.approx(expected, rel=1e-9), (provider.id, ref, tier)


counts = st.integers(min_value=0, max_value=3_000_000)


@draws(150)
@given(
    found=st.deferred(lambda: st.sampled_from(models())),
    tokens=st.builds(Tokens, **dict.fromkeys(TOKEN_TYPES, counts)),
    at=st.datetimes(datetime(2023, 1, 1), datetime(2027, 12, 31), timezones=st.just(UTC)),
    tier=st.sampled_from(("", *TIERS)),
)
def test_any_usage_at_any_time_costs_what_the_catalogue_says(
    pricing: Pricing,
    make_call: Any,
    found: tuple[Provider, ModelInfo, str],
    tokens: Tokens,
    at: datetime,
    tier: str,
) -> None:
    provider, model, ref = found
    at = at.replace(microsecond=0)
    if tokens.total == 0 or not (tier == "" or lists_tier(model, tier, at)):
        return
    ours = priced(pricing, make_call, provider.id, ref, tokens, at, tier)
    assert ours == pytest.approx(reference(provider, ref, tokens, at, tier), rel=1e-9)


@pytest.mark.dear
def test_finds_what_the_catalogues_own_lookup_finds() -> None:
    catalogue = bundled_catalogue()
    ids = {model.id for _, model, _ in models()} | {ref for _, _, ref in models()}
    names = sorted(ids | {name + "-20251211" for name in ids})
    for provider in PROVIDERS:
        step = 1 if provider.id in {"openai", "anthropic", "google"} else 23
        for name in names[::step]:
            theirs = provider.find_model(name, all_providers=PROVIDERS)
            ours = catalogue.find(provider.id, (name,))
            assert (ours.model if ours else None) is theirs, (provider.id, name)


def test_azure_borrows_the_makers_price(pricing: Pricing, make_call: Any) -> None:
    assert pricing.price(make_call("azure", "gpt-4o", at=NOON)).cost_usd == pytest.approx(0.004)


def test_timestamp_is_the_newest_change_that_has_happened() -> None:
    day = datetime.fromtimestamp(bundled_catalogue().timestamp_s, UTC)
    assert (day.hour, day.minute) == (0, 0)
    assert date(2026, 1, 1) < day.date() <= datetime.now(UTC).date()


def test_an_empty_list_is_refused() -> None:
    with pytest.raises(ValueError, match="empty"):
        fetched_catalogue(data_snapshot.DataSnapshot(providers=[], from_auto_update=True))
