"""Newer list prices at run time: swapped in whole, or not at all."""

from __future__ import annotations

import copy
import threading
from decimal import Decimal
from functools import partial
from typing import Any

import pytest
from genai_prices import data_snapshot
from genai_prices.types import ClauseEquals, ModelInfo, ModelPrice, Provider

from llm_trace_exporter.pricing import PriceUpdater, Pricing, PricingPolicy


def snapshot(usd_per_million: int) -> data_snapshot.DataSnapshot:
    """A list with one model at one price."""
    model = ModelInfo(
        id="gpt-4o",
        match=ClauseEquals("gpt-4o"),
        prices=ModelPrice(
            input_mtok=Decimal(usd_per_million), output_mtok=Decimal(usd_per_million)
        ),
    )
    provider = Provider(id="openai", name="OpenAI", api_pattern="", models=[model])
    return data_snapshot.DataSnapshot(providers=[provider], from_auto_update=True)


updater = partial(PriceUpdater, failed=lambda _: None)


def test_the_next_call_has_the_new_price(make_call: Any) -> None:
    pricing = Pricing(PricingPolicy())
    before = pricing.catalogue_timestamp_s
    assert pricing.price(make_call()).cost_usd == pytest.approx(0.004)
    assert updater(pricing, 3600, lambda: snapshot(1000)).update()
    assert pricing.price(make_call()).cost_usd == pytest.approx(1.2)
    assert pricing.catalogue_timestamp_s > before


def _unreachable() -> data_snapshot.DataSnapshot:
    raise OSError("secret address")


def _empty() -> data_snapshot.DataSnapshot:
    return data_snapshot.DataSnapshot(providers=[], from_auto_update=True)


def _broken() -> data_snapshot.DataSnapshot:
    found = copy.deepcopy(snapshot(1))
    found.providers[0].models[0].match = None  # type: ignore[assignment]
    found.providers[0].models = None  # type: ignore[assignment]
    return found


def _nothing() -> None:
    return None


@pytest.mark.parametrize("fetch", [_unreachable, _empty, _broken, _nothing])
def test_a_failure_keeps_the_old_list_and_says_no_value(
    make_call: Any, caplog: pytest.LogCaptureFixture, fetch: Any
) -> None:
    pricing = Pricing(PricingPolicy())
    before = pricing.catalogue
    told: list[Exception] = []
    assert not PriceUpdater(pricing, 3600, fetch, failed=told.append).update()
    # No newer list is no failure.
    assert len(told) == (fetch is not _nothing)
    assert pricing.catalogue is before
    assert pricing.price(make_call()).cost_usd == pytest.approx(0.004)
    assert "secret" not in caplog.text


def test_the_thread_fetches_at_once_and_again_until_stopped(make_call: Any) -> None:
    pricing = Pricing(PricingPolicy())
    fetched = threading.Semaphore(0)

    def fetch() -> data_snapshot.DataSnapshot:
        fetched.release()
        return snapshot(1000)

    updating = updater(pricing, 0.001, fetch)
    updating.start()
    assert all(fetched.acquire(timeout=5) for _ in range(3))
    updating.stop()
    assert not updating._thread.is_alive()
    assert pricing.price(make_call()).cost_usd == pytest.approx(1.2)


def test_stopping_what_never_started_does_nothing() -> None:
    updater(Pricing(PricingPolicy()), 3600, _empty).stop()
