"""Sums, shares and quantiles of facts, by labels: what a panel should show of them."""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from llm_trace_exporter.metrics.labels_and_buckets import BUCKETS

By = tuple[str, ...]
Values = Mapping[tuple[str, ...], float]
"""Values of labels, to the number."""


@dataclass(frozen=True, slots=True)
class Expected:
    """What a query should give, and by which labels."""

    by: By
    values: Values


def grouped(items: Iterable[Any], by: By) -> dict[tuple[str, ...], list[Any]]:
    found = defaultdict[tuple[str, ...], list[Any]](list)
    for item in items:
        found[tuple(getattr(item, label) for label in by)].append(item)
    return found


def each(items: Iterable[Any], by: By, value: Callable[[list[Any]], float | None]) -> Expected:
    """A number of each group that has one."""
    told = {key: value(group) for key, group in grouped(items, by).items()}
    return Expected(by, {key: number for key, number in told.items() if number is not None})


def total(items: Iterable[Any], by: By, of: Callable[[Any], float], times: float = 1) -> Expected:
    return each(items, by, lambda group: times * sum(map(of, group)))


def share(items: Iterable[Any], by: By, is_part: Callable[[Any], bool]) -> Expected:
    return each(items, by, lambda group: sum(map(is_part, group)) / len(group))


def mean(
    items: Iterable[Any], by: By, of: Callable[[Any], float | None], times: float = 1
) -> Expected:
    """Of those that have a value."""

    def value(group: list[Any]) -> float | None:
        told = [number for item in group if (number := of(item)) is not None]
        return times * sum(told) / len(told) if told else None

    return each(items, by, value)


def ratio(
    items: Iterable[Any],
    by: By,
    part: Callable[[Any], float],
    whole: Callable[[Any], float],
    times: float = 1,
) -> Expected:
    def value(group: list[Any]) -> float | None:
        below = sum(map(whole, group))
        return times * sum(map(part, group)) / below if below else None

    return each(items, by, value)


def quantile(
    q: float,
    items: Iterable[Any],
    by: By,
    of: Callable[[Any], float | None],
    bounds: Sequence[float] = BUCKETS["seconds"],
) -> Expected:
    """As a histogram tells it: by the exact counts of its buckets, straight lines in between."""

    def value(group: list[Any]) -> float | None:
        told = [number for item in group if (number := of(item)) is not None]
        return _in_buckets(q, told, bounds) if told else None

    return each(items, by, value)


def _in_buckets(q: float, told: Sequence[float], bounds: Sequence[float]) -> float:
    counts = [0] * (len(bounds) + 1)
    for number in told:
        counts[bisect_left(bounds, number)] += 1
    rank, before = q * len(told), 0
    for at, count in enumerate(counts[:-1]):
        if before + count >= rank:
            low = bounds[at - 1] if at else 0.0
            return low + (bounds[at] - low) * (rank - before) / count
        before += count
    return bounds[-1]
