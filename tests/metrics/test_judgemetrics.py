"""The built-in judge says what it did."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from llm_trace_exporter.metrics.labels_and_buckets import RUN_OUTCOMES

NewMeter = Callable[..., Any]


def test_watched_judges_are_there_at_zero(new_meter: NewMeter) -> None:
    meter = new_meter()
    meter.judge.watch(["a", "b"])
    runs = meter.samples("llm_judge_runs_total")
    assert {dict(key)["outcome"] for key in runs} == set(RUN_OUTCOMES)
    assert len(runs) == 2 * len(RUN_OUTCOMES)
    for name in ("eligible", "cost_usd", "unpriced_runs"):
        assert meter.total(f"llm_judge_{name}_total") == 0


def test_runs_and_what_they_cost(new_meter: NewMeter) -> None:
    meter = new_meter()
    meter.judge.eligible("a", 2)
    meter.judge.eligible("a", 1)
    meter.judge.ran("a", "ok", 2.0)
    meter.judge.ran("a", "skipped", None)
    meter.judge.cost("a", 0.25)
    meter.judge.cost("a", None)
    assert meter.total("llm_judge_eligible_total", judge="a") == 3
    assert meter.total("llm_judge_runs_total", outcome="ok") == 1
    assert meter.total("llm_judge_runs_total", outcome="skipped") == 1
    assert meter.total("llm_judge_run_duration_seconds_count", judge="a") == 1
    assert meter.total("llm_judge_cost_usd_total") == 0.25
    assert meter.total("llm_judge_unpriced_runs_total") == 1


def test_a_judge_that_is_off_shows_no_state(new_meter: NewMeter) -> None:
    meter = new_meter()
    meter.judge.show(queue_length=2, is_open=True, spent_usd=1.5, limit_usd=10)
    assert meter.total("llm_judge_circuit_open") == 1
    assert meter.total("llm_judge_spent_today_usd") == 1.5
    meter.judge.hide()
    assert meter.samples("llm_judge_circuit_open") == {}
