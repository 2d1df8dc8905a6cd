"""Walks reach what they promise."""

from __future__ import annotations

from itertools import permutations

from tests.real.walk import every_pair, sampled, steps

NAMES = [f"n{number}" for number in range(7)]


def test_every_pair_is_walked_once() -> None:
    walked = [*steps(every_pair(NAMES))]
    assert sorted(walked) == sorted(permutations(NAMES, 2))


def test_a_sample_leaves_and_reaches_each_in_every_round() -> None:
    before, after = zip(*steps(sampled(NAMES, 2)), strict=True)
    assert sorted(before) == sorted(after) == sorted(2 * NAMES)
