"""Targets as series, so that no rule and no panel has a number of its own."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

DEFAULTS: Mapping[str, float] = {
    "error_ratio": 0.05,
    "latency_p95_seconds": 30.0,
    "ttft_p95_seconds": 5.0,
    "judge_failure_ratio": 0.1,
    "tool_failure_ratio": 0.2,
    "negative_feedback_ratio": 0.3,
    "refusal_ratio": 0.1,
    "guardrail_block_ratio": 0.2,
    "truncated_ratio": 0.1,
    "retrieval_empty_ratio": 0.3,
    "unpriced_ratio": 0.05,
    "judge_error_ratio": 0.2,
    "judge_cost_ratio": 0.25,
    "judge_disagreement_ratio": 0.3,
    "judge_lag_p95_seconds": 3_600.0,
    "trace_error_ratio": 0.1,
    "calls_per_trace_p95": 20.0,
    "ingest_lag_p95_seconds": 600.0,
    "duplicate_ratio": 0.2,
    "rejected_ratio": 0.05,
    "unjoined_ratio": 0.2,
}
"""What is aimed at where the configuration says nothing else; the worst value that is fine."""

NAMES: tuple[str, ...] = (*DEFAULTS, "cost_per_request_usd", "cost_per_trace_usd")


@dataclass(frozen=True, slots=True)
class Target:
    """The worst value that is fine, for what has these labels."""

    slo: str
    """One of NAMES."""
    value: float
    labels: tuple[tuple[str, str], ...] = ()
    """(label, value), sorted; none: for everything that no other target is for."""


def effective(targets: Iterable[Target]) -> tuple[Target, ...]:
    """The targets, and the defaults that none of them replaces."""
    given = tuple(targets)
    chosen = {(t.slo, t.labels) for t in given}
    rest = (Target(slo, value) for slo, value in DEFAULTS.items() if (slo, ()) not in chosen)
    return (*given, *rest)
