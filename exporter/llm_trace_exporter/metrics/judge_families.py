"""The families that the built-in judge reports about its own work; a part of the catalogue."""

from __future__ import annotations

from .family import Family, MetricType


def _work(
    name: str, kind: MetricType, unit: str, labels: tuple[str, ...], text: str, query: str,
    *, buckets: str = "",
) -> Family:  # fmt: skip
    return Family(
        "llm_judge_" + name, kind, "Quality", unit, labels, text, query,
        buckets=buckets, expires=False, absent_when="the built-in judge is off (`judge`)",
    )  # fmt: skip


JUDGE_FAMILIES: tuple[Family, ...] = (
    _work(
        "eligible_total", "counter", "", ("judge",),
        "Answered calls with known texts that a rule of the built-in judge is for: what sampling "
        "chooses from.",
        'sum by (judge) (rate(llm_judge_runs_total{outcome="ok"}[1h])) '
        "/ sum by (judge) (rate(llm_judge_eligible_total[1h]))",
    ),
    _work(
        "runs_total", "counter", "", ("judge", "outcome"),
        "Questions of the built-in judge by how they ended: ok, error, timeout, unparseable, "
        "skipped (queue, budget or open circuit), no_text (the call does not tell what the rule "
        "needs).",
        'sum by (judge) (rate(llm_judge_runs_total{outcome=~"error|timeout|unparseable"}[15m])) '
        "/ sum by (judge) (rate(llm_judge_runs_total[15m]))",
    ),
    _work(
        "run_duration_seconds", "histogram", "seconds", ("judge",),
        "Time from asking the judging model to its answer, attempts included, in seconds.",
        "histogram_quantile(0.95, sum by (le, judge) "
        "(rate(llm_judge_run_duration_seconds_bucket[15m])))",
        buckets="seconds",
    ),
    _work(
        "cost_usd_total", "counter", "usd", ("judge",),
        "US dollars that the built-in judge spent; they are in no other family.",
        "sum by (judge) (increase(llm_judge_cost_usd_total[1d]))",
    ),
    _work(
        "unpriced_runs_total", "counter", "", ("judge",),
        "Questions whose cost is not known: the daily limit cannot count them.",
        "sum by (judge) (increase(llm_judge_unpriced_runs_total[1h])) > 0",
    ),
    _work(
        "queue_length", "gauge", "", (),
        "Questions that wait for the built-in judge.",
        "max(llm_judge_queue_length)",
    ),
    _work(
        "circuit_open", "gauge", "", (),
        "Whether the judge's endpoint is left alone because it failed too often in a row: 1 or 0.",
        "max(llm_judge_circuit_open) == 1",
    ),
    _work(
        "spent_today_usd", "gauge", "usd", (),
        "US dollars that the built-in judge spent in this UTC day, since the process started.",
        "max(llm_judge_spent_today_usd / llm_judge_daily_limit_usd)",
    ),
    _work(
        "daily_limit_usd", "gauge", "usd", (),
        "US dollars that the built-in judge may spend in a UTC day.",
        "max(llm_judge_daily_limit_usd)",
    ),
)  # fmt: skip
