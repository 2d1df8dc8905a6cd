"""For who chooses: which model, and which version of a prompt, serves best?"""

from __future__ import annotations

from .. import measures as m
from ..board import Board, Row
from ..panels import Column, Panel, Query, bars, series, table
from ..promql import NOT_JUDGES, RANGE, RATE, increase, mean, rate, top, top_and_rest
from ..units import up_to

_VERSION = "prompt_name, prompt_version"
_VERSION_LEGEND = "{{prompt_name}} {{prompt_version}}"


def _known(by: str) -> str:
    """Of the model or version that is named: what a guardrail blocked reached none."""
    return f'{by.rsplit(", ", maxsplit=1)[-1]}!=""'


def _columns(by: str) -> tuple[Column, ...]:
    known = _known(by)
    failing = m.judge_failures(by, RANGE, known, of=m.OF_MODELS)
    verdicts = m.verdicts(by, known, of=m.OF_MODELS)
    thousand = f"1000 * {m.dollars_a_request(by, RATE, known)}"
    return (
        m.ranged("Requests", increase(m.REQUESTS, NOT_JUDGES, known, by=by)),
        m.ranged("Errors", m.error_ratio(by, RATE, known), "percentunit", *up_to(0.02, 0.05)),
        m.ranged("p50", m.duration(0.5, by, RATE, known), "s"),
        m.ranged("p95", m.duration(0.95, by, RATE, known), "s"),
        m.ranged("First token p95", m.first_token(0.95, by, RATE, known), "s"),
        m.ranged("$/1000 requests", thousand, "currencyUSD"),
        m.ranged("Judges fail", failing, "percentunit", *up_to(0.05, 0.1)),
        m.ranged("At least", m.wilson(failing, verdicts, -1), "percentunit"),
        m.ranged("At most", m.wilson(failing, verdicts, 1), "percentunit"),
        m.ranged("Verdicts", verdicts),
        m.ranged("Unhappy users", m.negative_feedback(by, RATE, known), "percentunit",
                 *up_to(0.15, 0.3)),
    )  # fmt: skip


def _lines(by: str, legend: str, what: str) -> tuple[Panel, ...]:
    known = _known(by)
    requests = rate(m.REQUESTS, NOT_JUDGES, known, by=by)
    thousand = f"1000 * {m.dollars_a_request(by, RATE, known)}"
    output = mean("llm_request_output_tokens", m.WORDED, NOT_JUDGES, known, by=by)
    return (
        series(f"Judges fail, by {what}", "What judging models let fail, where there are 5 "
               "verdicts or more; the table has the confidence.", "fail / (pass + fail)",
               "percentunit", Query(m.judge_failure_lines(by, known, of=m.OF_MODELS), legend),
               least_step="15m"),
        series(f"Errors, by {what}", "Calls that failed.", "failed calls / calls",
               "percentunit", Query(top(m.error_ratio(by, RATE, known), by), legend)),
        *m.with_samples(
            series(f"p95, by {what}", "95 % of the calls took no longer.",
                   "95th percentile of call durations", "s",
                   Query(top(m.duration(0.95, by, RATE, known), by, requests), legend)),
            f"p95 by {what}", m.DURATION, NOT_JUDGES, known, by=by),
        series(f"Dollars per 1000 requests, by {what}", "Mean cost of a call, times 1000.",
               "1000 x dollars / priced calls", "currencyUSD",
               Query(top(thousand, by, requests), legend)),
        series(f"Output tokens a request, by {what}", "Longer answers cost more and take "
               "longer.", "output tokens / calls with known usage", "short",
               Query(top(output, by, requests), legend)),
        series(f"Share of traffic, by {what}", "A roll-out is one that grows.",
               "calls of each / calls of all of them", "percentunit",
               Query(_share(top_and_rest(requests, by), requests), legend), stacked=True,
               most=1),
    )  # fmt: skip


def _share(parts: str, whole: str) -> str:
    return f"({parts}) / on () group_left () sum({whole})"


MODELS = Row(
    "Models",
    (
        table("Models side by side", "Over the time shown. Two models differ in quality when "
              "their bounds (At least, At most: 95 % confidence) do not overlap.",
              "by model; bounds: Wilson score interval of the failure ratio",
              ("model",), *_columns("model"), height=9),
        *_lines("model", "{{model}}", "model"),
        bars("Dollars per million tokens by model", "Blended price over all token types.",
             "1,000,000 x dollars / tokens", "currencyUSD",
             f"topk(15, {m.dollars_per_million_tokens('model', RANGE, _known('model'))})",
             "{{model}}", width=12),
        *m.with_samples(
            series("Seconds per output token, median by model", "Streaming speed.",
                   "50th percentile of (duration - first token) / (output tokens - 1)", "s",
                   Query(m.quantile_lines(m.per_token(0.5, "model"), m.PER_TOKEN, "model",
                                          NOT_JUDGES), "{{model}}")),
            "per token", m.PER_TOKEN, NOT_JUDGES, by="model"),
    ),
    is_collapsed=True,
)  # fmt: skip

PROMPTS = Row(
    "Prompt versions",
    (
        table("Prompt versions side by side", "Over the time shown. Two versions differ in "
              "quality when their bounds (At least, At most: 95 % confidence) do not overlap. "
              "Calls without a version of a prompt are left out.",
              "by prompt; bounds: Wilson score interval of the failure ratio",
              ("prompt_name", "prompt_version"), *_columns(_VERSION), height=9),
        *_lines(_VERSION, _VERSION_LEGEND, "prompt version"),
    ),
)  # fmt: skip

BOARD = Board(
    "llm-compare", "Prompt versions & models",
    "Models and prompt versions side by side: quality, speed, cost.",
    (PROMPTS, MODELS), hours=24,
)  # fmt: skip
