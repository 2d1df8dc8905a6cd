"""What a refresh of a dashboard makes Prometheus read, as Grafana asks for it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from tests.dashboards.written import substituted
from tests.e2e.prometheus import Prometheus

MOST_SAMPLES = 2_000_000
"""That a refresh of the first view may read."""
PIXELS_A_COLUMN = 1_600 / 24
"""Of a dashboard on a screen of usual width: a panel asks for no more points than it has."""
_ROUND_S = (60, 120, 300, 600, 900, 1_200, 1_800, 3_600, 7_200, 10_800)
"""Grafana's steps."""
_HOURS = re.compile(r"now-(\d+)h")


def hours_of(dashboard: Mapping[str, Any]) -> int:
    """What it shows at first."""
    found = _HOURS.fullmatch(dashboard["time"]["from"])
    assert found is not None
    return int(found[1])


def samples_read(
    prometheus: Prometheus, dashboard: Mapping[str, Any], end_s: int, scrape_s: int
) -> dict[str, int]:
    """Samples that one refresh of the first view touches, by title of the panel.

    Rows that are closed ask for nothing.
    """
    found: dict[str, int] = {}
    for panel in dashboard["panels"]:
        if panel["type"] != "row":
            read = (
                _read(prometheus, *one)
                for one in _asked(panel, hours_of(dashboard), end_s, scrape_s)
            )
            found[panel["title"]] = sum(read)
    return found


def _asked(
    panel: Mapping[str, Any], hours: int, end_s: int, scrape_s: int
) -> Iterator[tuple[str, dict[str, Any]]]:
    points = panel.get("maxDataPoints") or panel["gridPos"]["w"] * PIXELS_A_COLUMN
    for target in panel["targets"]:
        least_s = _seconds(target["interval"])
        step_s = max(least_s, next(s for s in _ROUND_S if s >= hours * 3600 / points))
        known = {
            "__rate_interval": f"{max(step_s + scrape_s, 4 * scrape_s)}s",
            "__range": f"{hours}h",
        }
        asked: dict[str, Any] = {"query": substituted(target["expr"], known), "stats": "all"}
        if target["instant"]:
            yield "query", asked | {"time": end_s}
            continue
        asked["query"], ranks = without_ranks(asked["query"])
        start_s = end_s - hours * 3600
        yield "query_range", asked | {"start": start_s, "end": end_s, "step": step_s}
        for rank in ranks:
            yield "query", asked | {"query": rank, "time": end_s}


def without_ranks(query: str) -> tuple[str, list[str]]:
    """A query over time without what of it is asked of its end only, and that.

    Prometheus evaluates what is `@ end()` once, and adds it to its statistics at every step
    (promql/engine.go: StepInvariantExpr).
    """
    ranks = list[str]()
    at = 0
    while (at := query.find("topk(", at)) >= 0:
        end = _closed(query, at + len("topk("))
        call = query[at:end]
        if "@ end()" in call:
            ranks.append(call.replace("@ end()", ""))
            query = query[:at] + "vector(1)" + query[end:]
        at += 1
    return query, ranks


def _closed(text: str, at: int) -> int:
    """Where the parenthesis ends that was opened before."""
    depth = 1
    while depth:
        depth += {"(": 1, ")": -1}.get(text[at], 0)
        at += 1
    return at


def _read(prometheus: Prometheus, path: str, asked: dict[str, Any]) -> int:
    read: int = prometheus.api(path, **asked)["stats"]["samples"]["totalQueryableSamples"]
    return read


def _seconds(written: str) -> int:
    return int(written[:-1]) * {"s": 1, "m": 60, "h": 3600}[written[-1]]
