"""Series are bounded, new ones are held at 0, idle ones go, and sums stay right."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_trace_exporter.errors import ConfigError
from llm_trace_exporter.metrics import series_sets
from llm_trace_exporter.metrics.label_policy import Dimension
from llm_trace_exporter.metrics.series import Counter, Histogram
from llm_trace_exporter.metrics.series_sets import MAX_BUNDLES
from llm_trace_exporter.metrics.store import Store, StoreOptions
from llm_trace_exporter.model import Origin
from tests.draws import draws

NewMeter = Callable[..., Any]
REQUESTS = "llm_requests_total"
DURATION = "llm_request_duration_seconds"


class TestZeroHold:
    def test_a_new_series_is_zero_until_its_hold_ends(self, new_meter: NewMeter) -> None:
        meter = new_meter(zero_hold_s=35.0)
        meter.call()
        assert meter.total(REQUESTS, outcome="ok") == 0
        assert meter.total(DURATION + "_count") == 0
        assert meter.total(DURATION + "_sum") == 0
        meter.clock.now_s += 34.9
        meter.call()
        assert meter.total(REQUESTS, outcome="ok") == 0
        meter.clock.now_s += 0.2
        assert meter.total(REQUESTS, outcome="ok") == 2
        assert meter.total(DURATION + "_count") == 2
        assert meter.total(DURATION + "_sum") == 3

    def test_zero_shows_values_at_once(self, new_meter: NewMeter) -> None:
        meter = new_meter(zero_hold_s=0.0)
        meter.call()
        assert meter.total(REQUESTS) == 1

    def test_siblings_are_held_from_the_same_moment(self, new_meter: NewMeter) -> None:
        meter = new_meter(zero_hold_s=35.0)
        meter.verdict("pass")
        assert set(meter.samples("llm_judge_verdicts_total").values()) == {0.0}
        assert len(meter.samples("llm_judge_verdicts_total")) == 4
        meter.clock.now_s += 36
        meter.verdict("fail")
        assert meter.total("llm_judge_verdicts_total", verdict="fail") == 1

    def test_gauges_are_never_held(self, new_meter: NewMeter) -> None:
        meter = new_meter(zero_hold_s=35.0)
        meter.own.pending_calls(3, 100)
        assert meter.total("llm_exporter_pending_calls") == 3

    def test_no_exemplar_on_a_held_series(self, new_meter: NewMeter) -> None:
        meter = new_meter(zero_hold_s=35.0)
        meter.call()
        assert "trace_id" not in meter.page("application/openmetrics-text")


class TestIdleExpiry:
    def test_an_idle_series_goes_and_returns_from_zero(self, new_meter: NewMeter) -> None:
        meter = new_meter(idle_expiry_s=3600.0, zero_hold_s=35.0)
        meter.call()
        meter.call(origin={"service": "idle"})
        meter.clock.now_s += 1800
        meter.call()
        meter.clock.now_s += 1801
        assert meter.total(REQUESTS, service="shop", outcome="ok") == 2
        assert meter.samples(REQUESTS, service="idle") == {}
        assert meter.samples(DURATION + "_count", service="idle") == {}
        meter.call(origin={"service": "idle"})
        assert meter.total(REQUESTS, service="idle") == 0
        meter.clock.now_s += 36
        assert meter.total(REQUESTS, service="idle", outcome="ok") == 1

    def test_siblings_stay_while_one_of_them_is_in_use(self, new_meter: NewMeter) -> None:
        meter = new_meter(idle_expiry_s=3600.0)
        for _ in range(5):
            meter.call()
            meter.verdict("pass")
            meter.clock.now_s += 1800
        assert meter.total(REQUESTS, outcome="error") == 0
        assert meter.total("llm_judge_verdicts_total", verdict="fail") == 0

    def test_nothing_is_lost_when_a_neighbour_expires(self, new_meter: NewMeter) -> None:
        meter = new_meter(idle_expiry_s=600.0)
        meter.call(origin={"service": "idle"})
        for _ in range(10):
            meter.call(error_type="timeout")
            meter.clock.now_s += 300
            meter.page()
        assert meter.total(REQUESTS, error_type="timeout") == 10

    def test_the_exporters_own_series_and_baselines_stay(self, new_meter: NewMeter) -> None:
        meter = new_meter(idle_expiry_s=60.0)
        meter.own.discarded("rollup")
        meter.recorder.judges({}, {}, {"faithful": 0.1})
        meter.clock.now_s += 10_000
        assert meter.total("llm_exporter_discarded_total", reason="rollup") == 1
        assert meter.total("llm_judge_baseline_failure_ratio") == 0.1

    def test_zero_keeps_everything(self, new_meter: NewMeter) -> None:
        meter = new_meter(idle_expiry_s=0.0)
        meter.call()
        meter.clock.now_s += 1e9
        assert meter.total(REQUESTS, outcome="ok") == 1

    def test_values_of_expired_series_make_room_under_the_cap(self, new_meter: NewMeter) -> None:
        meter = new_meter(idle_expiry_s=600.0, caps={"service": 2})
        for name in ("a", "b", "c"):
            meter.call(origin={"service": name})
        assert meter.total(REQUESTS, service="other") == 1
        meter.clock.now_s += 601
        meter.page()
        meter.call(origin={"service": "c"})
        assert meter.total(REQUESTS, service="c") == 1


class TestLimits:
    def test_label_caps_keep_totals(self, new_meter: NewMeter) -> None:
        meter = new_meter(caps={"service": 3})
        for i in range(10):
            meter.call(origin={"service": f"s{i}"})
            meter.call(origin={"service": f"s{i}"})
        assert meter.total(REQUESTS, outcome="ok") == 20
        assert meter.total(REQUESTS, service="other", outcome="ok") == 14
        assert meter.total("llm_exporter_label_overflow_total", label="service") == 14

    def test_a_full_family_shows_other_and_keeps_totals(self, new_meter: NewMeter) -> None:
        meter = new_meter(max_series_per_family=6, default_cap=1000)
        for i in range(50):
            meter.call(origin={"service": f"s{i}"}, error_type="timeout" if i % 5 == 0 else "")
        assert meter.total(REQUESTS) == 50
        assert meter.total(REQUESTS, outcome="error", error_type="timeout") == 10
        assert meter.total(REQUESTS, service="other", model="other", feature="other") > 40
        held = meter.total("llm_exporter_series", family=REQUESTS)
        limit = meter.total("llm_exporter_series_limit", family=REQUESTS)
        assert limit == 6 <= held <= 6 + 12

    @pytest.mark.dear
    def test_a_million_label_sets_take_bounded_room(self, new_meter: NewMeter) -> None:
        meter = new_meter(max_series_per_family=50, default_cap=20)
        for i in range(MAX_BUNDLES + 2_000):
            meter.call(
                origin={"service": f"s{i}", "dimensions": (f"f{i * 7}",)}, request_model=f"m{i}"
            )
        assert meter.total(REQUESTS) == MAX_BUNDLES + 2_000
        assert sum(meter.samples("llm_exporter_series").values()) < 2_000
        assert 1 < len(meter.recorder._calls.by_key) <= 20
        assert len(meter.recorder._calls._capped) <= MAX_BUNDLES

    def test_label_sets_beyond_the_bound_push_out_the_oldest_only(
        self, new_meter: NewMeter, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(series_sets, "MAX_BUNDLES", 4)
        meter = new_meter(max_series_per_family=40)
        for i in range(41):
            meter.call(origin={"service": f"s{i}"})
        known = [key[0] for key in meter.recorder._calls.by_key]
        assert known == [f"s{i}" for i in range(10, 41)]

    def test_what_is_shown_is_remembered_whatever_the_caps_change(
        self, new_meter: NewMeter, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(series_sets, "MAX_BUNDLES", 4)
        meter = new_meter(max_series_per_family=100, caps={"service": 30})
        for i in range(130):
            meter.call(origin={"service": f"s{i}"})
        calls = meter.recorder._calls
        assert [key[0] for key in calls.by_key] == [f"s{i}" for i in range(30)]
        assert len(calls._capped) <= 4
        assert meter.total("llm_exporter_label_overflow_total", label="service") == 100

    def test_a_reload_makes_room_for_more_label_sets(
        self, new_meter: NewMeter, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(series_sets, "MAX_BUNDLES", 4)
        meter = new_meter(max_series_per_family=10)
        for limit, expected in ((10, 10), (200, 60)):
            meter.store.reconfigure(replace(meter.store.options, max_series_per_family=limit))
            for i in range(60):
                meter.call(origin={"service": f"s{i}"})
            assert expected - 3 <= len(meter.recorder._calls.by_key) <= expected

    def test_huge_label_sets_are_not_remembered(self, new_meter: NewMeter) -> None:
        meter = new_meter()
        meter.call(origin={"service": "x" * 1_000_000})
        assert not meter.recorder._calls.by_key
        assert meter.total(REQUESTS, service="x" * 128, outcome="ok") == 1

    @pytest.mark.dear
    @draws(30)
    @given(
        calls=st.lists(
            st.tuples(st.text(max_size=3), st.text(max_size=2), st.text(max_size=2)), max_size=40
        ),
        cap=st.integers(0, 4),
        limit=st.integers(0, 8),
    )
    def test_caps_never_change_a_sum(
        self, new_meter: NewMeter, calls: list[tuple[str, str, str]], cap: int, limit: int
    ) -> None:
        meter = new_meter(default_cap=cap, max_series_per_family=limit)
        for service, model, feature in calls:
            meter.call(origin={"service": service, "dimensions": (feature,)}, request_model=model)
        assert max(0, meter.total(REQUESTS)) == len(calls)
        assert max(0, meter.total(DURATION + "_count")) == len(calls)
        assert max(0, meter.total(DURATION + "_sum")) == 1.5 * len(calls)


class TestMonotony:
    @pytest.mark.dear
    @draws(25)
    @given(
        steps=st.lists(
            st.tuples(
                st.sampled_from(["", "timeout", "auth"]),
                st.floats(0.5, 100),
                st.integers(0, 60),
                st.integers(-5, 10**7),
            ),
            min_size=1,
            max_size=15,
        )
    )
    def test_counters_and_buckets_never_fall(
        self, new_meter: NewMeter, steps: list[tuple[Any, float, int, int]]
    ) -> None:
        meter = new_meter(zero_hold_s=35.0)
        before: dict[Any, float] = {}
        for error, weight, wait_s, duration_ms in steps:
            end_ns = 10**18 + duration_ms * 10**6
            meter.call(error_type=error, weight=weight, end_ns=end_ns)
            meter.clock.now_s += wait_s
            now = {
                (sample.name, tuple(sorted(sample.labels.items()))): sample.value
                for metric in meter.families().values()
                if metric.type in ("counter", "histogram")
                for sample in metric.samples
            }
            assert all(now[key] >= value for key, value in before.items())
            before = now

    @pytest.mark.parametrize("amount", [-1, 0, float("nan"), float("inf"), 1e16, 10**400])
    def test_impossible_amounts_change_nothing(self, amount: float) -> None:
        counter = Counter("", 0)
        counter.add(5, 1)
        counter.add(amount, 2)
        assert counter.value == 5

    @pytest.mark.parametrize("value", [-1, float("nan"), float("inf"), 1e16, 10**400])
    def test_impossible_observations_change_nothing(self, value: float) -> None:
        histogram = Histogram("", 0, (1.0,))
        histogram.observe(value, 1, 1)
        histogram.observe(1, value, 1)
        assert histogram.counts == [0, 0] and histogram.total == 0

    def test_a_bound_belongs_to_its_bucket(self) -> None:
        histogram = Histogram("", 0, (0.0, 1.0))
        for value in (0, 1, 1.0001):
            histogram.observe(value, 1, 1)
        assert histogram.counts == [1, 1, 1]


class TestReconfigure:
    def test_new_dimensions_keep_what_was_counted(self, new_meter: NewMeter) -> None:
        meter = new_meter(dimensions=(Dimension("feature"), Dimension("team")), zero_hold_s=35.0)
        for feature, team in (("search", "a"), ("search", "b"), ("chat", "a")):
            meter.call(origin={"dimensions": (feature, team)})
        options = StoreOptions(
            dimensions=(Dimension("region"), Dimension("feature")), zero_hold_s=35.0
        )
        meter.store.reconfigure(options)
        assert meter.total(REQUESTS, feature="search", outcome="ok") == 2
        assert meter.total(REQUESTS, feature="chat", outcome="ok") == 1
        assert meter.samples(REQUESTS, team="a") == {}
        assert meter.total(DURATION + "_sum") == 4.5
        assert meter.total("llm_exporter_label_overflow_total", label="region") == 0
        meter.call(origin={"dimensions": ("eu", "search")})
        meter.clock.now_s += 36
        assert meter.total(REQUESTS, region="eu", feature="search", outcome="ok") == 1
        assert meter.total(REQUESTS, outcome="ok") == 4

    def test_new_buckets_start_those_histograms_anew(self, new_meter: NewMeter) -> None:
        meter = new_meter()
        meter.call()
        options = StoreOptions(
            dimensions=(Dimension("feature"),), buckets={"seconds": (1, 2)}, zero_hold_s=0
        )
        meter.store.reconfigure(options)
        assert meter.samples(DURATION + "_count") == {}
        meter.call()
        les = {dict(key)["le"] for key in meter.samples(DURATION + "_bucket")}
        assert les == {"1.0", "2.0", "+Inf"}
        assert meter.total(DURATION + "_count") == 1
        assert meter.total(REQUESTS, outcome="ok") == 2

    @pytest.mark.parametrize("values", [(), ("search", "extra", "more")])
    def test_a_record_read_before_the_reload_still_counts(
        self, new_meter: NewMeter, values: tuple[str, ...]
    ) -> None:
        meter = new_meter()
        meter.call(origin={"dimensions": values})
        meter.verdict("pass", origin=meter_origin(values))
        assert meter.total(REQUESTS, outcome="ok") == 1
        assert meter.total("llm_judge_verdicts_total") == 1


def meter_origin(dimensions: tuple[str, ...]) -> Any:
    return Origin(b"", b"", b"", "log", "semconv", "", "shop", "", dimensions)


class TestOptions:
    def test_all_problems_are_told_at_once(self) -> None:
        with pytest.raises(ConfigError) as caught:
            StoreOptions(
                dimensions=tuple(map(Dimension, ("model", "a-b", "__x", "le", "ok", "ok", "n\n"))),
                buckets={"seconds": (2, 1), "score": (), "tokens": (-1,), "nonsense": (1,)},
            )
        assert len(caught.value.problems) == 10

    def test_labels_of_families_without_dimensions_are_free(self) -> None:
        StoreOptions(dimensions=(Dimension("version"), Dimension("table"), Dimension("tenant")))

    def test_an_unknown_family_is_a_programming_error(self) -> None:
        with pytest.raises(KeyError):
            Store().counters("llm_nonsense_total")
