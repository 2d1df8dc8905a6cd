"""For who pays: who spent it, will it be exceeded, what does one answer cost?"""

from __future__ import annotations

from .. import measures as m
from ..board import Board, Row
from ..panels import Query, bars, series, stat, table
from ..promql import (
    NOT_JUDGES,
    RANGE,
    RATE,
    increase,
    mean,
    named,
    rate,
    ratio,
    top,
    top_and_rest,
)
from ..units import BAD_ABOVE_1, PLAIN, up_to

_COST = "llm_cost_usd_total"
_ASSUMED = "llm_assumed_cost_usd_total"
_TOKENS = "llm_tokens_total"
_INPUTS = 'type=~"input|cache_read|cache_write"'
_OUTPUTS = 'type=~"output|reasoning"'


def _cached(by: str = "", window: str = RATE) -> str:
    """Input tokens that came from a prompt cache, of all input tokens."""
    read = rate(_TOKENS, 'type="cache_read"', NOT_JUDGES, by=by, window=window)
    return ratio(read, rate(_TOKENS, _INPUTS, NOT_JUDGES, by=by, window=window))


def _reasoning(by: str = "", window: str = RATE) -> str:
    """Output tokens that nobody sees, of all output tokens."""
    part = rate(_TOKENS, 'type="reasoning"', NOT_JUDGES, by=by, window=window)
    return ratio(part, rate(_TOKENS, _OUTPUTS, NOT_JUDGES, by=by, window=window))


def _of_judges(window: str) -> str:
    return ratio(rate(_COST, 'purpose="judge"', window=window), rate(_COST, window=window))


def _spend(by: str, legend: str) -> tuple[str, str, str, str, Query]:
    return (
        f"Spend by {by}", "What is spent, judges included.",
        f"3600 x rate of llm_cost_usd_total by {by}", "$/h",
        Query(named(top_and_rest(m.dollars_an_hour(by), by), by), legend),
    )  # fmt: skip


NOW = Row(
    "Spent in the time shown",
    (
        stat("Spent", "What all calls cost, judges included.", "increase of llm_cost_usd_total",
             "currencyUSD", increase(_COST), decimals=2),
        stat("A month at this pace", "What 730 hours cost at the pace of the time shown; nights "
             "and week-ends count only if they are in it.",
             "730 h x 3600 x rate of llm_cost_usd_total", "currencyUSD",
             f"730 * {m.dollars_an_hour(window=RANGE)}", decimals=2),
        stat("A request", "What a call costs on the mean.", "dollars / priced calls",
             "currencyUSD", m.dollars_a_request(window=RANGE), decimals=4),
        stat("A million tokens", "Blended price of a million tokens of any type.",
             "1,000,000 x dollars / tokens", "currencyUSD",
             m.dollars_per_million_tokens(window=RANGE), decimals=2),
        stat("Share of judges", "What judging costs, of all that is spent.",
             "dollars of judges / dollars", "percentunit", _of_judges(RANGE), up_to(0.2, 0.4),
             decimals=1),
        stat("Unpriced calls", "Answered calls whose cost should be known and is not; they are in "
             "no sum of dollars.", "calls without a price / calls", "percentunit",
             m.unpriced(window=RANGE), up_to(0.01, 0.05), decimals=2),
    ),
)  # fmt: skip

BUDGETS = Row(
    "Budgets",
    (
        bars("Spent of the budget", "How much of each budget's period limit is gone.",
             "spent / limit", "percentunit", m.budget_share("spent_usd"),
             "{{budget}} ({{period}})", BAD_ABOVE_1, width=6, most=1.5),
        bars("Forecast of the budget", "Where each budget's period will end at the present pace.",
             "forecast / limit", "percentunit",
             m.budget_share("forecast_usd"), "{{budget}} ({{period}})", BAD_ABOVE_1, width=6,
             most=1.5),
        table("Budgets", "Every budget now. A forecast above the limit is what to act on.",
              "the gauges llm_budget_*", ("budget", "period"),
              m.ranged("Limit", m.budget("limit_usd"), "currencyUSD"),
              m.ranged("Spent", m.budget("spent_usd"), "currencyUSD"),
              m.ranged("Forecast", m.budget("forecast_usd"), "currencyUSD"),
              m.ranged("Period over", m.budget("elapsed_ratio"), "percentunit"),
              m.ranged("Pace", f"{m.budget('spent_usd')} / {m.budget('limit_usd')} / "
                       f"{m.budget('usual_ratio')}", "x", *BAD_ABOVE_1),
              sort=4, width=12),
        series("Spent of the limit over time", "Each budget as a share of its limit, the fullest. "
               "Dashed: all of it.", "spent / limit", "percentunit",
               Query(top(m.budget_share("spent_usd"), "budget, period"),
                     "{{budget}} ({{period}})"),
               Query("vector(1)", "the limit", is_target=True)),
        series("Forecast of the limit over time", "Where each period will end as a share of the "
               "limit, the worst. Dashed: all of it.", "forecast / limit", "percentunit",
               Query(top(m.budget_share("forecast_usd"), "budget, period"),
                     "{{budget}} ({{period}})"),
               Query("vector(1)", "the limit", is_target=True)),
    ),
)  # fmt: skip

WHO = Row(
    "Who spends",
    (
        series(*_spend("service", "{{service}}"), stacked=True),
        series(*_spend("team", "{{team}}"), stacked=True),
        series(*_spend("model", "{{model}}"), stacked=True),
        series(*_spend("provider", "{{provider}}"), stacked=True),
        bars("Most expensive features", "Dollars in the time shown, the ten largest.",
             "increase of llm_cost_usd_total by service and feature", "currencyUSD",
             named(f"topk(10, {increase(_COST, by='service, feature')})", "feature"),
             "{{service}} {{feature}}", width=12),
        table("Bill", "Everything in the time shown; export it from the panel's menu.",
              "increases by service, team and model", ("service", "team", "model"),
              m.ranged("Spent", increase(_COST, by="service, team, model"), "currencyUSD"),
              m.ranged("Requests", increase(m.REQUESTS, by="service, team, model")),
              m.ranged("Tokens", increase(_TOKENS, by="service, team, model")),
              width=12),
    ),
)  # fmt: skip

UNIT_COST = Row(
    "What one answer costs",
    (
        series("Dollars a request by service", "Mean cost of a call. Dashed: the targets.",
               "dollars / priced calls", "currencyUSD",
               Query(top(m.dollars_a_request("service"), "service"), "{{service}}"),
               m.target("cost_per_request_usd")),
        series("Dollars per million tokens by model", "Blended price over all token types.",
               "1,000,000 x dollars / tokens", "currencyUSD",
               Query(top(m.dollars_per_million_tokens("model"), "model"), "{{model}}")),
        series("Dollars a whole trace", "What a user's request costs with all its calls. Dashed: "
               "the targets.", "dollars of traces / traces", "currencyUSD",
               Query(top(mean("llm_trace_cost_usd", by="service"), "service"), "{{service}}"),
               m.target("cost_per_trace_usd")),
        series("Tokens a request", "Input and output of a call on the mean, output of those "
               "that are answered in words.", "tokens / calls with known usage", "short",
               Query(top(mean("llm_request_input_tokens", NOT_JUDGES, by="service"), "service",
                         most=8), "{{service}} input"),
               Query(top(mean("llm_request_output_tokens", m.WORDED, NOT_JUDGES, by="service"),
                         "service", most=8), "{{service}} output")),
        series("Input from the prompt cache", "A drop after a change of prompt costs money.",
               "cache_read / (input + cache_read + cache_write) tokens", "percentunit",
               Query(top(_cached("model"), "model"), "{{model}}")),
        series("Reasoning share of output", "Output tokens that are paid for and not shown.",
               "reasoning / (output + reasoning) tokens", "percentunit",
               Query(top(_reasoning("model"), "model"), "{{model}}")),
        series("Tokens by type", "The types are disjoint: the stack is every token once.",
               "rate of llm_tokens_total", "tok/s",
               Query(rate(_TOKENS, by="type"), "{{type}}"), stacked=True),
        series("Spend by token type", "What the dollars are for.",
               "3600 x rate of llm_cost_usd_total", "$/h",
               Query(m.dollars_an_hour("type"), "{{type}}"), stacked=True),
    ),
)  # fmt: skip

TRUST = Row(
    "Can these dollars be trusted?",
    (
        bars("Source of the price", "reported: by the provider or gateway; contract: yours; "
             "list: public prices.", "increase of llm_cost_usd_total by cost_source",
             "currencyUSD", increase(_COST, by="cost_source"), "{{cost_source}}", PLAIN, width=6),
        table("Calls without a price", "They are in no sum of dollars: add a contract price. "
              "no_usage: mostly calls that failed; per_request: no tokens by nature.",
              "increases by model and reason", ("model", "reason"),
              m.ranged("Calls", increase("llm_unpriced_requests_total", by="model, reason")),
              m.ranged("Priced later", increase("llm_repriced_requests_total",
                                                by="model, reason")),
              m.ranged("Tokens", increase("llm_unpriced_tokens_total", by="model, reason")),
              width=10, no_value="every call has a price"),
        stat("Age of the list prices", "When the list prices in use were published.",
             "time - llm_exporter_price_catalog_timestamp_seconds", "s",
             "clamp_min(time() - max(llm_exporter_price_catalog_timestamp_seconds), 0)",
             up_to(30 * 86400.0, 90 * 86400.0), width=4, height=8, decimals=1),
        stat("Double counting avoided", "Tokens on copies and roll-ups that summing all spans "
             "would have added, beside those that count.", "discarded tokens / tokens",
             "percentunit",
             f"sum(increase(llm_exporter_discarded_tokens_total[{RANGE}])) / "
             f"sum(increase(llm_tokens_total[{RANGE}]))", width=4, height=8, decimals=1),
        bars("Resting on an assumption", "The share of the bill that could be another, as a tier "
             "or region has no known price or is not told, or how long a cache write lasts.",
             "increase of llm_assumed_cost_usd_total by assumption / dollars", "percentunit",
             f"{increase(_ASSUMED, by='assumption')} / on () group_left () {increase(_COST)}",
             "{{assumption}}", up_to(0.05, 0.1), width=8, most=1),
        table("What is assumed", "A default region, a contract or spans that tell make it known.",
              "increases by model and assumption", ("model", "assumption"),
              m.ranged("Calls", increase("llm_price_assumptions_total", by="model, assumption")),
              m.ranged("Dollars", increase(_ASSUMED, by="model, assumption"), "currencyUSD"),
              sort=1, width=16),
    ),
)  # fmt: skip

BOARD = Board(
    "llm-cost", "Cost & budgets",
    "What language models cost, who spends it, and whether budgets will hold.",
    (NOW, BUDGETS, WHO, UNIT_COST, TRUST), hours=24,
)  # fmt: skip
