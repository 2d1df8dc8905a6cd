"""Orders in which a release is upgraded from one set of values to another."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from itertools import pairwise

SEED = 20261128


def sampled(names: Sequence[str], rounds: int) -> list[str]:
    """A walk in which each name is left and reached once a round, in an order by chance."""
    chance, walk = random.Random(SEED), [names[0]]
    for _ in range(rounds):
        others = list(names[1:])
        chance.shuffle(others)
        walk += [*others, names[0]]
    return walk


def every_pair(names: Sequence[str]) -> list[str]:
    """A walk that goes from each name to each other one exactly once (Hierholzer)."""
    left = {name: [other for other in names if other != name] for name in names}
    path, walk = [names[0]], []
    while path:
        if left[path[-1]]:
            path.append(left[path[-1]].pop())
        else:
            walk.append(path.pop())
    return walk[::-1]


def steps(walk: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Its upgrades."""
    yield from pairwise(walk)
