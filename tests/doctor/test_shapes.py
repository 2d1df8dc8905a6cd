"""Whatever a server answers is read, or passed over."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_trace_exporter.doctor import shapes
from llm_trace_exporter.doctor.facts import Missing
from llm_trace_exporter.doctor.kubernetes import monitors
from tests.doctor.facts import facts
from tests.draws import draws

KEYS = (
    *("result", "metric", "value", "groups", "rules", "query", "name", "interval", "labels"),
    *("lastEvaluation", "activeTargets", "scrapeInterval", "exemplars", "seriesLabels", "panels"),
    *("targets", "expr", "timestamp", "spec", "metadata", "ports", "endpoints", "selector"),
)
TEXTS = st.one_of(
    st.sampled_from(["1", "NaN", "+Inf", "-1e999", "1m30s", "0001-01-01T00:00:00Z", "rate(a[5m])"]),
    st.text(max_size=5),
)
LEAVES = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), TEXTS)
ANSWERS = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.sampled_from(KEYS), inner, max_size=4)
    ),
    max_leaves=12,
)


@given(ANSWERS)
@draws(150)
def test_any_answer(answer: Any) -> None:
    for read in (shapes.samples, shapes.groups, shapes.exemplars, shapes.strings):
        assert isinstance(read(answer), Missing | tuple | frozenset)
    assert isinstance(shapes.targets(answer, "activeTargets"), Missing | tuple)
    list(shapes.panel_rows(answer))
    list(shapes.written_rules(answer, "x.yml"))
    if isinstance(answer, dict):
        list(monitors(facts(objects={"services": (answer,), "servicemonitors": (answer,)})))


@pytest.mark.parametrize(
    ("told", "seconds"),
    [
        ("2026-11-21T10:00:00.123456789Z", 1_795_255_200.123456),
        ("2026-11-21T11:00:00+01:00", 1_795_255_200.0),
        ("0001-01-01T00:00:00Z", 0.0),
        ("soon", 0.0),
        (None, 0.0),
    ],
)
def test_times(told: Any, seconds: float) -> None:
    assert shapes.unix(told) == pytest.approx(seconds, abs=1e-3)


@pytest.mark.parametrize("value", ["NaN", "+Inf", "-Inf", None, "x"])
def test_a_value_that_says_nothing_is_no_sample(value: Any) -> None:
    assert shapes.samples({"result": [{"metric": {}, "value": [0, value]}]}) == ()
