"""Times that cannot be true count for their calls and spoil no sum."""

from __future__ import annotations

from msgspec.structs import replace

from llm_trace_exporter.model import MAX_DURATION_S, Tokens
from llm_trace_exporter.settled import CostLine
from tests.metrics.test_exposition import TRACE
from tests.metrics.test_recorder import STREAM, NewMeter, by_label, families_with_samples

MAX_NS = int(MAX_DURATION_S * 1e9)


def test_a_call_of_ten_years_counts_and_spoils_no_sum(new_meter: NewMeter) -> None:
    meter = new_meter(profiles=frozenset({"semconv", "openlit"}))
    start_ns, years_ns = 10**18, 10 * 366 * 86_400 * 10**9
    line = CostLine("input", "list", 0.5)
    for end_ns in (start_ns + years_ns, start_ns + MAX_NS):
        meter.call(
            **STREAM, tokens=Tokens(input=7, output=3), start_ns=start_ns, end_ns=end_ns,
            priced={"cost": (line,)},
        )  # fmt: skip
    assert meter.total("llm_requests_total") == 2
    assert meter.total("llm_tokens_total") == 20
    assert meter.total("llm_cost_usd_total") == 1
    week = MAX_DURATION_S
    for family in ("llm_request_duration_seconds", "gen_ai_client_operation_duration_seconds"):
        assert meter.total(f"{family}_count") == 1
        assert meter.total(f"{family}_sum") == week
    assert meter.total("llm_request_time_per_output_token_seconds_sum") < week
    assert by_label(meter, "llm_exporter_implausible_values_total", "field") == {"call": 1}


def test_impossible_times_of_all_kinds_are_counted_apart(new_meter: NewMeter) -> None:
    meter = new_meter()
    meter.call(streaming=True, ttft_s=2 * MAX_DURATION_S)
    meter.step("tool", "search", end_ns=10**18 + 2 * MAX_NS)
    meter.verdict("pass", time_ns=10**18 + 10 * 366 * 86_400 * 10**9, target_end_ns=10**18)
    assert by_label(meter, "llm_exporter_implausible_values_total", "field") == {
        "first_token": 1, "step": 1, "judge_lag": 1,
    }  # fmt: skip
    assert meter.total("llm_request_duration_seconds_count") == 1
    assert meter.total("llm_tool_calls_total") == 1
    assert meter.total("llm_judge_verdicts_total") == 1
    assert not {f for f in families_with_samples(meter) if f.endswith("_seconds")} - {
        "llm_request_duration_seconds"
    }


def test_people_judge_months_later(new_meter: NewMeter) -> None:
    meter = new_meter()
    meter.verdict("pass", kind="human", time_ns=10**18 + 13 * MAX_NS, target_end_ns=10**18)
    assert meter.total("llm_judge_lag_seconds_sum") == 13 * MAX_DURATION_S
    assert by_label(meter, "llm_exporter_implausible_values_total", "field") == {}


def test_what_has_no_end_took_no_known_time(new_meter: NewMeter) -> None:
    """Zero seconds would make every percentile look better."""
    meter = new_meter(profiles=frozenset({"semconv", "openlit"}))
    meter.call(**STREAM, tokens=Tokens(input=7, output=3), end_ns=10**18, is_untimed=True)
    meter.step("tool", "search", end_ns=10**18, is_untimed=True)
    meter.recorder.trace(replace(TRACE, duration_s=None))
    assert by_label(meter, "llm_exporter_implausible_values_total", "field") == {
        "call": 1, "step": 1, "trace": 1,
    }  # fmt: skip
    assert meter.total("llm_requests_total") == meter.total("llm_traces_total") == 1
    assert meter.total("llm_tokens_total") == 10
    assert not {f for f in families_with_samples(meter) if f.endswith("_seconds")}
