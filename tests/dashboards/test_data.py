"""Every query of every dashboard is answered by a real Prometheus that holds a written history."""

from __future__ import annotations

import math

import pytest

from tests.dashboards.history import END_S, HOURS, STEP_S
from tests.dashboards.refresh import MOST_SAMPLES, samples_read
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


@pytest.fixture(scope="module")
def answers(prometheus: Prometheus) -> list[tuple[Asked, list[float]]]:
    """What every query of every dashboard is answered: all that are finite."""
    found = [(asked, answer(prometheus, asked)) for asked in ASKED]
    return [(asked, [*filter(math.isfinite, values)]) for asked, values in found]


def test_every_query_has_data(answers: list[tuple[Asked, list[float]]]) -> None:
    assert answers
    assert [(a.where, substituted(a.expr)) for a, values in answers if not values] == []


def test_no_panel_of_numbers_shows_nothing_but_zeros(
    answers: list[tuple[Asked, list[float]]],
) -> None:
    """A wrong value in a matcher gives a share of 0, not an error: the incidents must show."""
    flat = [asked.where for asked, values in answers if not any(values)]
    assert not [where for where in flat if not where.startswith(STAYS_ZERO)]


@pytest.mark.parametrize("uid", DASHBOARDS)
def test_a_refresh_reads_little(prometheus: Prometheus, uid: str) -> None:
    """Of the history that there is: tests/dashboards/test_refresh.py looks at a day."""
    read = samples_read(prometheus, DASHBOARDS[uid], END_S, STEP_S)
    assert sum(read.values()) < MOST_SAMPLES, read


STAYS_ZERO = (
    "llm-agents / Failed traces",
    "llm-cost / Reasoning share of output",
    "llm-reliability / Calls beyond the largest bucket",
    "llm-cost / Age of the list prices",
    "llm-exporter / List prices are from",
)
"""What the history does not have: simulated roots do not fail, its small models do not reason, and
it ends before the list prices of today."""
