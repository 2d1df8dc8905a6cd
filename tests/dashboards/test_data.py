"""Every query of every dashboard is answered by a real Prometheus that holds a written history."""

from __future__ import annotations

import math

import pytest

from tests.dashboards.history import END_S, HOURS, STEP_S
from tests.dashboards.written import ASKED, DASHBOARDS, Asked, substituted
from tests.e2e.prometheus import Prometheus


def answer(prometheus: Prometheus, asked: Asked) -> list[float]:
    """Every value that the panel would draw."""
    expr = substituted(asked.expr)
    if asked.is_instant:
        found = prometheus.api("query", query=expr, time=END_S)["result"]
        told = [one["value"][1] for one in found]
    else:
        found = prometheus.api(
            "query_range", query=expr, start=END_S - HOURS * 3600, end=END_S, step=STEP_S
        )["result"]
        told = [value for one in found for _, value in one["values"]]
    return [float(value) for value in told]


@pytest.mark.parametrize("asked", ASKED, ids=lambda asked: asked.where)
def test_every_query_has_data(prometheus: Prometheus, asked: Asked) -> None:
    values = answer(prometheus, asked)
    assert any(math.isfinite(value) for value in values), substituted(asked.expr)


@pytest.mark.parametrize("uid", DASHBOARDS)
def test_no_panel_of_numbers_shows_nothing_but_zeros(prometheus: Prometheus, uid: str) -> None:
    """A wrong value in a matcher gives a share of 0, not an error: the incidents must show."""
    flat = [
        asked.where
        for asked in ASKED
        if asked.where.startswith(uid)
        and not any(value and math.isfinite(value) for value in answer(prometheus, asked))
    ]
    assert not [where for where in flat if not where.startswith(STAYS_ZERO)]


STAYS_ZERO = (
    "llm-agents / Failed traces",
    "llm-cost / Reasoning share of output",
    "llm-reliability / Calls beyond the largest bucket",
)
"""What the history does not have: simulated roots do not fail, its small models do not reason."""
