"""Scrapes of growing expositions while requests come in; memory; start and recovery.

Label sets are added until the exposition has the wanted number of samples; then it is scraped
while a sender keeps sending. At the end the exporter is killed and started on its state file.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from statistics import median

from bench.effort import BUDGET_SAMPLES, Effort
from bench.endtoend import wait_until_counted
from bench.payloads import label_sets
from bench.processes import Process, baseline, exporter
from bench.senders import http_sender
from bench.table import Row

BUDGET_SCRAPE_S = 0.25
"""At 100,000 samples."""
BUDGET_RESIDENT_MB = 400.0
"""At a million samples."""
BUDGET_START_S = 2.0

_MILLION = 1_000_000
_SETS_AT_ONCE = 250
_SAMPLES_OF_A_SET = 75
"""More than either process makes of one label set, so that sizes are approached from below."""
_PAUSE_S = 0.02
_SCRAPING_S = 0.3
"""At least; enough for requests to come in meanwhile."""
_HTTP = "OTLP/HTTP"


@dataclass(frozen=True, slots=True)
class Point:
    """One process at one size."""

    wanted: int
    """Samples that were asked for."""
    samples: int
    scrape_s: float
    size_bytes: int
    resident_mb: float
    slowest_request_s: float
    """Of those sent while it was scraped."""


def measure(effort: Effort, folder: Path) -> list[Row]:
    """Rows for scrapes, memory, start-up and recovery."""
    config = (
        "decision_wait: 200ms\n"
        "labels: {caps: {service: 100000}}\n"
        "series: {max_per_family: 1000000}\n"
        f"state: {{path: '{folder / 'scrapes.db'}'}}\n"
    )
    starts = _starts(effort, folder)
    with exporter(folder, config) as ours, baseline(folder) as theirs:
        fleets = _Fleet(ours), _Fleet(theirs)
        points = [
            (_point(fleets[0], size, effort), _point(fleets[1], size, effort))
            for size in effort.samples
        ]
        ours.kill()
    with exporter(folder, config) as again:
        recovery_s = again.start_s
        restored = samples_in(again.scrape())
    return [
        *(row for mine, other in points for row in _scrape_rows(mine, other)),
        *_memory_rows(points),
        Row("start", "until ready, nothing to restore", "s", "lower", *starts, BUDGET_START_S),
        Row("start", f"until ready after kill -9, {restored:,} samples", "s", "lower", recovery_s),
    ]


def samples_in(page: bytes) -> int:
    """How many samples an exposition has."""
    return page.count(b"\n") - page.count(b"\n#") - page.startswith(b"#")


def _starts(effort: Effort, folder: Path) -> tuple[float, float]:
    """Median seconds until the exporter and the baseline are ready."""
    took_s: tuple[list[float], list[float]] = ([], [])
    for number in range(effort.starts):
        config = f"state: {{path: '{folder / f'start-{number}.db'}'}}\n"
        with exporter(folder, config) as ours:
            took_s[0].append(ours.start_s)
        with baseline(folder) as theirs:
            took_s[1].append(theirs.start_s)
    return median(took_s[0]), median(took_s[1])


def _point(fleet: _Fleet, wanted: int, effort: Effort) -> Point:
    fleet.grow(wanted)
    times_s: list[float] = []
    page = b""
    with fleet.busy() as request_s:
        end_s = time.perf_counter() + _SCRAPING_S
        while len(times_s) < effort.scrapes or time.perf_counter() < end_s:
            started_s = time.perf_counter()
            page = fleet.process.scrape()
            times_s.append(time.perf_counter() - started_s)
    return Point(
        wanted=wanted,
        samples=samples_in(page),
        scrape_s=median(times_s),
        size_bytes=len(page),
        resident_mb=fleet.process.resident_mb,
        slowest_request_s=max(request_s, default=0.0),
    )


class _Fleet:
    """The services that have sent to one process so far."""

    def __init__(self, process: Process) -> None:
        self.process = process
        self._services = 0
        self._seeds = count()

    def grow(self, wanted: int) -> None:
        """Let new services send until the exposition has `wanted` samples."""
        while (missing := wanted - samples_in(self.process.scrape())) > 0:
            left = missing // _SAMPLES_OF_A_SET + 1
            with http_sender(self.process.address(_HTTP)) as send:
                for first in range(0, left, _SETS_AT_ONCE):
                    new = min(_SETS_AT_ONCE, left - first)
                    send(self._request(range(self._services, self._services + new)))
                    self._services += new
            wait_until_counted(self.process)

    @contextmanager
    def busy(self) -> Iterator[list[float]]:
        """Let known services send; gives the seconds that each request took."""
        services = range(min(self._services, _SETS_AT_ONCE))
        took_s: list[float] = []
        done = threading.Event()

        def work() -> None:
            with http_sender(self.process.address(_HTTP)) as send:
                while not done.wait(_PAUSE_S):
                    body = self._request(services)
                    started_s = time.perf_counter()
                    send(body)
                    took_s.append(time.perf_counter() - started_s)

        thread = threading.Thread(target=work, daemon=True)
        thread.start()
        try:
            yield took_s
        finally:
            done.set()
            thread.join()

    def _request(self, services: range) -> bytes:
        return label_sets(services, seed=next(self._seeds), now_ns=time.time_ns())


def _scrape_rows(mine: Point, other: Point) -> Iterator[Row]:
    group = f"scrape of {mine.wanted:,} samples while requests come in"
    budget_ms = BUDGET_SCRAPE_S * 1_000 if mine.wanted == BUDGET_SAMPLES else None
    yield Row(
        group, "time", "ms", "lower", mine.scrape_s * 1_000, other.scrape_s * 1_000, budget_ms
    )
    yield Row(
        group, "time of a sample", "µs", "lower",
        mine.scrape_s / mine.samples * 1e6, other.scrape_s / other.samples * 1e6,
    )  # fmt: skip
    yield Row(group, "size", "MB", "lower", mine.size_bytes / 1e6, other.size_bytes / 1e6)
    yield Row(
        group, "slowest request meanwhile", "ms", "lower",
        mine.slowest_request_s * 1_000, other.slowest_request_s * 1_000,
    )  # fmt: skip


def _memory_rows(points: list[tuple[Point, Point]]) -> Iterator[Row]:
    group = "resident memory"
    for mine, other in points:
        budget_mb = BUDGET_RESIDENT_MB if mine.wanted == _MILLION else None
        what = f"at {mine.wanted:,} samples"
        yield Row(group, what, "MB", "lower", mine.resident_mb, other.resident_mb, budget_mb)
    small, large = points[0], points[-1]
    yield Row(
        group, "of 100,000 samples more", "MB", "lower",
        _growth_mb(small[0], large[0]), _growth_mb(small[1], large[1]),
    )  # fmt: skip


def _growth_mb(small: Point, large: Point) -> float:
    added = large.samples - small.samples
    return (large.resident_mb - small.resident_mb) / added * BUDGET_SAMPLES if added else 0.0
