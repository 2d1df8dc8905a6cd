"""For who promised something: is it kept, and how fast is the allowance used up?"""

from __future__ import annotations

from dataclasses import dataclass

from .. import measures as m
from ..board import Board, Row, to_board
from ..panels import BAD_ABOVE_1, Query, bars, series, stat, table
from ..promql import NOT_JUDGES, RANGE, RATE, mean, target_of_services


@dataclass(frozen=True, slots=True)
class Promise:
    """One kind of target beside what is measured."""

    slo: str
    title: str
    unit: str
    measured: str
    """By service, over `RATE`."""

    def over(self, window: str) -> str:
        """What is measured, over another window."""
        return self.measured.replace(RATE, window)

    def multiple(self, window: str) -> str:
        """Measured value / target: above 1 the promise is broken."""
        value = self.over(window)
        return f"{value} / on (service) {target_of_services(self.slo, value)}"


PROMISES = (
    Promise("error_ratio", "Errors", "percentunit", m.error_ratio("service")),
    Promise("latency_p95_seconds", "p95", "s", m.duration(0.95, "service")),
    Promise("ttft_p95_seconds", "First token", "s", m.first_token(0.95, "service")),
    Promise("judge_failure_ratio", "Judges fail", "percentunit", m.judge_failures("service")),
    Promise("negative_feedback_ratio", "Unhappy users", "percentunit",
            m.negative_feedback("service")),
    Promise("cost_per_request_usd", "$ a request", "currencyUSD", m.dollars_a_request("service")),
    Promise("cost_per_trace_usd", "$ a trace", "currencyUSD",
            mean("llm_trace_cost_usd", by="service")),
    Promise("tool_failure_ratio", "Tools fail", "percentunit", m.tool_failures("service")),
    Promise("retrieval_empty_ratio", "Empty retrievals", "percentunit",
            m.empty_retrievals("service")),
    Promise("refusal_ratio", "Refusals", "percentunit",
            m.finished("refusal|content_filter", "service")),
    Promise("truncated_ratio", "Broken off", "percentunit", m.finished("length", "service")),
    Promise("guardrail_block_ratio", "Blocked", "percentunit", m.blocked("service")),
    Promise("unpriced_ratio", "Unpriced", "percentunit", m.unpriced("service")),
)  # fmt: skip
_ERRORS, _LATENCY, _TTFT, _QUALITY = PROMISES[:4]
_FAR: tuple[tuple[float | None, str], ...] = (
    (None, "red"), (0.0, "orange"), (0.25, "yellow"), (0.5, "green"),
)  # fmt: skip


def _left(promise: Promise, title: str) -> tuple[str, str, str, str, str, str]:
    return (
        title,
        "How much of what may fail has not failed yet in the time shown; below 0 the promise is "
        "broken. Choose the time of your objective, such as 30 days.",
        "1 - failure ratio / target", "percentunit",
        f"1 - {promise.multiple(RANGE)}", "{{service}}",
    )  # fmt: skip


def _burning(promise: Promise, title: str) -> tuple[str, str, str, str, Query, Query, Query]:
    return (
        title,
        "How fast the allowance is used up: at 1 it is just gone at the end, at 14.4 (page) 2 % "
        "of a month's allowance goes in an hour. Both windows must be high for an alert.",
        "failure ratio over 1 h and over 6 h / target", "x",
        Query(promise.multiple("1h"), "{{service}} 1h"),
        Query(promise.multiple("6h"), "{{service}} 6h"),
        Query("vector(1)", "all of it", is_target=True),
    )  # fmt: skip


ALL = Row(
    "Every promise",
    (
        stat("Promises broken", "Services whose value is worse than its target, over all targets "
             "below.", "services with value / target above 1", "short",
             " + ".join(f"(count(({p.multiple(RANGE)}) > 1) or vector(0))" for p in PROMISES[:6]),
             ((None, "green"), (1, "red")), width=4, height=10, decimals=0),
        table("Value as a multiple of its target", "Above 1 a promise is broken, in the time "
              "shown. A service without a value has nothing of the kind.",
              "value / target, by service; a service's own target, else the default",
              ("service",),
              *(m.ranged(p.title, p.multiple(RANGE), "x", *BAD_ABOVE_1) for p in PROMISES),
              width=20, height=10, links=(to_board("llm-reliability", "Reliability & latency"),)),
    ),
)  # fmt: skip

ERRORS = Row(
    "Errors",
    (
        bars(*_left(_ERRORS, "Error allowance left"), _FAR, most=1),
        series(*_burning(_ERRORS, "Burn rate of errors"), width=16),
    ),
)  # fmt: skip

QUALITY = Row(
    "Quality",
    (
        bars(*_left(_QUALITY, "Quality allowance left"), _FAR, most=1),
        series(*_burning(_QUALITY, "Burn rate of judge failures"), width=16),
    ),
)  # fmt: skip

SPEED = Row(
    "Speed",
    (
        *m.with_samples(
            series("p95 as a multiple of its target", "Above 1 calls are slower than promised.",
                   "95th percentile of call durations / target", "x",
                   Query(_LATENCY.multiple(RATE), "{{service}}"),
                   Query("vector(1)", "target", is_target=True)),
            "p95", m.DURATION, NOT_JUDGES),
        *m.with_samples(
            series("First token as a multiple of its target", "Above 1 users wait longer than "
                   "promised.", "95th percentile of the time to the first token / target", "x",
                   Query(_TTFT.multiple(RATE), "{{service}}"),
                   Query("vector(1)", "target", is_target=True)),
            "first token", m.FIRST_TOKEN, NOT_JUDGES),
    ),
)  # fmt: skip

TARGETS = Row(
    "What is aimed at",
    (
        table("Targets", "Every target, configured under `slos` or a default; a label that is "
              "absent holds for all.", "llm_slo_target",
              ("slo", "service", "environment", "provider", "model", "operation", "judge"),
              m.ranged("Target", "max by (slo, service, environment, provider, model, operation, "
                       "judge, tool) (llm_slo_target)", "none"), height=10),
    ),
)  # fmt: skip

BOARD = Board(
    "llm-slos", "SLOs",
    "What was promised beside what is measured; targets come from the exporter's configuration.",
    (ALL, ERRORS, QUALITY, SPEED, TARGETS), hours=168,
)  # fmt: skip
