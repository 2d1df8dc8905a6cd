"""What several dashboards show, defined once."""

from __future__ import annotations

from llm_trace_exporter.operations import PRICED_PER_REQUEST, WORDLESS

from .panels import Column, Panel, Query, series, stat, table
from .promql import (
    NOT_JUDGES,
    RANGE,
    RATE,
    TARGET_LEGEND,
    increase,
    mean,
    quantile,
    rate,
    ratio,
    target_lines,
    top,
)
from .units import SAMPLES

REQUESTS = "llm_requests_total"
DURATION = "llm_request_duration_seconds"
FIRST_TOKEN = "llm_request_time_to_first_token_seconds"  # noqa: S105 - a metric
PER_TOKEN = "llm_request_time_per_output_token_seconds"  # noqa: S105 - a metric
VERDICTS = "llm_judge_verdicts_total"
DECIDED = 'verdict=~"pass|fail"'
NOT_SAFETY = 'judge!~"(?i).*(injection|jailbreak|secret|personal_data).*"'
OF_JUDGES = ('kind!="human"', NOT_SAFETY)
"""As the rules have it: people look at what is suspicious, judges of safety have their own."""
OF_MODELS = ('kind="llm"', NOT_SAFETY)
"""Judges that are models: guardrails pass nearly everything and would hide what these find."""
FEWEST_VERDICTS = 5
"""One failure of one verdict is 100 %, and says nothing."""
UNPRICED_REASONS = 'reason=~"unknown_model|no_model|unexplained"'
"""What is paid for by the request, such as ranking, has no price of tokens by nature."""
WORDED = f'operation!~"{"|".join(sorted(WORDLESS))}"'
"""Calls that are answered in words: an embedding has no output."""
BY_TOKENS = f'operation!~"{"|".join(sorted(PRICED_PER_REQUEST))}"'
ALERTS = 'ALERTS{alertstate="firing",alertname=~"LLM.*"}'


def error_ratio(by: str = "", window: str = RATE, *matchers: str) -> str:
    """Failed calls of all calls, those of judges left out."""
    failed = rate(REQUESTS, 'outcome="error"', NOT_JUDGES, *matchers, by=by, window=window)
    return ratio(failed, rate(REQUESTS, NOT_JUDGES, *matchers, by=by, window=window))


def duration(q: float, by: str = "", window: str = RATE, *matchers: str) -> str:
    """A quantile of how long calls take."""
    return quantile(q, DURATION, NOT_JUDGES, *matchers, by=by, window=window)


def first_token(q: float, by: str = "", window: str = RATE, *matchers: str) -> str:
    """A quantile of the time to the first token."""
    return quantile(q, FIRST_TOKEN, NOT_JUDGES, *matchers, by=by, window=window)


def per_token(q: float, by: str = "", window: str = RATE, *matchers: str) -> str:
    """A quantile of the seconds per output token after the first."""
    return quantile(q, PER_TOKEN, NOT_JUDGES, *matchers, by=by, window=window)


def dollars_an_hour(by: str = "", window: str = RATE) -> str:
    """What is spent, judges included."""
    return f"3600 * {rate('llm_cost_usd_total', by=by, window=window)}"


def dollars_a_request(by: str = "", window: str = RATE, *matchers: str) -> str:
    """What a call costs on the mean."""
    return mean("llm_request_cost_usd", NOT_JUDGES, *matchers, by=by, window=window)


def dollars_per_million_tokens(by: str = "", window: str = RATE, *matchers: str) -> str:
    """What a million tokens of any type cost on the mean, as price lists say it."""
    spent = rate("llm_cost_usd_total", NOT_JUDGES, *matchers, by=by, window=window)
    tokens = rate("llm_tokens_total", NOT_JUDGES, *matchers, by=by, window=window)
    return f"1e6 * {spent} / {tokens}"


def judge_failures(
    by: str = "", window: str = RATE, *matchers: str, of: tuple[str, ...] = OF_JUDGES
) -> str:
    """Failed verdicts of those that passed or failed."""
    failed = rate(VERDICTS, 'verdict="fail"', *of, *matchers, by=by, window=window)
    return ratio(failed, rate(VERDICTS, DECIDED, *of, *matchers, by=by, window=window))


def verdicts(by: str = "", *matchers: str, of: tuple[str, ...] = OF_JUDGES) -> str:
    """How many verdicts that ratio is made of, over the time shown."""
    return increase(VERDICTS, DECIDED, *of, *matchers, by=by)


def judge_failure_lines(
    by: str, *matchers: str, of: tuple[str, ...] = OF_JUDGES, most: int = 15
) -> str:
    """The worst over time, where there are enough verdicts to say so."""
    told = top(judge_failures(by, RATE, *matchers, of=of), by, most=most)
    several = increase(VERDICTS, DECIDED, *of, *matchers, by=by, window=RATE)
    return f"{told} and on ({by}) ({several} >= {FEWEST_VERDICTS})"


def negative_feedback_lines(by: str) -> str:
    """The worst over time, where there are enough ratings to say so."""
    several = increase("llm_feedback_total", by=by, window=RATE)
    worst = top(negative_feedback(by), by)
    return f"{worst} and on ({by}) ({several} >= {FEWEST_VERDICTS})"


def negative_feedback(by: str = "", window: str = RATE, *matchers: str) -> str:
    """Negative ratings of all ratings."""
    name = "llm_feedback_total"
    bad = rate(name, 'rating="negative"', *matchers, by=by, window=window)
    return ratio(bad, rate(name, *matchers, by=by, window=window))


def finished(reasons: str, by: str = "", window: str = RATE) -> str:
    """Generations that ended for one of the reasons, of all."""
    name = "llm_finish_reasons_total"
    part = rate(name, f'reason=~"{reasons}"', NOT_JUDGES, by=by, window=window)
    return ratio(part, rate(name, NOT_JUDGES, by=by, window=window))


def tool_failures(by: str = "", window: str = RATE) -> str:
    """Failed tool calls of all."""
    name = "llm_tool_calls_total"
    failed = rate(name, 'outcome="error"', by=by, window=window)
    return ratio(failed, rate(name, by=by, window=window))


def blocked(by: str = "", window: str = RATE) -> str:
    """Guardrail checks that blocked, of all."""
    name = "llm_guardrail_checks_total"
    part = rate(name, 'action="block"', by=by, window=window)
    return ratio(part, rate(name, by=by, window=window))


def empty_retrievals(by: str = "", window: str = RATE) -> str:
    """Retrievals that found nothing, of all."""
    name = "llm_retrieved_documents"
    # Prometheus 3 writes 0.0 whatever was scraped; earlier ones keep the text.
    empty = rate(f"{name}_bucket", 'le=~"0|0.0"', by=by, window=window)
    return ratio(empty, rate(f"{name}_count", by=by, window=window))


def unpriced(by: str = "", window: str = RATE) -> str:
    """Answered calls that should have a price and have none, of all calls.

    A failed call has no usage, and is no call without a price; nor is one whose usage came late.
    """
    name = "llm_unpriced_requests_total"
    whole = rate(REQUESTS, NOT_JUDGES, by=by, window=window)
    nothing = f"0 * {whole}"
    known = rate(name, UNPRICED_REASONS, NOT_JUDGES, by=by, window=window)
    silent = rate(name, 'reason="no_usage"', NOT_JUDGES, by=by, window=window)
    later = rate("llm_repriced_requests_total", NOT_JUDGES, by=by, window=window)
    failed = rate(REQUESTS, 'outcome="error"', BY_TOKENS, NOT_JUDGES, by=by, window=window)
    left = f"({silent} or {nothing}) - ({later} or {nothing}) - ({failed} or {nothing})"
    return f"(({known} or {nothing}) + clamp_min({left}, 0)) / {whole}"


def budget(measure: str) -> str:
    """Of each budget: every replica counts what it receives, so dollars are summed over them."""
    if measure == "forecast_usd":
        # A replica that has not seen a week adds what it counted, as in LLMBudgetForecastExceeded.
        return (
            "sum by (budget, period) (llm_budget_forecast_usd or llm_budget_spent_usd)"
            " and on (budget, period) max by (budget, period) (llm_budget_forecast_usd)"
        )
    operator = "sum" if measure == "spent_usd" else "max"
    return f"{operator} by (budget, period) (llm_budget_{measure})"


def budget_share(measure: str) -> str:
    """Dollars of each budget as a share of its limit."""
    return f"({budget(measure)}) / {budget('limit_usd')}"


def wilson(part: str, count: str, side: int) -> str:
    """A bound of the 95 % confidence interval (Wilson's) of a share; `side` is -1 or 1."""
    middle = f"{part} + 1.92 / {count}"
    half = f"1.96 * sqrt({part} * (1 - {part}) / {count} + 0.9604 / ({count} * {count}))"
    sign = "-" if side < 0 else "+"
    bound = f"({middle} {sign} {half}) / (1 + 3.8416 / {count})"
    return f"clamp_min({bound}, 0)"


def target(slo: str) -> Query:
    """Dashed lines of what is aimed at."""
    return Query(target_lines(slo), TARGET_LEGEND, is_target=True)


def sample_size(
    what: str, histogram: str, *matchers: str, width: int = 4, height: int = 8
) -> Panel:
    """How many observations a quantile over everything is made of."""
    return stat(
        f"Samples: {what}",
        "How many observations the quantile beside is made of. Red below 30: it says little. "
        "Below 100 a 95th percentile is a guess.",
        f"increase of {histogram}_count over the time shown",
        "short",
        increase(f"{histogram}_count", *matchers),
        SAMPLES,
        width=width,
        height=height,
        decimals=0,
    )


def samples_by(what: str, histogram: str, by: str, *matchers: str) -> Panel:
    """How many observations each line of quantiles is made of, the fewest first."""
    return table(
        f"Samples: {what}",
        "How many observations each line beside is made of, the fewest first. Red below 30: it "
        "says little. Below 100 a 95th percentile is a guess.",
        f"increase of {histogram}_count over the time shown, by {by}",
        by.split(", "),
        ranged("Samples", increase(f"{histogram}_count", *matchers, by=by), "short", *SAMPLES),
        width=4,
        height=8,
        rising=True,
        values_first=True,
    )


def with_samples(
    panel: Panel, what: str, histogram: str, *matchers: str, by: str = ""
) -> tuple[Panel, Panel]:
    """A panel of quantiles and, beside it, what they are made of."""
    beside = (
        samples_by(what, histogram, by, *matchers)
        if by
        else sample_size(what, histogram, *matchers, height=panel.height)
    )
    return panel.sized(panel.width - beside.width, panel.height), beside


def quantile_lines(expr: str, histogram: str, by: str, *matchers: str) -> str:
    """Quantiles of what there is most of."""
    return top(expr, by, rate(f"{histogram}_count", *matchers, by=by))


def errors_by(by: str, legend: str, width: int = 12) -> Panel:
    """Error ratio over time with its targets."""
    return series(
        f"Error ratio by {by.replace(',', ' and')}",
        "Calls that failed, the worst. Dashed: the targets.",
        "failed calls / calls, those of judges left out",
        "percentunit",
        Query(top(error_ratio(by), by), legend),
        target("error_ratio"),
        width=width,
    )


def ranged(title: str, expr: str, unit: str = "short", *steps: tuple[float | None, str]) -> Column:
    """A column of a table over the whole time shown."""
    return Column(title, expr.replace(RATE, RANGE), unit, steps)
