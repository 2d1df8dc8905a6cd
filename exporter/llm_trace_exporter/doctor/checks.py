"""The table of checks: what is looked at, in this order."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from . import histograms, kubernetes, numbers, rules, scraping, twins, understood
from .facts import Facts
from .findings import Finding


@dataclass(frozen=True, slots=True)
class Check:
    """One check; it looks at facts only, so that its tests need no server."""

    section: str
    name: str
    run: Callable[[Facts], Iterable[Finding]]


CHECKS: tuple[Check, ...] = (
    Check("Prometheus", "server", scraping.server),
    Check("Prometheus", "scraped", scraping.scraped),
    Check("Prometheus", "timing", scraping.timing),
    Check("Prometheus", "limits", scraping.limits),
    Check("Prometheus", "labels", scraping.labels),
    Check("Prometheus", "dropped", scraping.dropped),
    Check("Prometheus", "histograms", histograms.classic),
    Check("Prometheus", "exemplars", scraping.exemplars),
    Check("Numbers", "traffic", numbers.traffic),
    Check("Numbers", "understood", understood.understood),
    Check("Numbers", "copies", numbers.copies),
    Check("Numbers", "gateways", twins.gateways),
    Check("Numbers", "clocks", numbers.clocks),
    Check("Numbers", "fresh", numbers.fresh),
    Check("Numbers", "health", numbers.health),
    Check("Rules", "loaded", rules.loaded),
    Check("Rules", "evaluated", rules.healthy),
    Check("Rules", "series", rules.alive),
    Check("Rules", "history", rules.history),
    Check("Rules", "alertmanager", rules.reach),
    Check("Dashboards", "panels", rules.panels),
    Check("Kubernetes", "monitors", kubernetes.monitors),
    Check("Kubernetes", "rules", kubernetes.rules),
)


def examine(facts: Facts) -> Iterator[tuple[Check, Finding]]:
    """Everything that the checks say."""
    for check in CHECKS:
        for finding in check.run(facts):
            yield check, finding
