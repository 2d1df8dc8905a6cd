"""Stores that the exporter reads: what came of it, and how each source is doing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import get_args

from ..model import VerdictValue
from ..pulled import Pull
from .labels_and_buckets import STATUSES
from .series_sets import Labeller
from .store import Store

_P = "llm_exporter_source_"
_OF_RUNS = ("failure_ratio", "cases", "timestamp_seconds")


class SourceMetrics:
    """Counts what is read of stores; safe to call from several threads."""

    def __init__(self, store: Store) -> None:
        """Count into a store; nothing is shown before `watch`."""
        self._store = store
        self._clock = store.clock
        self._labeller = Labeller(store)

    def watch(self, source: str) -> None:
        """Show a source from now on, with what alerts look at."""
        with self._store.lock:
            for name in ("rows_total", "unreadable_rows_total", "overlap_total", "splits_total"):
                self._store.counters(_P + name).get((source,))
            for status in STATUSES:
                self._store.counters(_P + "requests_total").get((source, status))

    def hide(self, source: str) -> None:
        """Show a source no more."""
        with self._store.lock:
            for name in ("up", "last_success_timestamp_seconds", "lag_seconds"):
                self._store.gauges(_P + name).series.pop((source,), None)

    def pulled(self, pull: Pull) -> None:
        """Count a page that is committed; under the store's lock."""
        self._add("rows_total", pull.rows, pull.source)
        self._add("overlap_total", pull.overlap, pull.source)
        now_s = self._clock()
        for one in pull.revisions:
            (judge,) = self._labeller.admit(("judge",), (one.judge,))[0]
            family = self._store.counters("llm_judge_revisions_total")
            family.get((judge, one.kind, one.before, one.after)).add(1, now_s)

    def requested(self, source: str, status: str) -> None:
        """Count a request: by the class of its status, or as one without an answer."""
        self._add("requests_total", 1, source, status)

    def split(self, source: str) -> None:
        """Count a request that was asked again in smaller parts."""
        self._add("splits_total", 1, source)

    def unread(self, source: str, n: int) -> None:
        """Count rows that are not what their system writes."""
        self._add("unreadable_rows_total", n, source)

    def up(self, source: str, is_up: bool) -> None:
        """Say whether a source can be read."""
        self._set("up", int(is_up), source)

    def succeeded(self, source: str, unix_s: float, lag_s: float | None) -> None:
        """Say when a source was last read to the end, and how old its newest row was."""
        self._set("last_success_timestamp_seconds", unix_s, source)
        if lag_s is not None:
            self._set("lag_seconds", lag_s, source)

    def run(self, judge: str, suite: str, cases: Mapping[str, int], unix_s: float) -> None:
        """Show the last run of an offline suite, with its cases by verdict."""
        failed, judged = cases.get("fail", 0), cases.get("pass", 0) + cases.get("fail", 0)
        with self._store.lock:
            now_s = self._clock()
            shown = self._labeller.admit(("judge", "suite"), (judge, suite))[0]
            gauges = {name: self._store.gauges("llm_eval_run_" + name) for name in _OF_RUNS}
            gauges["timestamp_seconds"].get(shown).set(unix_s, now_s)
            if judged:
                gauges["failure_ratio"].get(shown).set(failed / judged, now_s)
            for verdict in get_args(VerdictValue):
                gauges["cases"].get((*shown, verdict)).set(cases.get(verdict, 0), now_s)

    def _add(self, name: str, n: int, *labels: str) -> None:
        with self._store.lock:
            self._store.counters(_P + name).get(labels).add(n, self._clock())

    def _set(self, name: str, value: float, *labels: str) -> None:
        with self._store.lock:
            self._store.gauges(_P + name).get(labels).set(value, self._clock())
