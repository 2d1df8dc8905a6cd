"""Each record adds to the families that the contract names, and to no other."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from llm_trace_exporter.metrics.catalogue import FAMILIES
from llm_trace_exporter.metrics.label_policy import Dimension
from llm_trace_exporter.metrics.series_sets import MAX_BUNDLES
from llm_trace_exporter.model import TOKEN_TYPES, Finding, Tokens
from llm_trace_exporter.settled import CostLine
from tests.draws import draws

NewMeter = Callable[..., Any]
STREAM = {"streaming": True, "ttft_s": 0.3}


def by_label(meter: Any, name: str, label: str) -> dict[str, float]:
    """Return the samples of a family that are not 0 by one label."""
    found = ((dict(key).get(label, ""), n) for key, n in meter.samples(name).items())
    return {value: n for value, n in found if n}


def families_with_samples(meter: Any) -> set[str]:
    return {
        family.name
        for family in FAMILIES
        if family.section not in ("Exporter", "Profiles")
        and meter.families()[family.base_name].samples
    }


class TestCalls:
    def test_a_call_carries_the_base_labels_and_dimensions(self, new_meter: NewMeter) -> None:
        meter = new_meter()
        meter.call(purpose="judge", priced={"provider": "azure.ai.openai", "model": "gpt-4o"})
        (labels,) = meter.samples("llm_requests_total", outcome="ok")
        assert dict(labels) == {
            "service": "shop",
            "environment": "prod",
            "provider": "azure.ai.openai",
            "model": "gpt-4o",
            "operation": "chat",
            "purpose": "judge",
            "outcome": "ok",
            "feature": "search",
        }

    def test_a_bare_call_touches_nothing_that_is_unknown(self, new_meter: NewMeter) -> None:
        meter = new_meter()
        meter.call()
        assert families_with_samples(meter) == {
            "llm_requests_total",
            "llm_request_duration_seconds",
        }

    def test_the_first_call_brings_the_other_outcome_at_zero(self, new_meter: NewMeter) -> None:
        meter = new_meter()
        meter.call()
        assert meter.total("llm_requests_total", outcome="error") == 0
        meter.call(error_type="rate_limited", origin={"service": "down"})
        assert meter.total("llm_requests_total", service="down", outcome="ok") == 0

    def test_a_failed_call(self, new_meter: NewMeter) -> None:
        meter = new_meter()
        meter.call(error_type="rate_limited")
        assert by_label(meter, "llm_requests_total", "error_type") == {"rate_limited": 1}
        assert by_label(meter, "llm_request_duration_seconds_count", "outcome") == {"error": 1}
        assert meter.total("llm_request_duration_seconds_sum") == 1.5

    def test_streaming_times(self, new_meter: NewMeter) -> None:
        meter = new_meter()
        meter.call(**STREAM, tokens=Tokens(output=10, reasoning=3))
        assert meter.total("llm_request_time_to_first_token_seconds_sum") == 0.3
        assert meter.total("llm_request_time_per_output_token_seconds_sum") == pytest.approx(0.1)

    @pytest.mark.parametrize(
        ("fields", "first", "each"),
        [
            ({"streaming": False, "ttft_s": 0.3, "tokens": Tokens(output=9)}, -1, -1),
            ({"streaming": True, "ttft_s": None, "tokens": Tokens(output=9)}, -1, -1),
            ({**STREAM, "tokens": None}, 1, -1),
            ({**STREAM, "tokens": Tokens(output=1)}, 1, -1),
            ({**STREAM, "ttft_s": 1.6, "tokens": Tokens(output=9)}, 1, -1),
            ({**STREAM, "ttft_s": 0.0, "tokens": Tokens(output=2)}, 1, 1),
        ],
    )
    def test_streaming_times_only_where_they_are_known(
        self, new_meter: NewMeter, fields: dict[str, Any], first: int, each: int
    ) -> None:
        meter = new_meter()
        meter.call(**fields)
        assert meter.total("llm_request_time_to_first_token_seconds_count") == first
        assert meter.total("llm_request_time_per_output_token_seconds_count") == each

    def test_tokens_by_disjoint_type(self, new_meter: NewMeter) -> None:
        meter = new_meter()
        meter.call(tokens=Tokens(100, 50, 0, 80, 20, 5, 7))
        assert by_label(meter, "llm_tokens_total", "type") == {
            "input": 100,
            "cache_read": 50,
            "output": 80,
            "reasoning": 20,
            "audio_input": 5,
            "audio_output": 7,
        }
        assert meter.samples("llm_tokens_total", type="cache_write") == {}
        assert meter.total("llm_request_input_tokens_sum") == 155
        assert meter.total("llm_request_output_tokens_sum") == 107

    def test_unknown_tokens_are_not_zero_but_zero_is_known(self, new_meter: NewMeter) -> None:
        meter = new_meter()
        meter.call(tokens=None)
        assert meter.samples("llm_request_input_tokens_count") == {}
        meter.call(tokens=Tokens())
        assert meter.total("llm_request_input_tokens_count") == 1
        assert meter.samples("llm_tokens_total") == {}

    def test_cost_by_type_and_source(self, new_meter: NewMeter) -> None:
        meter = new_meter()
        lines = (CostLine("input", "list", 0.002), CostLine("request", "contract", 0.01))
        meter.call(priced={"cost": lines})
        assert meter.total("llm_cost_usd_total", type="input", cost_source="list") == 0.002
        assert meter.total("llm_cost_usd_total", type="request", cost_source="contract") == 0.01
        assert meter.total("llm_request_cost_usd_sum") == pytest.approx(0.012)
        assert meter.samples("llm_unpriced_requests_total") == {}

    def test_a_free_call_costs_zero_and_is_not_unpriced(self, new_meter: NewMeter) -> None:
        meter = new_meter()
        meter.call(priced={"cost": (CostLine("input", "list", 0.0),)})
        assert meter.total("llm_cost_usd_total") == 0
        assert meter.total("llm_request_cost_usd_count") == 1

    def test_unpriced_is_counted_and_has_no_cost(self, new_meter: NewMeter) -> None:
        meter = new_meter()
        tokens = (("input", 100), ("output", 7))
        meter.call(priced={"unpriced": "unknown_model", "unpriced_tokens": tokens})
        assert by_label(meter, "llm_unpriced_requests_total", "reason") == {"unknown_model": 1}
        assert by_label(meter, "llm_unpriced_tokens_total", "type") == {"input": 100, "output": 7}
        assert meter.samples("llm_cost_usd_total") == {}
        assert meter.samples("llm_request_cost_usd_count") == {}

    def test_finish_reasons_and_gateway_events(self, new_meter: NewMeter) -> None:
        meter = new_meter()
        meter.call(finish_reasons=("stop", "stop", "length"), gateway_events=(("retry", 3),))
        assert by_label(meter, "llm_finish_reasons_total", "reason") == {"stop": 2, "length": 1}
        assert by_label(meter, "llm_gateway_events_total", "event") == {"retry": 3}

    def test_routing_needs_both_models_and_an_answer(self, new_meter: NewMeter) -> None:
        meter = new_meter()
        meter.call(request_model="auto", response_model="")
        meter.call(request_model="", response_model="gpt-4o")
        meter.call(request_model="gpt-4o", response_model="gpt-4o", error_type="server_error")
        assert meter.samples("llm_model_routing_total") == {}
        meter.call(request_model="auto", response_model="gpt-4o-2024-08-06")
        (labels,) = meter.samples("llm_model_routing_total")
        assert dict(labels) == {
            "service": "shop",
            "environment": "prod",
            "provider": "openai",
            "request_model": "auto",
            "response_model": "gpt-4o-2024-08-06",
        }

    def test_a_weight_scales_everything(self, new_meter: NewMeter) -> None:
        meter = new_meter()
        meter.call(
            **STREAM,
            weight=4.0,
            tokens=Tokens(10, output=5),
            finish_reasons=("stop",),
            gateway_events=(("retry", 2),),
            response_model="x",
            priced={
                "cost": (CostLine("input", "list", 0.5),),
                "unpriced": "unknown_model",
                "unpriced_tokens": (("output", 5),),
            },
        )
        for name, expected in {
            "llm_requests_total": 4,
            "llm_request_duration_seconds_count": 4,
            "llm_request_duration_seconds_sum": 6,
            "llm_request_time_to_first_token_seconds_count": 4,
            "llm_request_time_per_output_token_seconds_count": 4,
            "llm_tokens_total": 60,
            "llm_request_input_tokens_sum": 40,
            "llm_cost_usd_total": 2,
            "llm_request_cost_usd_sum": 2,
            "llm_unpriced_requests_total": 4,
            "llm_unpriced_tokens_total": 20,
            "llm_finish_reasons_total": 4,
            "llm_gateway_events_total": 8,
            "llm_model_routing_total": 4,
        }.items():
            assert meter.total(name) == expected, name

    @pytest.mark.parametrize("weight", [0, -1, float("nan"), float("inf")])
    def test_an_impossible_weight_counts_as_one(self, new_meter: NewMeter, weight: float) -> None:
        meter = new_meter()
        meter.call(weight=weight)
        assert meter.total("llm_requests_total") == 1

    def test_overflow_counts_records_by_label(self, new_meter: NewMeter) -> None:
        meter = new_meter(
            caps={"request_model": 1, "model": 1}, dimensions=(Dimension("feature", cap=1),)
        )
        for name in ("a", "b", "b"):
            meter.call(
                origin={"dimensions": (name,)}, request_model=f"alias-{name}", response_model=name
            )
        assert by_label(meter, "llm_exporter_label_overflow_total", "label") == {
            "model": 2,
            "feature": 2,
            "request_model": 2,
        }

    def test_a_flood_of_request_models_is_bounded(self, new_meter: NewMeter) -> None:
        meter = new_meter(caps={"request_model": 5})
        for i in range(MAX_BUNDLES + 2_000):
            meter.call(request_model=f"m{i}", response_model="gpt-4o", priced={"model": "gpt-4o"})
        assert len(meter.samples("llm_model_routing_total")) == 6
        assert meter.total("llm_model_routing_total") == MAX_BUNDLES + 2_000
        assert len(meter.recorder._routes.by_key) <= MAX_BUNDLES

    @draws(40)
    @given(st.lists(st.tuples(*[st.integers(0, 10**6)] * len(TOKEN_TYPES)), max_size=8))
    def test_the_sum_over_types_is_every_token_once(
        self, new_meter: NewMeter, counts: list[tuple[int, ...]]
    ) -> None:
        meter = new_meter()
        for count in counts:
            meter.call(tokens=replace(Tokens(), **dict(zip(TOKEN_TYPES, count, strict=True))))
        total = max(0, meter.total("llm_tokens_total"))
        both = meter.total("llm_request_input_tokens_sum") + meter.total(
            "llm_request_output_tokens_sum"
        )
        assert total == sum(map(sum, counts)) == (both if counts else 0)


class TestSteps:
    def test_a_step_has_a_duration_and_no_tokens(self, new_meter: NewMeter) -> None:
        meter = new_meter()
        meter.step("agent", "planner", weight=2.0)
        assert families_with_samples(meter) == {"llm_step_duration_seconds"}
        (labels,) = meter.samples("llm_step_duration_seconds_sum")
        assert dict(labels) == {
            "service": "shop",
            "environment": "prod",
            "step": "agent",
            "name": "planner",
            "outcome": "ok",
            "feature": "search",
        }
        assert meter.total("llm_step_duration_seconds_sum") == 4

    def test_tools(self, new_meter: NewMeter) -> None:
        meter = new_meter()
        meter.step("tool", "search")
        assert meter.total("llm_tool_calls_total", tool="search", outcome="ok") == 1
        assert meter.total("llm_tool_calls_total", outcome="error") == 0
        meter.step("tool", "search", error_type="timeout")
        assert meter.total("llm_tool_calls_total", error_type="timeout") == 1
        assert meter.total("llm_step_duration_seconds_count", step="tool") == 2

    def test_retrievals(self, new_meter: NewMeter) -> None:
        meter = new_meter()
        meter.step("retrieval", "docs")
        assert meter.samples("llm_retrieved_documents_count") == {}
        meter.step("retrieval", "docs", documents=0, top_score=-0.5)
        meter.step("retrieval", "docs", documents=4, top_score=17.5)
        meter.step("retrieval", "docs", top_score=float("nan"))
        assert meter.total("llm_retrieved_documents_sum", name="docs") == 4
        assert meter.total("llm_retrieved_documents_bucket", le="0.0") == 1
        assert meter.total("llm_retrieval_top_score_count") == 2
        assert meter.total("llm_retrieval_top_score_bucket", le="0.0") == 1
        assert meter.total("llm_retrieval_top_score_sum") == 17.5

    def test_guardrails_of_any_kind_of_step(self, new_meter: NewMeter) -> None:
        meter = new_meter()
        meter.step("guardrail", "pii", guardrail_action="modify")
        meter.step("tool", "pii", guardrail_action="block")
        assert by_label(meter, "llm_guardrail_checks_total", "action") == {"modify": 1, "block": 1}
        assert meter.total("llm_guardrail_checks_total", action="allow") == 0
        assert meter.total("llm_tool_calls_total", tool="pii", outcome="ok") == 1


class TestVerdicts:
    def test_findings_are_as_many_as_were_found_in_as_many_calls_as_a_call_stands_for(
        self, new_meter: NewMeter
    ) -> None:
        meter = new_meter()
        found = (Finding("email", "output", 3), Finding("phone", "input"))
        meter.verdict("fail", weight=4.0, kind="code", findings=found)
        counted = by_label(meter, "llm_content_findings_total", "category")
        assert counted == {"email": 12, "phone": 4}

    def test_all_verdicts_of_a_judge_are_born_together(self, new_meter: NewMeter) -> None:
        meter = new_meter()
        meter.verdict("fail", weight=3.0)
        found = meter.samples("llm_judge_verdicts_total")
        assert {dict(key)["verdict"]: n for key, n in found.items()} == {
            "pass": 0,
            "fail": 3,
            "error": 0,
            "unscored": 0,
        }
        labels = dict(next(iter(found)))
        assert labels.keys() - {"verdict"} == {
            "service",
            "environment",
            "judge",
            "kind",
            "feature",
        }

    def test_the_model_is_shown_where_it_is_known(self, new_meter: NewMeter) -> None:
        meter = new_meter()
        meter.verdict("pass", model="gpt-4o")
        assert meter.total("llm_judge_verdicts_total", model="gpt-4o") == 1

    @pytest.mark.parametrize(
        ("judge", "score", "shown"),
        [
            ("plain", 0.75, 0.75),
            ("plain", 0, 0),
            ("plain", 1, 1),
            ("plain", 1.01, None),
            ("plain", -0.1, None),
            ("plain", float("nan"), None),
            ("plain", None, None),
            ("stars", 4.0, 0.75),
            ("stars", 0.5, None),
            ("toxicity", 2.0, 0.8),
            ("broken", 3.0, None),
        ],
    )
    def test_scores_are_scaled_by_the_judges_range(
        self, new_meter: NewMeter, judge: str, score: float | None, shown: float | None
    ) -> None:
        ranges = {"stars": (1.0, 5.0), "toxicity": (10.0, 0.0), "broken": (3.0, 3.0)}
        meter = new_meter(score_ranges=ranges)
        meter.verdict("pass", judge=judge, score=score)
        assert meter.total("llm_judge_verdicts_total") == 1
        if shown is None:
            assert meter.samples("llm_judge_score_count") == {}
        else:
            assert meter.total("llm_judge_score_sum", judge=judge, kind="llm") == shown

    def test_lag(self, new_meter: NewMeter) -> None:
        meter = new_meter()
        meter.verdict("pass")
        assert meter.samples("llm_judge_lag_seconds_count") == {}
        meter.verdict("pass", target_end_ns=2 * 10**18 - 90 * 10**9)
        meter.verdict("pass", target_end_ns=2 * 10**18 + 1)
        assert meter.total("llm_judge_lag_seconds_sum", judge="faithful") == 90
        assert meter.total("llm_judge_lag_seconds_count") == 2

    def test_configured_judges_are_replaced(self, new_meter: NewMeter) -> None:
        meter = new_meter()
        meter.recorder.judges({"stars": (1.0, 5.0)}, {}, {"stars": 0.1, "gone": 0.2})
        meter.recorder.judges({}, {}, {"stars": 0.3})
        assert by_label(meter, "llm_judge_baseline_failure_ratio", "judge") == {"stars": 0.3}
        meter.verdict("pass", judge="stars", score=4.0)
        assert meter.samples("llm_judge_score_count") == {}


class TestFeedback:
    def test_ratings(self, new_meter: NewMeter) -> None:
        meter = new_meter()
        meter.feedback("positive", weight=2.0)
        meter.feedback("neutral", model="gpt-4o")
        assert by_label(meter, "llm_feedback_total", "rating") == {"positive": 2, "neutral": 1}
        assert meter.total("llm_feedback_total", rating="negative") == 0
        assert meter.total("llm_feedback_total", model="gpt-4o", source="thumbs") == 1

    def test_invented_sources_are_capped(self, new_meter: NewMeter) -> None:
        meter = new_meter(caps={"source": 1})
        for source in ("a", "b", "c"):
            meter.feedback("positive", source=source)
        assert meter.total("llm_feedback_total", source="other", rating="positive") == 2
        assert meter.total("llm_exporter_label_overflow_total", label="source") == 2
        meter.own.spans_received("otlp_http", "x")
        assert meter.total("llm_exporter_spans_received_total", source="otlp_http") == 1
