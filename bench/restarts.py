"""Start after `kill -9` with everything full: a hundred thousand series, all spans remembered."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass
from pathlib import Path

from bench.effort import Effort
from bench.endtoend import wait_until_counted
from bench.payloads import label_sets
from bench.processes import Process, exporter, get
from bench.senders import http_sender
from bench.table import Row

SERIES = 100_000
SPANS = 300_000
"""As many as are remembered by default."""
BUDGET_CPU_S = 4.0

_SETS_AT_ONCE = 500
_LOOK_EVERY = 2
_SERIES = re.compile(r'^llm_exporter_series\{family="[^"]*"\} (\S+)$', re.MULTILINE)
_CHECKPOINT_S = 35.0
_SLACK_MB = 10.0
"""What two readings of one process may differ by."""


@dataclass(frozen=True, slots=True)
class Restarted:
    """What was seen."""

    series: int
    spans: int
    series_mb: float
    """Resident with all series, and hardly a span."""
    before_mb: float
    """Resident before the end."""
    after_mb: float
    """Resident when ready again."""
    cpu_s: float
    """Processor time until ready, imports included."""
    ready_s: float

    @property
    def mb_of_100_000_spans(self) -> float:
        """What remembering takes, from the growth since all series were there."""
        return (self.before_mb - self.series_mb) / self.spans * 100_000


def measure(_: Effort, folder: Path) -> list[Row]:
    """Rows for a start with a full memory."""
    found = restarted(folder, SERIES, SPANS)
    group = f"start after kill -9: {found.series:,} series, {found.spans:,} remembered spans"
    return [
        Row(group, "processor time until ready", "s", "lower", found.cpu_s, None, BUDGET_CPU_S),
        Row(group, "until ready", "s", "lower", found.ready_s),
        Row(group, "resident with the series only", "MB", "lower", found.series_mb),
        Row(group, "resident before", "MB", "lower", found.before_mb),
        Row(group, "100,000 remembered spans", "MB", "lower", found.mb_of_100_000_spans),
        Row(group, "resident after", "MB", "lower", found.after_mb, None,
            found.before_mb + _SLACK_MB),
    ]  # fmt: skip


def restarted(folder: Path, series: int, spans: int) -> Restarted:
    """Fill an exporter, end it as a crash would, and start it again."""
    config = (
        "decision_wait: 200ms\ntraces: {idle_timeout: 1s}\n"
        "labels: {caps: {service: 100000}}\nseries: {max_per_family: 1000000}\n"
        f"limits: {{max_spans: {spans}}}\n"
        f"state: {{path: '{folder / 'restarts.db'}'}}\n"
    )
    with exporter(folder, config) as process:
        series_mb = _fill(process, series, spans)
        # The checkpoint that holds it; a journal of seconds is applied on top at most.
        time.sleep(_CHECKPOINT_S)
        found, before_mb = _series(process), process.resident_mb
        process.kill()
    with exporter(folder, config) as again:
        return Restarted(
            found, spans, series_mb, before_mb, again.resident_mb, again.cpu_s, again.start_s
        )


def _fill(process: Process, series: int, spans: int) -> float:
    """New services until there are enough series, then calls of the newest.

    Returns: Megabytes that were resident in between.
    """
    services = missing = 0
    series_mb = 0.0
    with http_sender(process.address("OTLP/HTTP")) as send:
        for seed in range(spans // _SETS_AT_ONCE):
            if seed % _LOOK_EVERY == 0:
                missing = series - _series(process)
            if missing <= 0 and not series_mb:
                series_mb = process.resident_mb
            if missing > 0:
                services += _SETS_AT_ONCE
            newest = range(services - _SETS_AT_ONCE, services)
            send(label_sets(newest, seed=seed, now_ns=time.time_ns()))
    wait_until_counted(process)
    return series_mb


def _series(process: Process) -> int:
    page = get(process.address("metrics"), "/metrics?name[]=llm_exporter_series").decode()
    return int(sum(map(float, _SERIES.findall(page))))
