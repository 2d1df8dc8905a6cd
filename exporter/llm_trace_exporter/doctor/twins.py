"""Finds an application and its gateway that both count, where their calls share nothing.

What both tell is the same tokens at nearly the same time: running totals that keep together minute
by minute, and that would not if one of them were read some minutes later.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import accumulate, combinations, islice, pairwise
from statistics import median

from .facts import Curve, Facts
from .findings import Finding, ok

_BUSIEST = 50
_MOST = 10
_ENOUGH_MINUTES = 50
"""With traffic. Of steady services that tell as much, one pair in thousands agrees as long."""
_AGREE = 0.95
_NEAR = 0.2
_ELSEWHERE = 10
"""Minutes by which one is moved to see whether agreement is more than steady traffic."""
_CLEARLY = 2.5
"""How many times as far apart they are then."""
_MOSTLY = 0.8
"""Of the minutes, for how far apart they are: a late batch does not count."""
_WHY = (
    "tokens that rise together are probably those of an application and of the gateway that it "
    "calls: each call is counted twice"
)
_SEE = "(docs/sending-traces.md#an-application-behind-a-gateway)"

Totals = Mapping[str, Sequence[float]]
"""Service -> tokens since the first minute, by minute."""


def gateways(facts: Facts) -> Iterator[Finding]:
    """Whether two services tell the same calls, or one those of all the others."""
    since_s = min((sample.value for sample in facts.asked("configured")), default=0.0)
    totals = totals_of(facts.curves if isinstance(facts.curves, tuple) else (), since_s)
    pairs = list(islice(twins(totals), _MOST))
    for pair in pairs:
        yield Finding(
            "warning",
            f"the services {pair[0]} and {pair[1]} count the same tokens minute by minute",
            why=_WHY,
            do="pass the trace context, or name the one of them that is the gateway: "
            f"gateways: [{pair[0]}] or gateways: [{pair[1]}] {_SEE}",
            where=pair,
        )
    named = {name for pair in pairs for name in pair}
    for name in above_all(totals):
        if name not in named:
            yield Finding(
                "warning",
                f"the service {name} counts the tokens of all others minute by minute",
                why=_WHY,
                do=f"pass the trace context, or name it: gateways: [{name}] {_SEE}",
                where=(name,),
            )
            return
    if not pairs and sum(_minutes(total) >= _ENOUGH_MINUTES for total in totals.values()) > 1:
        yield ok("no two services count the same tokens")


def totals_of(curves: Iterable[Curve], since_s: float) -> Totals:
    """Running totals of each service, the resets of its counters evened out.

    Args:
        curves: Counters, some for each service, all at the same Unix times.
        since_s: Unix time before which nothing is looked at: an older configuration was in force.
    """
    curves = [curve for curve in curves if curve.service]
    times = sorted({at_s for curve in curves for at_s, _ in curve.points if at_s >= since_s})
    place = {at_s: number for number, at_s in enumerate(times)}
    grown: dict[str, list[float]] = defaultdict(lambda: [0.0] * len(times))
    for curve in curves:
        points = sorted((at_s, value) for at_s, value in curve.points if at_s >= since_s)
        for (_, before), (at_s, value) in pairwise(points):
            grown[curve.service][place[at_s]] += value - before if value >= before else value
    return {name: tuple(accumulate(steps)) for name, steps in grown.items() if any(steps)}


def twins(totals: Totals) -> Iterator[tuple[str, str]]:
    """Pairs of services, of the busiest, that tell the same tokens."""
    busiest = sorted(totals, key=lambda name: totals[name][-1], reverse=True)[:_BUSIEST]
    for one, other in combinations(sorted(busiest), 2):
        if agree(totals[one], totals[other]):
            yield one, other


def above_all(totals: Totals) -> Iterator[str]:
    """The service of three or more that tells the same tokens as all the others together."""
    if len(totals) < 3:
        return
    everything = [sum(minute) for minute in zip(*totals.values(), strict=True)]
    for name, own in totals.items():
        if agree(own, [total - mine for total, mine in zip(everything, own, strict=True)]):
            yield name


def agree(one: Sequence[float], other: Sequence[float]) -> bool:
    """Whether two running totals keep together, as those of the same calls do and no others.

    A call may fall into neighbouring minutes: one total lies between what the other was a minute
    before and what it is a minute after. Steady traffic does so by chance, so both must be much
    farther apart where one is moved in time, both ways, so that a rising or falling rate is not
    taken for a difference.
    """
    if abs(one[-1] - other[-1]) > _NEAR * max(one[-1], other[-1]):
        return False
    inner = range(_ELSEWHERE, len(one) - _ELSEWHERE)
    active = [at for at in inner if one[at] > one[at - 1] or other[at] > other[at - 1]]
    if len(active) < _ENOUGH_MINUTES:
        return False
    apart = min(([one[at] - other[at + lag] for at in active] for lag in (0, -1, 1)), key=_spread)
    middle = median(apart)
    inside = sum(
        one[at - 1] <= one[at] - distance + middle <= one[at + 1]
        for at, distance in zip(active, apart, strict=True)
    )
    moved = [one[at] - (other[at - _ELSEWHERE] + other[at + _ELSEWHERE]) / 2 for at in active]
    return inside >= _AGREE * len(active) and _CLEARLY * _spread(apart) < _spread(moved)


def _spread(distances: Sequence[float]) -> float:
    """How far most of them are from their median, at most."""
    middle = median(distances)
    deviations = sorted(abs(distance - middle) for distance in distances)
    return deviations[int(_MOSTLY * len(deviations))]


def _minutes(total: Sequence[float]) -> int:
    return sum(after > before for before, after in pairwise(total))
