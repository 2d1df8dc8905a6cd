"""The headline table tells what the metrics tell."""

from __future__ import annotations

import pytest

from llm_trace_exporter.cli.summary import quantile, summarise
from tests.facts import facts
from tests.test_cardinality import filled
from tests.test_corpus import TRUSTING


def test_the_table_sums_to_the_metrics() -> None:
    engine = filled(TRUSTING)
    found = facts(engine.exposition.render().body.decode())
    summaries = summarise(engine.store)
    assert sum(s.requests for s in summaries) == sum(found["calls"].values())
    assert sum(s.errors for s in summaries) == found["calls"]["error"]
    assert {s.model: s.input_tokens for s in summaries} == {
        model: numbers["input_all"] for model, numbers in found["per_model"].items()
    }


@pytest.mark.parametrize(
    ("q", "counts", "expected"),
    [
        (0.5, [10, 0, 0], 0.5),
        (0.95, [10, 10, 0], 1.9),
        (1.0, [0, 0, 5], 2.0),
        (0.95, [0, 0, 0], None),
    ],
)
def test_quantiles_are_prometheus_own(
    q: float, counts: list[float], expected: float | None
) -> None:
    assert quantile(q, (1.0, 2.0), counts) == (
        None if expected is None else pytest.approx(expected)
    )
