"""Name profiles: the same calls under other names, and nothing where they are off."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from llm_trace_exporter.metrics.restore import StoreLoader
from llm_trace_exporter.metrics.store import StoreOptions
from llm_trace_exporter.model import Tokens
from llm_trace_exporter.settled import CostLine

NewMeter = Callable[..., Any]
SEMCONV = frozenset({"semconv"})
OPENLIT = frozenset({"openlit"})
DURATION = "gen_ai_client_operation_duration_seconds"
COST = "gen_ai_usage_cost_USD"
LABELS = {
    "service_name": "shop",
    "deployment_environment": "prod",
    "gen_ai_operation_name": "chat",
    "gen_ai_provider_name": "openai",
    "gen_ai_request_model": "gpt-4o",
    "gen_ai_response_model": "gpt-4o-2024-08-06",
}


def sample_call(meter: Any, **changes: Any) -> None:
    """Record a streamed call of 1.5 seconds."""
    given = {
        "tokens": Tokens(input=10, cache_read=20, output=30, reasoning=5),
        "streaming": True,
        "ttft_s": 0.3,
        "response_model": "gpt-4o-2024-08-06",
        "priced": {"cost": (CostLine("input", "list", 0.25),)},
        **changes,
    }
    meter.call(**given)


def options(meter: Any, profiles: frozenset[str]) -> StoreOptions:
    """The meter's options with other profiles."""
    return StoreOptions(
        dimensions=meter.options.dimensions,
        zero_hold_s=0,
        profiles=profiles,  # type: ignore[arg-type]
    )


def test_off_means_not_there(new_meter: NewMeter) -> None:
    meter = new_meter()
    sample_call(meter)
    assert "gen_ai" not in meter.page()
    assert all(
        not family.series
        for name, family in meter.store._families.items()
        if name.startswith("gen_ai")
    )


def test_semconv_names_labels_and_buckets(new_meter: NewMeter) -> None:
    meter = new_meter(profiles=SEMCONV)
    sample_call(meter)
    sample_call(meter, error_type="timeout", tokens=None)
    key = tuple(sorted(LABELS.items()))
    assert meter.samples(DURATION + "_count") == {
        key: 1,
        tuple(sorted({**LABELS, "error_type": "timeout"}.items())): 1,
    }
    tokens = "gen_ai_client_token_usage"
    assert meter.total(tokens + "_sum", gen_ai_token_type="input") == 30
    assert meter.total(tokens + "_sum", gen_ai_token_type="output") == 35
    first = "gen_ai_client_operation_time_to_first_chunk_seconds"
    assert meter.samples(first + "_sum") == {key: pytest.approx(0.6)}
    assert meter.total(DURATION + "_bucket", le="1.28") == 0
    assert meter.total(DURATION + "_bucket", le="2.56") == 2
    assert meter.total(tokens + "_bucket", le="6.7108864e+07", gen_ai_token_type="input") == 1
    assert COST not in meter.page() and "telemetry_sdk_name" not in meter.page()


def test_openlit_is_marked_and_has_cost(new_meter: NewMeter) -> None:
    meter = new_meter(profiles=OPENLIT)
    sample_call(meter)
    for name in (DURATION, COST, "gen_ai_server_time_to_first_token_seconds"):
        assert meter.total(name + "_count", telemetry_sdk_name="openlit", **LABELS) == 1
    assert meter.total(COST + "_sum") == 0.25


def test_what_has_no_price_costs_nothing_known(new_meter: NewMeter) -> None:
    meter = new_meter(profiles=OPENLIT)
    sample_call(meter, priced={"unpriced": "unknown_model"})
    assert not meter.samples(COST + "_count")


def test_switching_on_counts_from_then_and_off_drops(new_meter: NewMeter) -> None:
    meter = new_meter()
    sample_call(meter)
    meter.store.reconfigure(options(meter, SEMCONV))
    sample_call(meter)
    assert meter.total(DURATION + "_count") == 1
    meter.store.reconfigure(options(meter, SEMCONV | OPENLIT))
    sample_call(meter)
    assert meter.total(DURATION + "_count", telemetry_sdk_name="openlit") == 2
    assert len(meter.samples(DURATION + "_count")) == 1
    assert meter.total(COST + "_count") == 1
    meter.store.reconfigure(options(meter, frozenset()))
    sample_call(meter)
    assert "gen_ai" not in meter.page(names=(DURATION, COST))
    meter.store.reconfigure(options(meter, SEMCONV))
    sample_call(meter)
    assert meter.total(DURATION + "_count") == 1


def test_saved_series_come_back_under_the_profile_in_force(new_meter: NewMeter) -> None:
    saved = new_meter(profiles=OPENLIT)
    sample_call(saved)
    kept = [x for x in saved.store.changed_since(0) if x[0].startswith("gen_ai_client")]
    assert kept
    without, with_semconv = new_meter(), new_meter(profiles=SEMCONV)
    for name, labels, series in kept:
        assert StoreLoader(without.store).series(name, labels, 0.0) is None
        restored: Any = StoreLoader(with_semconv.store).series(name, labels, 0.0)
        restored.absorb(series)
    assert meter_keys(with_semconv) == {tuple(sorted(LABELS.items())): 1}


def meter_keys(meter: Any) -> Any:
    """The durations' counts by labels."""
    return meter.samples(DURATION + "_count")


def test_caps_are_those_of_the_labels_with_the_same_values(new_meter: NewMeter) -> None:
    meter = new_meter(profiles=SEMCONV, caps={"request_model": 2})
    for number in range(5):
        sample_call(meter, request_model=f"m{number}")
    models = {
        dict(labels)["gen_ai_request_model"]: count
        for labels, count in meter.samples(DURATION + "_count").items()
    }
    assert models == {"m0": 1, "m1": 1, "other": 3}
    assert meter.total("llm_exporter_label_overflow_total", label="request_model") == 3
    assert not meter.samples("llm_exporter_label_overflow_total", label="gen_ai_request_model")
