"""What several dashboards show, defined once."""

from __future__ import annotations

from .panels import SAMPLES, Column, Panel, Query, series, stat
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
)

REQUESTS = "llm_requests_total"
DURATION = "llm_request_duration_seconds"
FIRST_TOKEN = "llm_request_time_to_first_token_seconds"  # noqa: S105 - a metric
PER_TOKEN = "llm_request_time_per_output_token_seconds"  # noqa: S105 - a metric
VERDICTS = "llm_judge_verdicts_total"
DECIDED = 'verdict=~"pass|fail"'
ALERTS = 'ALERTS{alertstate="firing",alertname=~"LLM.*"}'


def error_ratio(by: str = "", window: str = RATE) -> str:
    """Failed calls of all calls, those of judges left out."""
    failed = rate(REQUESTS, 'outcome="error"', NOT_JUDGES, by=by, window=window)
    return ratio(failed, rate(REQUESTS, NOT_JUDGES, by=by, window=window))


def duration(q: float, by: str = "", window: str = RATE) -> str:
    """A quantile of how long calls take."""
    return quantile(q, DURATION, NOT_JUDGES, by=by, window=window)


def first_token(q: float, by: str = "", window: str = RATE) -> str:
    """A quantile of the time to the first token."""
    return quantile(q, FIRST_TOKEN, NOT_JUDGES, by=by, window=window)


def per_token(q: float, by: str = "", window: str = RATE) -> str:
    """A quantile of the seconds per output token after the first."""
    return quantile(q, PER_TOKEN, NOT_JUDGES, by=by, window=window)


def dollars_an_hour(by: str = "", window: str = RATE) -> str:
    """What is spent, judges included."""
    return f"3600 * {rate('llm_cost_usd_total', by=by, window=window)}"


def dollars_a_request(by: str = "", window: str = RATE) -> str:
    """What a call costs on the mean."""
    return mean("llm_request_cost_usd", NOT_JUDGES, by=by, window=window)


def dollars_per_1k_tokens(by: str = "", window: str = RATE) -> str:
    """What a thousand tokens of any type cost on the mean."""
    spent = rate("llm_cost_usd_total", NOT_JUDGES, by=by, window=window)
    return f"1000 * {spent} / {rate('llm_tokens_total', NOT_JUDGES, by=by, window=window)}"


def judge_failures(by: str = "", window: str = RATE, *matchers: str) -> str:
    """Failed verdicts of those that passed or failed."""
    failed = rate(VERDICTS, 'verdict="fail"', *matchers, by=by, window=window)
    return ratio(failed, rate(VERDICTS, DECIDED, *matchers, by=by, window=window))


def negative_feedback(by: str = "", window: str = RATE) -> str:
    """Negative ratings of all ratings."""
    name = "llm_feedback_total"
    bad = rate(name, 'rating="negative"', by=by, window=window)
    return ratio(bad, rate(name, by=by, window=window))


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
    """Calls without a price, wholly or in part, of all answered ones.

    Those whose usage came late are taken off when it comes.
    """
    told = rate("llm_unpriced_requests_total", NOT_JUDGES, by=by, window=window)
    later = rate("llm_repriced_requests_total", NOT_JUDGES, by=by, window=window)
    part = f"clamp_min({told} - ({later} or 0 * {told}), 0)"
    return ratio(part, rate(REQUESTS, NOT_JUDGES, 'outcome="ok"', by=by, window=window))


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
    """How many observations the quantile beside it is made of."""
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


def with_samples(panel: Panel, what: str, histogram: str, *matchers: str) -> tuple[Panel, Panel]:
    """A panel of quantiles and, beside it, what they are made of."""
    beside = sample_size(what, histogram, *matchers, height=panel.height)
    return panel.sized(panel.width - beside.width, panel.height), beside


def errors_by(by: str, legend: str, width: int = 12) -> Panel:
    """Error ratio over time with its targets."""
    return series(
        f"Error ratio by {by.replace(',', ' and')}",
        "Calls that failed. Dashed: the targets.",
        "failed calls / calls, those of judges left out",
        "percentunit",
        Query(error_ratio(by), legend),
        target("error_ratio"),
        width=width,
    )


def ranged(title: str, expr: str, unit: str = "short", *steps: tuple[float | None, str]) -> Column:
    """A column of a table over the whole time shown."""
    return Column(title, expr.replace(RATE, RANGE), unit, steps)
