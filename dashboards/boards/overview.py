"""For everybody: is the AI part healthy right now, and what does it cost?"""

from __future__ import annotations

from .. import measures as m
from ..board import Board, Row, to_board
from ..panels import BAD_ABOVE_1, Query, series, stat, table, timeline, up_to
from ..promql import NOT_JUDGES, RANGE, increase, rate, summed

_DRILL_DOWN = (
    to_board("llm-reliability", "Reliability & latency"),
    to_board("llm-cost", "Cost & budgets"),
    to_board("llm-quality", "Quality & judges"),
)

NOW = Row(
    "Now",
    (
        stat(
            "Alerts firing", "LLM alerts that fire at this moment.", "count of ALERTS firing",
            "short", f"count({m.ALERTS}) or vector(0)", ((None, "green"), (1, "red")),
        ),
        stat(
            "Error ratio", "Calls that failed in the time shown.", "failed calls / calls",
            "percentunit", m.error_ratio(window=RANGE), up_to(0.02, 0.05), decimals=2,
        ),
        stat(
            "Answers within (p95)", "95 % of the calls took no longer.",
            "95th percentile of call durations over the time shown", "s",
            m.duration(0.95, window=RANGE), decimals=1,
        ),
        m.sample_size("p95", m.DURATION, NOT_JUDGES, height=4),
        stat(
            "Judges: failure ratio", "Answers that judges let fail.",
            "fail / (pass + fail) over the time shown", "percentunit",
            m.judge_failures(window=RANGE), up_to(0.05, 0.1), decimals=2,
        ),
        stat(
            "Unhappy users", "Negative ratings by users.", "negative ratings / ratings",
            "percentunit", m.negative_feedback(window=RANGE), up_to(0.15, 0.3), decimals=1,
        ),
        stat(
            "Requests", "Calls in the time shown, those of judges left out.",
            "increase of llm_requests_total", "short",
            increase(m.REQUESTS, NOT_JUDGES), decimals=0,
        ),
        stat(
            "Spent", "What the calls in the time shown cost, judges included.",
            "increase of llm_cost_usd_total", "currencyUSD",
            increase("llm_cost_usd_total"), decimals=2,
        ),
        stat(
            "Spend an hour", "What is spent in an hour at the pace of the time shown.",
            "3600 x rate of llm_cost_usd_total", "currencyUSD",
            m.dollars_an_hour(window=RANGE), decimals=2,
        ),
        stat(
            "Worst budget", "Forecast of the budget that will be exceeded the most, as a multiple "
            "of its limit. Shows nothing where no budget is configured.",
            "max over budgets (forecast / limit)", "percentunit",
            "max(max by (budget) (llm_budget_forecast_usd) / "
            "max by (budget) (llm_budget_limit_usd))",
            BAD_ABOVE_1, decimals=0, no_value="no budget",
        ),
        stat(
            "Unpriced calls", "Calls whose cost is not known; they are in no sum of dollars.",
            "calls without a price / answered calls", "percentunit", m.unpriced(window=RANGE),
            up_to(0.01, 0.05), decimals=2,
        ),
        stat(
            "Spans a second", "What the exporter takes in: 0 means that nothing arrives.",
            "rate of llm_exporter_spans_received_total", "reqps",
            "sum(rate(llm_exporter_spans_received_total[15m]))",
            ((None, "red"), (0.001, "green")), decimals=2,
        ),
    ),
)  # fmt: skip

WRONG = Row(
    "What is wrong",
    (
        timeline(
            "Alerts", "LLM alerts and since when they fire; needs the rules in `alerts`.",
            "ALERTS that fire, by name, service and severity",
            summed(m.ALERTS, "alertname, service, severity", "max"),
            "{{alertname}} {{service}} ({{severity}})", height=6, no_value="no alert has fired",
        ),
        table(
            "Services", "Each service over the time shown, the failing first. The service's name "
            "leads to its details.",
            "as in the panels of the same names, by service", ("service",),
            m.ranged("Requests/s", rate(m.REQUESTS, NOT_JUDGES, by="service"), "reqps"),
            m.ranged("Errors", m.error_ratio("service"), "percentunit", *up_to(0.02, 0.05)),
            m.ranged("p95", m.duration(0.95, "service"), "s"),
            m.ranged("$/hour", m.dollars_an_hour("service"), "currencyUSD"),
            m.ranged("$/request", m.dollars_a_request("service"), "currencyUSD"),
            m.ranged("Judges fail", m.judge_failures("service"), "percentunit",
                     *up_to(0.05, 0.1)),
            m.ranged("Unhappy users", m.negative_feedback("service"), "percentunit",
                     *up_to(0.15, 0.3)),
            sort=1, height=8, links=_DRILL_DOWN,
        ),
    ),
)  # fmt: skip

TRENDS = Row(
    "Trends",
    (
        m.errors_by("service", "{{service}}"),
        series(
            "Judges: failure ratio by judge", "Answers that fail. Dashed: the targets.",
            "fail / (pass + fail)", "percentunit",
            Query(m.judge_failures("judge"), "{{judge}}"), m.target("judge_failure_ratio"),
        ),
        *m.with_samples(
            series(
                "p95 by service", "95 % of the calls took no longer. Dashed: the targets.",
                "95th percentile of call durations", "s",
                Query(m.duration(0.95, "service"), "{{service}}"),
                m.target("latency_p95_seconds"),
            ),
            "p95 by service", m.DURATION, NOT_JUDGES,
        ),
        series(
            "Spend by service", "What is spent, judges included.",
            "3600 x rate of llm_cost_usd_total: dollars an hour", "currencyUSD",
            Query(m.dollars_an_hour("service"), "{{service}}"), stacked=True,
        ),
        series(
            "Requests by service", "Calls, those of judges left out.",
            "rate of llm_requests_total", "reqps",
            Query(rate(m.REQUESTS, NOT_JUDGES, by="service"), "{{service}}"), stacked=True,
        ),
        series(
            "Tokens by type", "The types are disjoint: the stack is every token once.",
            "rate of llm_tokens_total", "short",
            Query(rate("llm_tokens_total", by="type"), "{{type}}"), stacked=True,
        ),
    ),
)  # fmt: skip

BOARD = Board(
    "llm-overview", "Overview",
    "Whether the applications that call language models are well, at a glance.",
    (NOW, WRONG, TRENDS),
)  # fmt: skip
