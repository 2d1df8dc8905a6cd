"""For who chooses: which model, and which version of a prompt, serves best?"""

from __future__ import annotations

from .. import measures as m
from ..board import Board, Row
from ..panels import Column, Panel, Query, bars, series, table, up_to
from ..promql import NOT_JUDGES, RANGE, RATE, increase, mean, rate

_VERSION = "prompt_name, prompt_version"
_VERSION_LEGEND = "{{prompt_name}} {{prompt_version}}"


def _known(by: str) -> str:
    """Of the model or version that is named: what a guardrail blocked reached none."""
    return f'{by.rsplit(", ", maxsplit=1)[-1]}!=""'


def _columns(by: str) -> tuple[Column, ...]:
    failing = m.judge_failures(by, RANGE, _known(by))
    verdicts = increase(m.VERDICTS, m.DECIDED, _known(by), by=by)
    return (
        m.ranged("Requests", increase(m.REQUESTS, NOT_JUDGES, by=by)),
        m.ranged("Errors", m.error_ratio(by), "percentunit", *up_to(0.02, 0.05)),
        m.ranged("p50", m.duration(0.5, by), "s"),
        m.ranged("p95", m.duration(0.95, by), "s"),
        m.ranged("First token p95", m.first_token(0.95, by), "s"),
        m.ranged("$/request", m.dollars_a_request(by), "currencyUSD"),
        m.ranged("Judges fail", failing, "percentunit", *up_to(0.05, 0.1)),
        m.ranged("At least", m.wilson(failing, verdicts, -1), "percentunit"),
        m.ranged("At most", m.wilson(failing, verdicts, 1), "percentunit"),
        m.ranged("Verdicts", verdicts),
        m.ranged("Unhappy users", m.negative_feedback(by), "percentunit", *up_to(0.15, 0.3)),
    )


def _lines(by: str, legend: str, what: str) -> tuple[Panel, ...]:
    return (
        series(f"Judges fail, by {what}", "Lower is better; the table has the confidence.",
               "fail / (pass + fail)", "percentunit",
               Query(m.judge_failures(by, RATE, _known(by)), legend)),
        series(f"Errors, by {what}", "Calls that failed.", "failed calls / calls",
               "percentunit", Query(m.error_ratio(by), legend)),
        *m.with_samples(
            series(f"p95, by {what}", "95 % of the calls took no longer.",
                   "95th percentile of call durations", "s",
                   Query(m.duration(0.95, by), legend)),
            f"p95 by {what}", m.DURATION, NOT_JUDGES),
        series(f"Dollars a request, by {what}", "Mean cost of a call.",
               "dollars / priced calls", "currencyUSD",
               Query(m.dollars_a_request(by), legend)),
        series(f"Output tokens a request, by {what}", "Longer answers cost more and take "
               "longer.", "output tokens / calls with known usage", "short",
               Query(mean("llm_request_output_tokens", NOT_JUDGES, by=by), legend)),
        series(f"Share of traffic, by {what}", "A roll-out is one that grows.",
               "rate of llm_requests_total", "reqps",
               Query(rate(m.REQUESTS, NOT_JUDGES, by=by), legend), stacked=True),
    )  # fmt: skip


MODELS = Row(
    "Models",
    (
        table("Models side by side", "Over the time shown. Two models differ in quality when "
              "their bounds (At least, At most: 95 % confidence) do not overlap.",
              "by model; bounds: Wilson score interval of the failure ratio",
              ("model",), *_columns("model"), height=9),
        *_lines("model", "{{model}}", "model"),
        bars("Dollars per 1000 tokens by model", "Blended price over all token types.",
             "1000 x dollars / tokens", "currencyUSD", m.dollars_per_1k_tokens("model", RANGE),
             "{{model}}", width=12),
        *m.with_samples(
            series("Seconds per output token, median by model", "Streaming speed.",
                   "50th percentile of (duration - first token) / (output tokens - 1)", "s",
                   Query(m.per_token(0.5, "model"), "{{model}}")),
            "per token", m.PER_TOKEN, NOT_JUDGES),
    ),
)  # fmt: skip

PROMPTS = Row(
    "Prompt versions",
    (
        table("Prompt versions side by side", "Over the time shown. Two versions differ in "
              "quality when their bounds (At least, At most: 95 % confidence) do not overlap.",
              "by prompt; bounds: Wilson score interval of the failure ratio",
              ("prompt_name", "prompt_version"), *_columns(_VERSION), height=9),
        *_lines(_VERSION, _VERSION_LEGEND, "prompt version"),
    ),
)  # fmt: skip

BOARD = Board(
    "llm-compare", "Prompt versions & models",
    "Models and prompt versions side by side: quality, speed, cost.",
    (PROMPTS, MODELS), hours=168,
)  # fmt: skip
