"""The exporter about itself: what it received, refused, dropped and how it is doing."""

from __future__ import annotations

import platform
from collections.abc import Iterable
from typing import TypeAlias

from ..model import Task
from .labels_and_buckets import CLOCK_DIRECTIONS, DISCARD_REASONS, DURATIONS, STATE_ERRORS, TASKS
from .series_sets import NO_LABELS, SeriesByLabels
from .store import Store

_P = "llm_exporter_"

Usage: TypeAlias = tuple[int, int]
"""(how much there is, how much there may be)."""


class ExporterMetrics:
    """Counts the exporter's own work; safe to call from several threads.

    Label values passed in are words of this program, never texts from outside.
    """

    def __init__(self, store: Store, version: str, engine: str = "python") -> None:
        """Count into a store; what alerts look at is there at 0 from the start."""
        self._store = store
        self._clock = store.clock
        self._spans = SeriesByLabels(store.counters(_P + "spans_received_total"))
        self._logs = SeriesByLabels(store.counters(_P + "log_records_received_total"))
        self._metrics = SeriesByLabels(store.counters(_P + "metrics_requests_total"))
        self._rejected = SeriesByLabels(store.counters(_P + "requests_rejected_total"))
        self._discarded = SeriesByLabels(store.counters(_P + "discarded_total"))
        self._discarded_tokens = SeriesByLabels(store.counters(_P + "discarded_tokens_total"))
        self._ingest = SeriesByLabels(store.histograms(_P + "ingest_duration_seconds"))
        self._lag = SeriesByLabels(store.histograms(_P + "ingest_lag_seconds"))
        self._evicted = SeriesByLabels(store.counters(_P + "trace_table_evicted_total"))
        self._set("build_info", 1, version, platform.python_version(), engine)
        store.watch(self._refresh)
        self._refresh()

    def _refresh(self) -> None:
        with self._store.lock:
            for held in (
                self._spans,
                self._logs,
                self._metrics,
                self._rejected,
                self._discarded,
                self._discarded_tokens,
                self._evicted,
            ):
                held.clear()
            self._ingest.clear()
            self._lag.clear()
            for name in ("discarded_total", "discarded_tokens_total"):
                for reason in DISCARD_REASONS:
                    self._store.counters(_P + name).get((reason, ""))
            self._store.counters(_P + "unreadable_numbers_total").get(("",))
            self._store.counters(_P + "late_records_total").get(())
            for direction in CLOCK_DIRECTIONS:
                self._store.counters(_P + "clock_jumps_total").get((direction,))
            for reason in STATE_ERRORS:
                self._store.counters(_P + "state_errors_total").get((reason,))
            for task in TASKS:
                self._store.counters(_P + "background_failures_total").get((task,))
            implausible = self._store.counters(_P + "implausible_values_total")
            for field in DURATIONS:
                implausible.get((field,))
            overflows = self._store.counters(_P + "label_overflow_total")
            for label in self._store.capped_labels():
                overflows.get((label,))

    def spans_received(self, source: str, dialect: str, n: int = 1) -> None:
        """Count spans taken in; `dialect` is empty where none knows them."""
        with self._store.lock:
            self._spans[source, dialect].add(n, self._clock())

    def log_records_received(self, source: str, dialect: str, n: int = 1) -> None:
        """Count log records taken in; `dialect` is empty where none knows them."""
        with self._store.lock:
            self._logs[source, dialect].add(n, self._clock())

    def metrics_request(self, source: str) -> None:
        """Count one OTLP metrics request, answered and not consumed."""
        with self._store.lock:
            self._metrics[(source,)].add(1, self._clock())

    def rejected(self, source: str, reason: str, n: int = 1) -> None:
        """Count requests refused as a whole."""
        with self._store.lock:
            self._rejected[source, reason].add(n, self._clock())

    def discarded(self, reason: str, n: float = 1, tokens: float = 0, *, dialect: str = "") -> None:
        """Count records that count for nothing, and the tokens written on them."""
        with self._store.lock:
            now_s = self._clock()
            self._discarded[reason, dialect].add(n, now_s)
            self._discarded_tokens[reason, dialect].add(tokens, now_s)

    def unreadable_numbers(self, dialect: str, n: int) -> None:
        """Count numbers on records that could not be read."""
        with self._store.lock:
            family = self._store.counters(_P + "unreadable_numbers_total")
            family.get((dialect,)).add(n, self._clock())

    def ingest_duration(self, source: str, seconds: float) -> None:
        """Record how long one request took to decode, apply and commit."""
        with self._store.lock:
            self._ingest[(source,)].observe(seconds, 1, self._clock())

    def ingest_lags(self, seconds: Iterable[float]) -> None:
        """Record how old records were at arrival; clocks that run ahead count as 0."""
        with self._store.lock:
            observe, now_s = self._lag[NO_LABELS].observe, self._clock()
            for lag_s in seconds:
                observe(lag_s if lag_s > 0 else 0.0, 1, now_s)

    def late_records(self, n: int) -> None:
        """Count records that came long after they ended."""
        with self._store.lock:
            self._store.counters(_P + "late_records_total").get(()).add(n, self._clock())

    def unmatched(self, reason: str, n: int) -> None:
        """Count results of judges and ratings whose subject was not found."""
        with self._store.lock:
            family = self._store.counters(_P + "unmatched_evaluations_total")
            family.get((reason,)).add(n, self._clock())

    def state_committed(self, seconds: float) -> None:
        """Record how long one request took to be written."""
        with self._store.lock:
            family = self._store.histograms(_P + "state_commit_duration_seconds")
            family.get(()).observe(seconds, 1, self._clock())

    def state_failed(self, reason: str, n: int = 1) -> None:
        """Count trouble with the state file."""
        with self._store.lock:
            family = self._store.counters(_P + "state_errors_total")
            family.get((reason,)).add(n, self._clock())

    def state_size(self, size_bytes: int) -> None:
        """Say how big the state file is."""
        self._set("state_bytes", size_bytes)

    def state_writable(self, is_writable: bool) -> None:
        """Say whether the state file can be written."""
        self._set("state_writable", 1 if is_writable else 0)

    def clock_jumped(self, direction: str) -> None:
        """Count a jump of the wall clock."""
        with self._store.lock:
            family = self._store.counters(_P + "clock_jumps_total")
            family.get((direction,)).add(1, self._clock())

    def pending_calls(self, n: int, limit: int) -> None:
        """Say how many calls wait to settle, and how many may."""
        self._set("pending_calls", n)
        self._set("pending_calls_limit", limit)

    def table_entries(self, table: str, n: int, limit: int) -> None:
        """Say how many entries one bounded memory holds, and how many it may."""
        self._set("trace_table_entries", n, table)
        self._set("trace_table_entries_limit", limit, table)

    def in_flight(self, source: str, requests: Usage, size_bytes: Usage) -> None:
        """Say how many requests one receiver has taken on, and how large their bodies are."""
        for name, usage in (("requests", requests), ("request_bytes", size_bytes)):
            self._set(f"{name}_in_flight", usage[0], source)
            self._set(f"{name}_in_flight_limit", usage[1], source)

    def connections(self, listener: str, n: int | None, limit: int) -> None:
        """Say how many connections a listener has, where that is known, and may have."""
        listener = listener.replace("-", "_")
        if n is not None:
            self._set("connections", n, listener)
        self._set("connections_limit", limit, listener)

    def connection_closed(self, listener: str, reason: str) -> None:
        """Count one connection closed that a client had left open."""
        with self._store.lock:
            family = self._store.counters(_P + "connections_closed_total")
            family.get((listener, reason)).add(1, self._clock())

    def request_limit(self, size_bytes: int) -> None:
        """Say how large a request may be."""
        self._set("request_bytes_limit", size_bytes)

    def table_evicted(self, table: str, n: int = 1) -> None:
        """Count entries dropped for want of room before their time."""
        with self._store.lock:
            self._evicted[(table,)].add(n, self._clock())

    def scraped(self, seconds: float, size_bytes: int) -> None:
        """Say how long the last complete exposition took and how big it was."""
        self._set("scrape_duration_seconds", seconds)
        self._set("scrape_bytes", size_bytes)

    def price_catalogue(self, published_s: float) -> None:
        """Say when the list prices in use were published, in Unix seconds."""
        self._set("price_catalog_timestamp_seconds", published_s)

    def token_request(self, name: str, n: int = 1) -> None:
        """Count requests let in with one of a sender's tokens."""
        with self._store.lock:
            self._store.counters(_P + "token_requests_total").get((name,)).add(n, self._clock())

    def background_failed(self, task: Task, n: int = 1) -> None:
        """Count failures of work in the background."""
        with self._store.lock:
            family = self._store.counters(_P + "background_failures_total")
            family.get((task,)).add(n, self._clock())

    def security_loaded(self, part: str, is_success: bool) -> None:
        """Say whether the files that guard a part could be used when they were last read."""
        self._set("security_last_reload_successful", 1 if is_success else 0, part)

    def config_loaded(self, is_success: bool, unix_s: float) -> None:
        """Say how the last attempt to load the configuration went, and when it was."""
        self._set("config_last_reload_successful", 1 if is_success else 0)
        if is_success:
            self._set("config_last_reload_success_timestamp_seconds", unix_s)

    def _set(self, name: str, value: float, *labels: str) -> None:
        with self._store.lock:
            self._store.gauges(_P + name).get(labels).set(value, self._clock())
