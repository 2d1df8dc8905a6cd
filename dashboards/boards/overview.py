"""For everybody: is the AI part healthy right now, and what does it cost?"""

from __future__ import annotations

from .. import measures as m
from ..board import Board, Row, to_board
from ..panels import Query, now, series, stat, table, timeline
from ..promql import (
    NOT_JUDGES,
    NOW,
    RANGE,
    default_target,
    increase,
    rate,
    summed,
    top_and_rest,
)
from ..units import BAD_ABOVE_1, up_to

_DRILL_DOWN = (
    to_board("llm-reliability", "Reliability & latency"),
    to_board("llm-cost", "Cost & budgets"),
    to_board("llm-quality", "Quality & judges"),
)

_P95 = m.quantile_lines(m.duration(0.95, "service"), m.DURATION, "service", NOT_JUDGES)

AT_ONCE = Row(
    "Now: the last 10 minutes",
    (
        now(stat(
            "Alerts firing", "LLM alerts that fire at this moment; needs the rules in `alerts`.",
            "count of ALERTS firing", "short", f"count({m.ALERTS}) or vector(0)",
            ((None, "green"), (1, "red")), decimals=0,
        )),
        now(stat(
            "Error ratio now", "Calls that failed in the last ten minutes. Red from the target on.",
            "failed calls / calls", "percentunit", m.error_ratio(window=NOW), up_to(0.02, 0.05),
            decimals=2, target=default_target("error_ratio"),
        )),
        now(stat(
            "Answers within now (p95)", "95 % of the calls of the last ten minutes took no "
            "longer. Red from the target on.", "95th percentile of call durations", "s",
            m.duration(0.95, window=NOW), decimals=1,
            target=default_target("latency_p95_seconds"),
        )),
        now(stat(
            "Requests now", "Calls a second, those of judges left out.",
            "rate of llm_requests_total", "req/s", rate(m.REQUESTS, NOT_JUDGES, window=NOW),
            decimals=2,
        )),
        now(stat(
            "Spend now", "What is spent in an hour at the pace of the last ten minutes.",
            "3600 x rate of llm_cost_usd_total", "$/h", m.dollars_an_hour(window=NOW), decimals=2,
        )),
        now(stat(
            "Spans now", "What the exporter takes in: 0 means that nothing arrives.",
            "rate of llm_exporter_spans_received_total", "spans/s",
            rate("llm_exporter_spans_received_total", window=NOW),
            ((None, "red"), (0.001, "green")), decimals=2,
        )),
    ),
)  # fmt: skip

SHOWN = Row(
    "In the time shown",
    (
        stat(
            "Error ratio", "Calls that failed in the time shown. Red from the target on.",
            "failed calls / calls", "percentunit", m.error_ratio(window=RANGE),
            up_to(0.02, 0.05), decimals=2, width=3, target=default_target("error_ratio"),
        ),
        stat(
            "Answers within (p95)", "95 % of the calls took no longer. Red from the target on.",
            "95th percentile of call durations over the time shown", "s",
            m.duration(0.95, window=RANGE), decimals=1, width=3,
            target=default_target("latency_p95_seconds"),
        ),
        m.sample_size("p95", m.DURATION, NOT_JUDGES, height=4, width=3),
        stat(
            "Judges: failure ratio", "Answers that judging models let fail; guardrails, people "
            "and judges of safety are left out. Red from the target on.",
            "fail / (pass + fail) over the time shown", "percentunit",
            m.judge_failures(window=RANGE, of=m.OF_MODELS), up_to(0.05, 0.1), decimals=2,
            width=3, target=default_target("judge_failure_ratio"),
        ),
        stat(
            "Unhappy users", "Negative ratings by users. Red from the target on.",
            "negative ratings / ratings", "percentunit", m.negative_feedback(window=RANGE),
            up_to(0.15, 0.3), decimals=1, width=3,
            target=default_target("negative_feedback_ratio"),
        ),
        stat(
            "Spent", "What the calls in the time shown cost, judges included.",
            "increase of llm_cost_usd_total", "currencyUSD",
            increase("llm_cost_usd_total"), decimals=2, width=3,
        ),
        stat(
            "Worst budget", "Forecast of the budget that will be exceeded the most, as a share "
            "of its limit.", "max over budgets (forecast / limit)", "percentunit",
            f"max({m.budget_share('forecast_usd')})", BAD_ABOVE_1, decimals=0, width=3,
        ),
        stat(
            "Unpriced calls", "Answered calls whose cost should be known and is not; they are in "
            "no sum of dollars. Red from the target on.", "calls without a price / calls",
            "percentunit", m.unpriced(window=RANGE), up_to(0.01, 0.05), decimals=2, width=3,
            target=default_target("unpriced_ratio"),
        ),
    ),
)  # fmt: skip

WRONG = Row(
    "What is wrong",
    (
        timeline(
            "Alerts", "LLM alerts and since when they fire; needs the rules in `alerts`.",
            "ALERTS that fire, by name, service and severity",
            f"topk(20, {summed(m.ALERTS, 'alertname, service, severity', 'max')})",
            "{{alertname}} {{service}} ({{severity}})", height=9, no_value="no alert has fired",
        ),
        table(
            "Services", "Each service over the time shown, the failing first. The service's name "
            "leads to its details.",
            "as in the panels of the same names, by service", ("service",),
            m.ranged("Requests/s", rate(m.REQUESTS, NOT_JUDGES, by="service"), "req/s"),
            m.ranged("Errors", m.error_ratio("service"), "percentunit", *up_to(0.02, 0.05)),
            m.ranged("p95", m.duration(0.95, "service"), "s"),
            m.ranged("$/hour", m.dollars_an_hour("service"), "$/h"),
            m.ranged("$/1000 requests", f"1000 * {m.dollars_a_request('service')}", "currencyUSD"),
            m.ranged("Judges fail", m.judge_failures("service", of=m.OF_MODELS), "percentunit",
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
            "Judges: failure ratio by judge", "Answers that fail, the worst judges, where there "
            "are 5 verdicts or more. Dashed: the targets.",
            "fail / (pass + fail)", "percentunit",
            Query(m.judge_failure_lines("judge"), "{{judge}}"), m.target("judge_failure_ratio"),
            least_step="15m",
        ),
        *m.with_samples(
            series(
                "p95 by service", "95 % of the calls took no longer. Dashed: the targets.",
                "95th percentile of call durations", "s",
                Query(_P95, "{{service}}"),
                m.target("latency_p95_seconds"),
            ),
            "p95 by service", m.DURATION, NOT_JUDGES, by="service",
        ),
        series(
            "Spend by service", "What is spent, judges included.",
            "3600 x rate of llm_cost_usd_total", "$/h",
            Query(top_and_rest(m.dollars_an_hour("service"), "service"), "{{service}}"),
            stacked=True,
        ),
        series(
            "Requests by service", "Calls, those of judges left out.",
            "rate of llm_requests_total", "req/s",
            Query(
                top_and_rest(rate(m.REQUESTS, NOT_JUDGES, by="service"), "service"), "{{service}}"
            ),
            stacked=True,
        ),
        series(
            "Tokens by type", "The types are disjoint: the stack is every token once.",
            "rate of llm_tokens_total", "tok/s",
            Query(rate("llm_tokens_total", by="type"), "{{type}}"), stacked=True,
        ),
    ),
)  # fmt: skip

BOARD = Board(
    "llm-overview", "Overview",
    "Whether the applications that call language models are well, at a glance.",
    (AT_ONCE, SHOWN, WRONG, TRENDS), hours=6,
)  # fmt: skip
