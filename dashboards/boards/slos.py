"""For who promised something: is it kept, and how fast is the allowance used up?

Everything here is by application and read from what the rules record: targets with the precedence
that alerts give them, and increases of five minutes, which add up to any time.
"""

from __future__ import annotations

from dataclasses import dataclass

from ..board import Board, Row, to_board
from ..measures import ranged
from ..panels import Panel, Query, bars, series, stat, table
from ..promql import (
    RANGE,
    SLO_PART,
    SLO_SECONDS,
    SLO_TARGET,
    SLO_WHOLE,
    ratio,
    recorded,
    summed,
    top,
)
from ..units import BAD_ABOVE_1, SAMPLES

_BY = "environment, service"
_LEGEND = "{{service}} {{environment}}"
_QUANTILE = 0.95


def _over(name: str, by: str, window: str, *matchers: str) -> str:
    return summed(f"sum_over_time({recorded(name, *matchers)}[{window}])", by)


def _mean(by: str, window: str, *matchers: str) -> str:
    part = _over(SLO_PART, by, window, *matchers)
    return ratio(f"clamp_min({part}, 0)", f"({_over(SLO_WHOLE, by, window, *matchers)} > 0)")


def _quantile(by: str, window: str, *matchers: str) -> str:
    buckets = _over(SLO_SECONDS, f"{by}, le", window, *matchers)
    return f"histogram_quantile({_QUANTILE}, {buckets})"


@dataclass(frozen=True, slots=True)
class Promise:
    """One kind of target beside what is measured."""

    slo: str
    title: str

    def value(self, window: str) -> str:
        """What is measured, by application."""
        told = _quantile if self.slo.endswith("_p95_seconds") else _mean
        return told(_BY, window, f'slo="{self.slo}"')

    def multiple(self, window: str) -> str:
        """Measured value / target: above 1 the promise is broken."""
        aimed = recorded(SLO_TARGET, f'slo="{self.slo}"')
        return f"{self.value(window)} / on ({_BY}) {aimed}"


PROMISES = (
    Promise("error_ratio", "Errors"),
    Promise("latency_p95_seconds", "p95"),
    Promise("ttft_p95_seconds", "First token"),
    Promise("judge_failure_ratio", "Judges fail"),
    Promise("negative_feedback_ratio", "Unhappy users"),
    Promise("cost_per_request_usd", "$ a request"),
    Promise("cost_per_trace_usd", "$ a trace"),
    Promise("tool_failure_ratio", "Tools fail"),
    Promise("retrieval_empty_ratio", "Empty retrievals"),
    Promise("refusal_ratio", "Refusals"),
    Promise("truncated_ratio", "Broken off"),
    Promise("guardrail_block_ratio", "Blocked"),
    Promise("unpriced_ratio", "Unpriced"),
)
_ERRORS, _LATENCY, _TTFT, _QUALITY = PROMISES[:4]
_EACH = f"slo, {_BY}"
_MULTIPLES = (
    f"(({_mean(_EACH, RANGE)}) or ({_quantile(_EACH, RANGE)}))"
    f" / on ({_EACH}) {recorded(SLO_TARGET)}"
)
"""Of all kinds at once."""
_FAR: tuple[tuple[float | None, str], ...] = (
    (None, "red"), (0.0, "orange"), (0.25, "yellow"), (0.5, "green"),
)  # fmt: skip
_COUNTED = "Judging models only: guardrails, people and judges of safety are left out. "


def _left(promise: Promise, title: str, text: str = "") -> Panel:
    return bars(
        title,
        f"{text}How much of what may fail has not failed yet in the time shown, the least first; "
        "below 0 the promise is broken. Choose the time of your objective, such as 30 days.",
        "1 - failure ratio / target", "percentunit",
        f"bottomk(15, 1 - {promise.multiple(RANGE)})", _LEGEND, _FAR, most=1,
    )  # fmt: skip


def _burning(promise: Promise, title: str, hour: str, six: str, text: str = "") -> Panel:
    return series(
        title,
        f"{text}How fast the allowance is used up: at 1 it is just gone at the end, at 14.4 "
        "(page) 2 % of a month's allowance goes in an hour. Both windows must be high for an "
        "alert.",
        "failure ratio over 1 h and over 6 h / target", "x",
        Query(_worst(f"{hour} / on ({_BY}) {_target(promise)}"), f"{_LEGEND} 1h"),
        Query(_worst(f"{six} / on ({_BY}) {_target(promise)}"), f"{_LEGEND} 6h"),
        Query("vector(1)", "all of it", is_target=True), width=16,
    )  # fmt: skip


def _target(promise: Promise) -> str:
    return recorded(SLO_TARGET, f'slo="{promise.slo}"')


def _worst(expr: str) -> str:
    """Where the allowance burns the fastest at some time: chosen at each moment."""
    return f"topk(8, {expr})"


def _speed(promise: Promise, title: str, text: str) -> tuple[Panel, Panel]:
    seen = _over(SLO_SECONDS, _BY, RANGE, f'slo="{promise.slo}"', 'le="+Inf"')
    lines = series(
        title, f"{text} Half an hour at a time, the busiest.",
        "95th percentile over 30 minutes / target", "x",
        Query(top(promise.multiple("30m"), _BY, seen), _LEGEND),
        Query("vector(1)", "target", is_target=True), width=8,
    )  # fmt: skip
    samples = table(
        f"Samples: {promise.title}", "How many calls each quantile is made of, the fewest "
        "first. Red below 30: it says little.", "calls that tell it, over the time shown",
        ("service", "environment"), ranged("Samples", seen, "short", *SAMPLES), width=4,
        height=8, rising=True, values_first=True,
    )  # fmt: skip
    return lines, samples


ALL = Row(
    "Every promise",
    (
        stat("Promises broken", "Values that are worse than their target, over all targets of the "
             "table beside.", "applications and targets with value / target above 1", "short",
             f"count({_MULTIPLES} > 1) or 0 * count({_MULTIPLES})",
             ((None, "green"), (1, "red")), width=3, height=10, decimals=0),
        table("Value as a multiple of its target", "Above 1 a promise is broken, in the time "
              "shown. An application without a value has nothing of the kind, or no target.",
              "value / target, by application; the target as alerts take it: of the service in the "
              "environment, of the service, of the environment, the default",
              ("service", "environment"),
              *(ranged(p.title, p.multiple(RANGE), "x", *BAD_ABOVE_1) for p in PROMISES),
              width=21, height=10,
              links=(to_board("llm-reliability", "Reliability & latency"),)),
    ),
)  # fmt: skip

ERRORS = Row(
    "Errors",
    (
        _left(_ERRORS, "Error allowance left"),
        _burning(_ERRORS, "Burn rate of errors",
                 recorded("service:llm_request_errors:ratio_rate1h"),
                 recorded("service:llm_request_errors:ratio_rate6h")),
    ),
)  # fmt: skip

QUALITY = Row(
    "Quality",
    (
        _left(_QUALITY, "Quality allowance left", _COUNTED),
        _burning(_QUALITY, "Burn rate of judge failures", _QUALITY.value("1h"),
                 _QUALITY.value("6h"), _COUNTED),
    ),
)  # fmt: skip

SPEED = Row(
    "Speed",
    (
        *_speed(_LATENCY, "p95 as a multiple of its target",
                "Above 1 calls are slower than promised."),
        *_speed(_TTFT, "First token as a multiple of its target",
                "Above 1 users wait longer than promised."),
    ),
)  # fmt: skip

TARGETS = Row(
    "What is aimed at",
    (
        table("Targets", "Every target, configured under `slos` or a default; a label that is "
              "absent holds for all.", "llm_slo_target",
              ("slo", "service", "environment", "provider", "model", "operation", "judge"),
              ranged("Target", "max by (slo, service, environment, provider, model, operation, "
                     "judge, tool) (llm_slo_target)", "none"), height=10),
    ),
    is_collapsed=True,
)  # fmt: skip

BOARD = Board(
    "llm-slos", "SLOs",
    "What was promised beside what is measured; targets come from the exporter's configuration.",
    (ALL, ERRORS, QUALITY, SPEED, TARGETS), hours=24,
)  # fmt: skip
