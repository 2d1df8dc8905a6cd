"""Figures that textbooks and other programs know."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_trace_exporter.evaluation.statistics import agreement, correlation, share


@pytest.mark.parametrize(
    ("hits", "total", "low", "high"),
    [
        (0, 10, 0.0, 0.2775),
        (1, 10, 0.0179, 0.4042),
        (5, 10, 0.2366, 0.7634),
        (10, 10, 0.7225, 1.0),
        (15, 148, 0.0624, 0.1605),
    ],
)
def test_wilsons_interval(hits: int, total: int, low: float, high: float) -> None:
    # Newcombe (1998) has 15 of 148 with 0.0624 to 0.1605.
    found = share(hits, total)
    assert found.value == hits / total
    assert found.low == pytest.approx(low, abs=1e-4)
    assert found.high == pytest.approx(high, abs=1e-4)


def test_the_interval_holds_what_it_says() -> None:
    draw = random.Random(7)
    for truth in (0.02, 0.3, 0.9):
        held = 0
        for _ in range(1_000):
            found = share(sum(draw.random() < truth for _ in range(80)), 80)
            assert found.low is not None and found.high is not None
            held += found.low <= truth <= found.high
        assert held / 1_000 > 0.92


@given(st.integers(0, 500), st.integers(1, 500))
def test_a_share_is_within_its_interval(hits: int, total: int) -> None:
    found = share(min(hits, total), total)
    assert found.low is not None and found.high is not None and found.value is not None
    assert 0 <= found.low <= found.value + 1e-12 and found.value <= found.high + 1e-12 <= 1 + 1e-9


def test_nothing_says_nothing() -> None:
    assert share(0, 0).value is None
    none = agreement([])
    assert none.kappa.value is none.agreement.value is none.false_pass_rate.value is None


def test_cohens_kappa() -> None:
    # The usual example: 20 and 15 agreements, 5 and 10 disagreements, kappa 0.4.
    pairs = [(True, True)] * 20 + [(True, False)] * 5 + [(False, True)] * 10
    found = agreement(pairs + [(False, False)] * 15)
    assert found.agreement.value == 0.7
    assert found.kappa.value == pytest.approx(0.4)
    assert found.kappa.low == pytest.approx(0.4 - 1.96 * 0.1296, abs=1e-3)
    assert found.false_pass_rate.value == 5 / 20
    assert found.false_fail_rate.value == 10 / 30


def test_a_judge_that_always_says_the_same_has_no_kappa_beyond_chance() -> None:
    assert agreement([(True, True)] * 9).kappa.value is None
    assert agreement([(True, True)] * 9 + [(True, False)]).kappa.value == pytest.approx(0)


def test_length_bias() -> None:
    lengths = [10, 100, 1_000, 10_000]
    assert correlation(lengths, [False, False, True, True]) == pytest.approx(0.894, abs=1e-2)
    assert correlation(lengths, [True, True, False, False]) == pytest.approx(-0.894, abs=1e-2)
    assert correlation(lengths, [True] * 4) is None
    assert correlation([5, 5, 5], [True, False, True]) is None
    assert correlation([], []) is None
