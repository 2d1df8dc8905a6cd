"""What panels count in, and from which values on they are green, orange or red."""

from __future__ import annotations

from collections.abc import Mapping

UNITS: Mapping[str, str] = {
    "percentunit": "ratio 0-1, shown as percent",
    "s": "seconds",
    "currencyUSD": "US dollars",
    "$/h": "US dollars an hour",
    "req/s": "requests a second",
    "spans/s": "spans a second",
    "rec/s": "records a second",
    "traces/s": "traces a second",
    "tok/s": "tokens a second",
    "calls/s": "calls a second",
    "verdicts/s": "verdicts a second",
    "checks/s": "checks a second",
    "events/s": "events a second",
    "questions/s": "questions a second",
    "short": "count",
    "none": "number",
    "bytes": "bytes",
    "x": "multiple",
}
"""What panels count in, and how descriptions name it."""
_A_TIME = {unit: f"count:{unit}" for unit in UNITS if "/" in unit}
GRAFANA_UNIT: Mapping[str, str] = {"x": "none", **_A_TIME}
"""Ours that Grafana knows by another name; it takes any word after `count:`."""
SOFT_MAX: Mapping[str, float] = {
    **dict.fromkeys(_A_TIME, 0.1),
    "percentunit": 0.01, "currencyUSD": 0.01, "$/h": 0.01, "s": 0.1, "bytes": 1024,
}  # fmt: skip
"""What an axis shows at least, so that one of zeros does not go up to 10,000 %; else 1."""

Threshold = tuple[float | None, str]
GREEN: tuple[Threshold, ...] = ((None, "green"),)
PLAIN: tuple[Threshold, ...] = ((None, "blue"),)
BAD_ABOVE_1: tuple[Threshold, ...] = ((None, "green"), (0.8, "orange"), (1.0, "red"))
"""For what is measured in multiples of a target or a limit."""
SAMPLES: tuple[Threshold, ...] = ((None, "red"), (30, "orange"), (100, "green"))
"""A quantile of fewer than 30 samples says little; p95 wants 100."""
ANY_IS_BAD: tuple[Threshold, ...] = ((None, "green"), (0.5, "orange"))


def up_to(warn: float, bad: float) -> tuple[Threshold, ...]:
    """Green, orange from `warn`, red from `bad`."""
    return ((None, "green"), (warn, "orange"), (bad, "red"))
