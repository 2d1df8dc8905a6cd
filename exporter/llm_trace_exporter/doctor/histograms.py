"""Whether histograms arrive with the buckets that rules and panels read.

Source: Prometheus 3, `convert_classic_histograms_to_nhcb` of a scrape job: classic histograms
become native ones with the same bounds, and nothing else is kept of them without
`always_scrape_classic_histograms`.
"""

from __future__ import annotations

from collections.abc import Iterator

from .facts import Facts
from .findings import Finding, count, ok

KEEP = (
    "always_scrape_classic_histograms: true in the scrape job (scrapeClassicHistograms: true of a "
    "ServiceMonitor), or convert_classic_histograms_to_nhcb: false; for the rules alone, load "
    "alerts/native/*.yml (prometheusRule.histograms: native)"
)
"""What keeps the buckets."""


def classic(facts: Facts) -> Iterator[Finding]:
    """Histograms that became native ones on their way."""
    converted = facts.asked("native")
    if converted:
        yield Finding(
            "problem",
            f"histograms of {count(len(converted), 'exporter')} arrive without their buckets",
            why="Prometheus makes native histograms of them (convert_classic_histograms_to_nhcb): "
            "rules and panels about latency, lag, steps and whole traces read _bucket, _sum and "
            "_count, and stay silent",
            do=KEEP,
            where=tuple(f"{s.source[1]} (job {s.source[0]})" for s in converted),
        )
    elif facts.exporters:
        yield ok("histograms arrive with their buckets")
