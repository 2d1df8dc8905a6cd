"""What a request brings: its records read one by one, and counted as received."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from operator import attrgetter
from typing import TypeVar

from ..consumer import Outcome, Source, Tenant
from ..errors import RejectedRecord
from ..metrics.exporter_metrics import ExporterMetrics
from ..model import LlmCall, ParsedRecord, Step
from ..otlp.records import RawLog, RawSpan
from ..storage import Entry
from .not_understood import NotUnderstood

_logger = logging.getLogger(__name__)
_DIALECT = attrgetter("dialect")
_MAX_REASONS = 3
COUNTED_FROM = (
    "calls, tokens and dollars are counted from traces, and from log records of coding agents"
)
_R = TypeVar("_R", RawSpan, RawLog)


class Arrivals:
    """Reads what comes in, and counts it; counting by one caller at a time."""

    def __init__(self, metrics: ExporterMetrics, lateness_s: float) -> None:
        """Nothing has come in yet.

        Args:
            metrics: Where it is counted.
            lateness_s: Age from which a record that comes in is late.
        """
        self._metrics = metrics
        self.lateness_s = lateness_s
        self.records = 0
        """Spans and log records taken in."""
        self.not_understood = NotUnderstood()
        self._warned_of_metrics: set[str] = set()

    def metrics(self, source: Source, tenant: Tenant) -> Outcome:
        """Count a request with OTLP metrics; each tenant is told once that they are not used."""
        self._metrics.metrics_request(source)
        if tenant.name in self._warned_of_metrics:
            return Outcome()
        if not self._warned_of_metrics:
            _logger.warning("OTLP metrics come in and are not used: %s", COUNTED_FROM)
        self._warned_of_metrics.add(tenant.name)
        return Outcome(message=f"metrics are taken and not used: {COUNTED_FROM}")

    def count(self, entry: Entry) -> None:
        """Count the records of a request."""
        metrics, source = self._metrics, entry.source
        if not source:
            return
        for dialect, n in Counter(map(_DIALECT, entry.spans)).items():
            metrics.spans_received(source, dialect, n)
        for dialect, n in Counter(map(_DIALECT, entry.logs)).items():
            metrics.log_records_received(source, dialect, n)
        if entry.invalid:
            metrics.discarded("invalid", entry.invalid)
        for reading in [r for r in (*entry.spans, *entry.logs) if r.unreadable]:
            metrics.unreadable_numbers(reading.dialect, reading.unreadable)
        self.records += len(entry.spans) + len(entry.logs)
        lags_s = [
            (entry.wall_ns - record.end_ns) / 1e9
            for reading in (*entry.spans, *entry.logs)
            for record in reading.records
            if isinstance(record, (LlmCall, Step))
        ]
        metrics.ingest_lags(lags_s)
        if late := sum(lag_s > self.lateness_s for lag_s in lags_s):
            metrics.late_records(late)

    def read(
        self,
        records: Iterable[_R],
        read: Callable[[_R], ParsedRecord],
        reasons: list[str],
        hear: Callable[[_R, ParsedRecord], None] | None = None,
    ) -> list[ParsedRecord]:
        """What each record says; why not, for those that are rejected, goes to `reasons`.

        Safe to call from several threads.
        """
        found: list[ParsedRecord] = []
        for record in records:
            try:
                reading = read(record)
            except RejectedRecord as rejected:
                reasons.append(rejected.reason)
                continue
            found.append(reading)
            if reading.drop == "unknown_kind":
                self.not_understood.see(record)
            if hear is not None and reading.records:
                hear(record, reading)
        return found


def dated(logs: Iterable[RawLog], now_ns: int) -> Iterator[RawLog]:
    """Log records, those without any time with the time of their arrival."""
    for log in logs:
        log.time_ns = log.time_ns or now_ns
        yield log


def message_of(reasons: list[str]) -> str:
    """Why records were left out, for the sender's developers; empty when none were."""
    commonest = Counter(reasons).most_common(_MAX_REASONS)
    parts = [f"{n} x {reason}" if n > 1 else reason for reason, n in commonest]
    if more := len(reasons) - sum(n for _, n in commonest):
        parts.append(f"and {more} more")
    return "; ".join(parts)
