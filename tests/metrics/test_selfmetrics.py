"""The exporter says what it received, refused and dropped."""

from __future__ import annotations

import platform
from collections.abc import Callable
from typing import Any

import pytest

from llm_trace_exporter.metrics.labels_and_buckets import DISCARD_REASONS, LABELS, TASKS
from llm_trace_exporter.metrics.store import StoreOptions

NewMeter = Callable[..., Any]
P = "llm_exporter_"


def test_what_alerts_look_at_is_there_at_zero(new_meter: NewMeter) -> None:
    meter = new_meter()
    for name in ("discarded_total", "discarded_tokens_total"):
        found = meter.samples(P + name)
        assert {dict(key)["reason"] for key in found} == set(DISCARD_REASONS)
        assert set(found.values()) == {0.0}
    found = meter.samples(P + "background_failures_total")
    assert {dict(key)["task"]: value for key, value in found.items()} == dict.fromkeys(TASKS, 0.0)
    found = meter.samples(P + "label_overflow_total")
    labels = {label.name for label in LABELS if label.is_open and not label.same_as} | {"feature"}
    assert {dict(key)["label"] for key in found} == labels


def test_what_is_not_known_yet_is_absent(new_meter: NewMeter) -> None:
    meter = new_meter()
    for name in ("price_catalog_timestamp_seconds", "config_last_reload_successful"):
        assert meter.samples(P + name) == {}


def test_build_info(new_meter: NewMeter) -> None:
    meter = new_meter()
    expected = (("engine", "python"), ("python", platform.python_version()), ("version", "1.2.3"))
    assert meter.samples(P + "build_info") == {expected: 1.0}


def test_intake(new_meter: NewMeter) -> None:
    meter = new_meter()
    meter.own.spans_received("otlp_http", "openinference", 5)
    meter.own.spans_received("otlp_http", "")
    meter.own.log_records_received("otlp_grpc", "semconv", 2)
    meter.own.metrics_request("otlp_http")
    meter.own.rejected("otlp_grpc", "too large")
    meter.own.ingest_duration("otlp_http", 0.2)
    assert meter.total(P + "spans_received_total", dialect="openinference") == 5
    assert meter.total(P + "spans_received_total") == 6
    assert meter.total(P + "log_records_received_total", source="otlp_grpc") == 2
    assert meter.total(P + "metrics_requests_total") == 1
    assert meter.total(P + "requests_rejected_total", reason="too large") == 1
    assert meter.total(P + "ingest_duration_seconds_sum", source="otlp_http") == 0.2


def test_discarded_records_and_their_tokens(new_meter: NewMeter) -> None:
    meter = new_meter()
    meter.own.discarded("rollup", tokens=150, dialect="semconv")
    meter.own.discarded("rollup", 3)
    meter.own.unreadable_numbers("semconv", 2)
    assert meter.total(P + "unreadable_numbers_total", dialect="semconv") == 2
    assert meter.total(P + "discarded_total", reason="rollup", dialect="semconv") == 1
    assert meter.total(P + "discarded_total", reason="rollup") == 4
    assert meter.total(P + "discarded_tokens_total", reason="rollup") == 150


def test_lag_of_clocks_that_run_ahead_is_zero(new_meter: NewMeter) -> None:
    meter = new_meter()
    meter.own.ingest_lags([-5.0])
    meter.own.ingest_lags([7.0, 7.0])
    assert meter.total(P + "ingest_lag_seconds_count") == 3
    assert meter.total(P + "ingest_lag_seconds_sum") == 14


def test_gauges(new_meter: NewMeter) -> None:
    meter = new_meter()
    meter.own.pending_calls(4, 20)
    meter.own.pending_calls(2, 20)
    meter.own.table_entries("spans", 9, 50)
    meter.own.in_flight("otlp_grpc", (3, 64), (700, 4096))
    meter.own.table_evicted("spans", 2)
    meter.own.price_catalogue(123.0)
    assert meter.total(P + "pending_calls") == 2
    assert meter.total(P + "trace_table_entries", table="spans") == 9
    assert meter.total(P + "trace_table_evicted_total", table="spans") == 2
    assert meter.total(P + "price_catalog_timestamp_seconds") == 123
    assert meter.total(P + "pending_calls_limit") == 20
    assert meter.total(P + "trace_table_entries_limit", table="spans") == 50
    assert meter.total(P + "requests_in_flight", source="otlp_grpc") == 3
    assert meter.total(P + "requests_in_flight_limit", source="otlp_grpc") == 64
    assert meter.total(P + "request_bytes_in_flight", source="otlp_grpc") == 700
    assert meter.total(P + "request_bytes_in_flight_limit", source="otlp_grpc") == 4096


def test_label_values_beside_their_caps(new_meter: NewMeter) -> None:
    meter = new_meter(caps={"model": 2})
    for number in range(5):
        meter.call(request_model=f"m{number}")
    assert meter.total(P + "label_values", label="model") == 2
    assert meter.total(P + "label_values_limit", label="model") == 2
    assert meter.total(P + "label_values", label="tool") == 0
    assert meter.total(P + "label_values", label="feature") == 1
    meter.store.reconfigure(StoreOptions(caps={"model": 7}))
    assert meter.total(P + "label_values_limit", label="model") == 7
    assert not meter.samples(P + "label_values", label="feature")


@pytest.mark.parametrize("is_success", [True, False])
def test_a_failed_reload_keeps_the_time_of_the_last_good_one(
    new_meter: NewMeter, is_success: bool
) -> None:
    meter = new_meter()
    meter.own.config_loaded(True, 100.0)
    meter.own.config_loaded(is_success, 200.0)
    assert meter.total(P + "config_last_reload_successful") == is_success
    name = P + "config_last_reload_success_timestamp_seconds"
    assert meter.total(name) == (200 if is_success else 100)


def test_a_page_tells_about_the_page_before(new_meter: NewMeter) -> None:
    meter = new_meter()
    size = len(meter.page().encode())
    assert meter.total(P + "scrape_bytes") == size
    assert 0 < meter.total(P + "scrape_duration_seconds") < 10
