"""The core as the receivers see it: a request comes in, what it says is counted.

One lock guards pipeline and store together, so a request is applied whole or not at all and a
scrape between two requests sees sums that belong together. Decoding happens outside of it.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from operator import attrgetter
from typing import Protocol, TypeVar

from .counting import Counting
from .dialects import INDEXED_KEYS, Context, Readers, Taker, labels_of, moved_to, wanted_keys
from .errors import Overloaded, RejectedRecord
from .metrics.recorder import Recorder
from .metrics.selfmetrics import SelfMetrics
from .metrics.store import Store
from .model import LlmCall, Reading, Step, Verdict
from .otlp import wire
from .otlp.attributes import parse
from .otlp.decode import logs_of, spans_of
from .otlp.json_text import document, members_of
from .otlp.raw import RawLog, RawSpan
from .otlp.sink import ANYONE, Encoding, Outcome, RefusalReason, SignalName, Source, Tenant
from .pipeline import Judged, Limits, Pipeline, TraceLimits, WholeTraces
from .pricing import Pricing
from .scores import Read, as_reading
from .state import Entry, pack_subjects, unpack_subjects
from .targets import Budgets
from .texts import Heard, Hearing, filters

_DIALECT = attrgetter("dialect")
_R = TypeVar("_R", RawSpan, RawLog)

_MAX_REASONS = 3


class Journal(Protocol):
    """Where requests are written before they are acknowledged."""

    def append(self, entry: Entry) -> None:
        """Commit an entry.

        Raises: Overloaded when it cannot be written.
        """


class Intake:
    """Implements `otlp.sink.Sink`; safe to call from several threads."""

    def __init__(
        self,
        store: Store,
        recorder: Recorder,
        own: SelfMetrics,
        pricing: Pricing,
        context: Context,
        limits: Limits,
        *,
        trace_limits: TraceLimits | None = None,
        humans: Mapping[str, Iterable[str]] | None = None,
        lateness_s: float = 3600.0,
        journal: Journal | None = None,
        clock: Callable[[], float] = time.monotonic,
        wall_clock_ns: Callable[[], int] = time.time_ns,
    ) -> None:
        """Wire up the rooms.

        Args:
            humans: Judge -> further names under which people judge the same; all lower case.
            lateness_s: Age from which a record that comes in is late.
            journal: Where requests are written before they are acknowledged.
            clock: Monotonic seconds.
        """
        self._lock = store.lock
        self._own = own
        self._traces = WholeTraces(trace_limits or TraceLimits())
        self._counting = Counting(recorder, own, pricing, self._traces)
        self._heed(context)
        self._pipeline = Pipeline(limits, humans)
        self._clock = clock
        self._wall_clock_ns = wall_clock_ns
        self._journal = journal
        self._evicted: Counter[str] = Counter()
        self.lateness_s = lateness_s
        self.records = 0
        """Spans and log records taken in."""

    @property
    def waiting(self) -> int:
        """Calls and steps that are not settled yet."""
        return self._pipeline.waiting

    @property
    def limits(self) -> Limits:
        """How much is waited for and remembered."""
        return self._pipeline.limits

    def export(
        self,
        signal: SignalName,
        encoding: Encoding,
        body: bytes,
        source: Source,
        tenant: Tenant = ANYONE,
    ) -> Outcome:
        """Apply one request.

        Raises: DecodeError where `body` is not the message; nothing is counted then.
        """
        if signal == "metrics":
            parse(wire.Request, body) if encoding == "protobuf" else members_of(document(body))
            self._own.metrics_request(source)
            return Outcome()
        started_s, readers = time.perf_counter(), self._readers
        reasons: list[str] = []
        is_traces = signal == "traces"
        spans = spans_of(body, self._span_keys, reasons, encoding) if is_traces else ()
        logs = () if is_traces else logs_of(body, self._log_keys, reasons, encoding)
        outcome = self._take(spans, logs, reasons, readers, source, tenant, started_s)
        return outcome or self.export(signal, encoding, body, source, tenant)

    def take(self, spans: list[RawSpan], logs: list[RawLog], source: Source) -> Outcome:
        """Apply one request that is decoded already."""
        started_s, readers = time.perf_counter(), self._readers
        outcome = self._take(spans, logs, [], readers, source, ANYONE, started_s)
        return outcome or self.take(spans, logs, source)

    def _take(
        self, raw_spans: Iterable[RawSpan], raw_logs: Iterable[RawLog], reasons: list[str],
        readers: Readers, source: Source, tenant: Tenant, started_s: float,
    ) -> Outcome | None:  # fmt: skip
        """None, and nothing is applied, where the configuration was replaced meanwhile."""
        reader = readers.of(tenant.labels)
        heard: list[Heard] = []
        hearing = self._counting.hearing
        read_log: Callable[[RawLog], Reading] = reader.log
        hear = None
        if hearing is not None:
            hear = hearing.hearing_spans(heard)
            read_log = hearing.reading_logs(read_log, self._taker, heard)
        spans = _readings(raw_spans, reader.span, reasons, hear)
        logs = _readings(_dated(raw_logs, self._wall_clock_ns()), read_log, reasons)
        with self._lock:
            if readers is not self._readers:
                return None
            if hearing is not None:
                hearing.hold(heard, self._clock())
            self._commit_and_apply(
                Entry(
                    now_s=self._clock(), source=source, spans=tuple(spans), logs=tuple(logs),
                    invalid=len(reasons), wall_ns=self._wall_clock_ns(),
                )
            )  # fmt: skip
            self._own.ingest_duration(source, time.perf_counter() - started_s)
        return Outcome(len(reasons), _message(reasons))

    def refused(self, source: Source, reason: RefusalReason) -> None:
        """Count a request that was answered with an error."""
        self._own.rejected(source, reason)

    def settle(self) -> None:
        """Count what has waited long enough.

        Raises: Overloaded when that cannot be written; it is counted the next time.
        """
        with self._lock:
            now_s = self._clock()
            if self._pipeline.is_due(now_s) or self._traces.is_due(now_s):
                self._commit_and_apply(Entry(now_s, wall_ns=self._wall_clock_ns()))

    def settle_all(self, *, ends_traces: bool = True) -> None:
        """Count everything that waits, and whole traces as far as they came."""
        with self._lock:
            if self._pipeline.waiting or (ends_traces and len(self._traces)):
                entry = Entry(
                    self._clock(),
                    wall_ns=self._wall_clock_ns(),
                    settles_all=True,
                    ends_traces=ends_traces,
                )
                self._commit_and_apply(entry)

    def restore(self, entries: Iterable[tuple[Entry, bool]]) -> None:
        """Apply a journal to an empty pipeline; what a checkpoint holds already is not counted."""
        with self._lock:
            newest_s = self._clock()
            for entry, counts in entries:
                self._apply(entry, counts=counts)
                newest_s = max(newest_s, entry.now_s)
            self._clock = _going_on(self._clock, newest_s)

    @property
    def budgets(self) -> Budgets:
        """What was spent of each budget; only under the store's lock."""
        return self._counting.budgets

    def pack_subjects(self) -> tuple[bytes, int]:
        """Calls that can be named since the last time, packed, and how many."""
        with self._lock:
            fresh = self._pipeline.subjects.take_fresh()
            return pack_subjects(fresh, labels_of(self._readers.context)), len(fresh)

    def restore_subjects(self, packed: bytes, age_s: float) -> None:
        """Remember calls of an earlier process; after `restore`, the newest first.

        Raises: ExporterError where the bytes are none of ours.
        """
        with self._lock:
            rows = unpack_subjects(packed, lambda old: moved_to(old, self._readers.context))
            found = (Judged(*row) for row in reversed(rows))
            self._pipeline.subjects.restore(found, self._clock() - age_s)

    @contextmanager
    def held(self) -> Iterator[None]:
        """Keep requests out for a moment."""
        with self._lock:
            yield

    def replace(
        self,
        context: Context,
        pricing: Pricing,
        limits: Limits,
        trace_limits: TraceLimits,
        humans: Mapping[str, Iterable[str]],
    ) -> None:
        """Go on with another configuration.

        What waits was read under the old one and is counted under it first.
        """
        with self._lock:
            self.settle_all(ends_traces=False)
            old = self._readers.context
            self._heed(context)
            self._counting.pricing = pricing
            moved = moved_to(labels_of(old), context)
            self._pipeline.reconfigure(limits, humans, moved)
            self._traces.limit(trace_limits)
            self._traces.relabel(moved)

    def listen(self, hearing: Hearing | None) -> Hearing | None:
        """Let others hear what is said in calls from now on; None: nobody does.

        Texts are read off the wire only while somebody listens. Returns who listened before.
        """
        with self._lock:
            before, self._counting.hearing = self._counting.hearing, hearing
            self._evicted["texts"] = 0
            self._heed(self._readers.context)
            return before

    def judged(self, verdicts: Iterable[Verdict]) -> None:
        """Count what judges within the exporter found: on record like all that is counted.

        Raises: Overloaded when that cannot be written; nothing was counted then.
        """
        readings = tuple(map(_judged, verdicts))
        with self._lock:
            self._commit_and_apply(
                Entry(self._clock(), logs=readings, wall_ns=self._wall_clock_ns())
            )

    def score(self, read: Callable[[Context, int], Read], tenant: Tenant = ANYONE) -> Read:
        """Count results and ratings that came on a route of their own.

        Raises: Overloaded when that cannot be written, or what `read` does; nothing was counted.
        """
        readers, now_ns = self._readers, self._wall_clock_ns()
        found = read(readers.of(tenant.labels).context, now_ns)
        with self._lock:
            if readers is self._readers:
                self._commit_and_apply(
                    Entry(
                        self._clock(), "scores", logs=found.readings, wall_ns=now_ns,
                        invalid=len(found.rejected),
                    )
                )  # fmt: skip
                return found
        return self.score(read, tenant)

    def refresh_gauges(self) -> None:
        """Show how full the memories are."""
        with self._lock:
            pipeline = self._pipeline
            self._own.pending_calls(pipeline.waiting, pipeline.limits.max_pending)
            memories = {**pipeline.memories, "open_traces": self._traces.memory}
            if self._counting.hearing is not None:
                memories["texts"] = self._counting.hearing.filled
            for table, memory in memories.items():
                self._own.table_entries(table, memory.held, memory.limit)
                self._own.table_evicted(table, memory.evicted - self._evicted[table])
                self._evicted[table] = memory.evicted

    def _heed(self, context: Context) -> None:
        """Read under a configuration from now on."""
        self._readers = Readers(context)
        self._taker = Taker(wanted_keys(context.dimensions), INDEXED_KEYS)
        with_texts = self._counting.hearing is not None
        self._span_keys, self._log_keys = filters(context.dimensions, with_texts=with_texts)

    def _commit_and_apply(self, entry: Entry) -> None:
        if self._journal is not None:
            started_s = time.perf_counter()
            try:
                self._journal.append(entry)
            except Overloaded:
                self._own.state_failed("commit")
                raise
            self._own.state_committed(time.perf_counter() - started_s)
        self._apply(entry, counts=True)

    def _apply(self, entry: Entry, *, counts: bool) -> None:
        for reading in (*entry.spans, *entry.logs):
            self._pipeline.add(reading, entry.now_s)
            self._traces.see(reading, entry.now_s)
        if entry.settles_all:
            self._pipeline.settle_all()
        else:
            self._pipeline.settle(entry.now_s)
        self._counting.count(self._pipeline.drain(), entry.wall_ns / 1e9, counts=counts)
        self._counting.complete(entry.now_s, ends_all=entry.ends_traces, counts=counts)
        if counts:
            self._count_arrival(entry)

    def _count_arrival(self, entry: Entry) -> None:
        own, source = self._own, entry.source
        if not source:
            return
        for dialect, n in Counter(map(_DIALECT, entry.spans)).items():
            own.spans_received(source, dialect, n)
        for dialect, n in Counter(map(_DIALECT, entry.logs)).items():
            own.log_records_received(source, dialect, n)
        if entry.invalid:
            own.discarded("invalid", entry.invalid)
        self.records += len(entry.spans) + len(entry.logs)
        lags_s = [
            (entry.wall_ns - record.end_ns) / 1e9
            for reading in (*entry.spans, *entry.logs)
            for record in reading.records
            if isinstance(record, (LlmCall, Step))
        ]
        own.ingest_lags(lags_s)
        if late := sum(lag_s > self.lateness_s for lag_s in lags_s):
            own.late_records(late)


def _judged(verdict: Verdict) -> Reading:
    origin, time = verdict.origin, verdict.time_ns.to_bytes(8)
    return as_reading(verdict, origin.trace_id, origin.span_id, verdict.judge.encode(), time)


def _readings(
    records: Iterable[_R],
    read: Callable[[_R], Reading],
    reasons: list[str],
    hear: Callable[[_R, Reading], None] | None = None,
) -> list[Reading]:
    """What each record says; why not, for those that are rejected, goes to `reasons`."""
    found: list[Reading] = []
    for record in records:
        try:
            reading = read(record)
        except RejectedRecord as rejected:
            reasons.append(rejected.reason)
            continue
        found.append(reading)
        if hear is not None and reading.records:
            hear(record, reading)
    return found


def _going_on(clock: Callable[[], float], from_s: float) -> Callable[[], float]:
    """The clock, set forward so that it goes on from a moment of an earlier process."""
    ahead_s = from_s - clock()
    return clock if ahead_s <= 0 else lambda: clock() + ahead_s


def _dated(logs: Iterable[RawLog], now_ns: int) -> Iterator[RawLog]:
    """Log records, those without any time with the time of their arrival."""
    for log in logs:
        log.time_ns = log.time_ns or now_ns
        yield log


def _message(reasons: list[str]) -> str:
    """Why records were left out, for the sender's developers; empty when none were."""
    commonest = Counter(reasons).most_common(_MAX_REASONS)
    told = [f"{n} x {reason}" if n > 1 else reason for reason, n in commonest]
    if more := len(reasons) - sum(n for _, n in commonest):
        told.append(f"and {more} more")
    return "; ".join(told)
