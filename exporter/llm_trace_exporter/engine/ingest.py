"""The engine as the receivers see it: a request comes in, what it says is counted.

Two locks. The outer one makes entries of the journal and what follows from them one sequence; it
is held while the disk is waited for. The inner one, the store's, guards correlator and store
together, so a request is applied whole or not at all and a scrape between two requests sees sums
that belong together, without waiting for the disk. Decoding happens outside of both.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager

import msgspec
from msgspec.structs import replace

from ..consumer import ANYONE, Outcome, RejectionReason, ScoreParser, Scores, Source, Tenant
from ..content import Captured, ContentDispatcher, filters
from ..content.extract import ContentExtractor
from ..correlation import (
    Correlator,
    Limits,
    Part,
    Saved,
    TraceLimits,
    WholeTraces,
    merged,
    relabelled,
    relabelled_record,
)
from ..correlation import Memory as Usage
from ..dialects import WANTED_PATTERN, Context, ParserPool, labels_of, moved_to, wanted_keys
from ..errors import Overloaded
from ..explain import DecisionLog
from ..metrics.exporter_metrics import ExporterMetrics
from ..metrics.recorder import Recorder
from ..metrics.store import Store
from ..model import ParsedRecord, Verdict
from ..objectives import Budgets
from ..otlp.decode import logs_of, spans_of
from ..otlp.native import EngineName
from ..otlp.outer_form import check_request
from ..otlp.records import Encoding, RawLog, RawSpan, SignalName
from ..pricing import Pricing
from ..storage import Entry, Journal, Memory
from .aggregate import Aggregator
from .arrivals import Arrivals, dated, message_of
from .explaining import NotingParser, arrivals_of

_encode = msgspec.msgpack.Encoder().encode
_labelled = msgspec.msgpack.Decoder(tuple[list[str], bytes])


class Ingester:
    """Implements `consumer.Consumer`; safe to call from several threads."""

    def __init__(
        self,
        store: Store,
        recorder: Recorder,
        metrics: ExporterMetrics,
        pricing: Pricing,
        context: Context,
        limits: Limits,
        *,
        trace_limits: TraceLimits | None = None,
        human_names: Mapping[str, Iterable[str]] | None = None,
        lateness_s: float = 3600.0,
        engine: EngineName = "python",
        journal: Journal | None = None,
        clock: Callable[[], float] = time.monotonic,
        wall_clock_ns: Callable[[], int] = time.time_ns,
    ) -> None:
        """Wire up the rooms.

        Args:
            human_names: Judge -> further names under which people judge the same; all lower case.
            lateness_s: Age from which a record that comes in is late.
            engine: Who reads requests, as long as the process lives.
            journal: Where requests are written before they are acknowledged.
            clock: Monotonic seconds.
        """
        self._lock, self._engine = store.lock, engine
        self._writing = threading.RLock()
        self._metrics, is_kept = metrics, journal is not None
        self._traces = WholeTraces(trace_limits or TraceLimits(), tracks=is_kept)
        self._aggregator = Aggregator(recorder, metrics, pricing, self._traces)
        self._use_context(ParserPool(context))
        self._correlator = Correlator(limits, human_names, tracks=is_kept)
        self._clock, self._wall_clock_ns = clock, wall_clock_ns
        self._journal = journal
        self._evicted: Counter[str] = Counter()
        self.arrivals = Arrivals(metrics, lateness_s)

    @property
    def waiting(self) -> int:
        """Calls and steps that are not settled yet."""
        return self._correlator.waiting

    @property
    def limits(self) -> Limits:
        """How much is waited for and remembered."""
        return self._correlator.limits

    def ingest_request(
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
            check_request(body, encoding)
            return self.arrivals.metrics(source, tenant)
        started_s, readers = time.perf_counter(), self._readers
        reasons: list[str] = []
        is_traces = signal == "traces"
        spans = spans_of(body, self._span_keys, reasons, encoding) if is_traces else ()
        logs = () if is_traces else logs_of(body, self._log_keys, reasons, encoding)
        outcome = self._ingest(spans, logs, reasons, readers, source, tenant, started_s)
        return outcome or self.ingest_request(signal, encoding, body, source, tenant)

    def ingest_records(
        self, spans: Sequence[RawSpan], logs: Sequence[RawLog],
        source: Source, tenant: Tenant = ANYONE,
    ) -> Outcome:  # fmt: skip
        """Apply one request that is decoded already."""
        started_s = time.perf_counter()
        outcome = self._ingest(spans, logs, [], self._readers, source, tenant, started_s)
        return outcome or self.ingest_records(spans, logs, source, tenant)

    def _ingest(
        self, raw_spans: Iterable[RawSpan], raw_logs: Iterable[RawLog], reasons: list[str],
        readers: ParserPool, source: Source, tenant: Tenant, started_s: float,
    ) -> Outcome | None:  # fmt: skip
        """None, and nothing is applied, where the configuration was replaced meanwhile."""
        reader, log = readers.of(tenant.labels), self._aggregator.decisions
        noting = NotingParser(reader, log) if log is not None else None
        captured: list[Captured] = []
        dispatcher = self._aggregator.dispatcher
        read_log: Callable[[RawLog], ParsedRecord] = (noting or reader).log
        capture = None
        if dispatcher is not None:
            capture = dispatcher.capture_spans(captured)
            read_log = dispatcher.capture_logs(read_log, self._extractor, captured)
        spans = self.arrivals.read(raw_spans, (noting or reader).span, reasons, capture)
        logs = self.arrivals.read(dated(raw_logs, self._wall_clock_ns()), read_log, reasons)
        with self._writing:
            if readers is not self._readers:
                return None
            entry = Entry(
                now_s=self._clock(), source=source, spans=tuple(spans), logs=tuple(logs),
                invalid=len(reasons), wall_ns=self._wall_clock_ns(),
            )  # fmt: skip
            if spans or logs or reasons:
                self._commit(entry)
            with self._lock:
                if dispatcher is not None:
                    dispatcher.put(captured, self._clock())
                if noting is not None:
                    noting.hand_in(reasons)
                self._apply(entry)
                self._metrics.ingest_duration(source, time.perf_counter() - started_s)
        return Outcome(len(reasons), message_of(reasons))

    def count_rejection(self, source: Source, reason: RejectionReason) -> None:
        """Count a request that was answered with an error."""
        self._metrics.rejected(source, reason)

    def settle(self) -> None:
        """Count what has waited long enough.

        Raises: Overloaded when that cannot be written; it is counted the next time.
        """
        with self._writing:
            now_s = self._clock()
            if self._correlator.is_due(now_s) or self._traces.is_due(now_s):
                self._commit_and_apply(Entry(now_s, wall_ns=self._wall_clock_ns()))

    def settle_all(self, *, ends_traces: bool = True) -> None:
        """Count everything that waits, and whole traces as far as they came."""
        with self._writing:
            if self._correlator.waiting or (ends_traces and len(self._traces)):
                entry = Entry(
                    self._clock(), wall_ns=self._wall_clock_ns(), settles_all=True,
                    ends_traces=ends_traces,
                )  # fmt: skip
                self._commit_and_apply(entry)

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Keep requests and scrapes out for a moment."""
        with self._writing, self._lock:
            yield

    @contextmanager
    def in_turn(self) -> Iterator[None]:
        """Keep other requests out for a moment, and no scrape."""
        with self._writing:
            yield

    def save(self, *, every: bool) -> Saved:
        """What is remembered, packed: what changed since the last time, or all of it."""
        saved = merged((self._correlator.save(every=every), self._traces.save(every=every)))
        labels = labels_of(self._readers.context)
        packed = [part._replace(value=_encode((labels, part.value))) for part in saved.parts]
        return saved._replace(parts=tuple(packed))

    def remember(self, part: Memory, ahead_s: float) -> None:
        """Remember what an earlier process did; the parts in their order, then `restored`.

        Args:
            part: One of those that `save` gave.
            ahead_s: How far this process's clock is ahead of that one's.

        Raises: MsgspecError or ValueError where none of ours has written it.
        """
        context = self._readers.context
        labels, value = _labelled.decode(part.value)
        move = moved_to(labels, context) if labels != labels_of(context) else None
        changed = Part(part.name, part.entries, value, part.is_stale)
        if not self._correlator.restore(changed, move, ahead_s):
            self._traces.restore(changed, move, ahead_s)

    def restored(self) -> int:
        """Let what waited in an earlier process wait on; after the last `remember`.

        Returns: How many traces could not be read.
        """
        return self._correlator.restored()

    def replay(self, entry: Entry, ahead_s: float) -> None:
        """Apply what an earlier process committed after what was remembered.

        Args:
            entry: From the journal.
            ahead_s: How far this process's clock is ahead of that one's.
        """
        context, spans, logs = self._readers.context, entry.spans, entry.logs
        results = entry.results
        if list(entry.dimensions) != labels_of(context):
            move = moved_to(entry.dimensions, context)
            spans = tuple(relabelled_record(reading, move) for reading in spans)
            logs = tuple(relabelled_record(reading, move) for reading in logs)
            results = tuple(relabelled(result, move) for result in results)
        now_s = entry.now_s + ahead_s
        for_calls, for_traces = entry.waits_s[:3], entry.waits_s[3:]
        with self._correlator.waiting_for(*for_calls), self._traces.waiting(*for_traces):
            if entry.waits_again:
                self._wait_again(now_s)
            self._apply(replace(entry, now_s=now_s, spans=spans, logs=logs, results=results))

    def wait_again(self) -> Entry:
        """Let all that waits do so from now on: senders come back when the process does.

        Returns: What does the same when it is applied again.
        """
        now_s = self._clock()
        self._wait_again(now_s)
        return self._under(Entry(now_s, wall_ns=self._wall_clock_ns(), waits_again=True))

    def _wait_again(self, now_s: float) -> None:
        self._correlator.wait_again(now_s)
        self._traces.wait_again(now_s)

    @property
    def budgets(self) -> Budgets:
        """What was spent of each budget; only under the store's lock."""
        return self._aggregator.budgets

    def reconfigure(
        self,
        readers: ParserPool,
        pricing: Pricing,
        limits: Limits,
        trace_limits: TraceLimits,
        human_names: Mapping[str, Iterable[str]],
    ) -> None:
        """Go on with another configuration; nothing may wait, as it was read under the old one."""
        with self.paused():
            old, new = labels_of(self._readers.context), labels_of(readers.context)
            self._use_context(readers)
            self._aggregator.pricing = pricing
            moved = moved_to(old, readers.context) if old != new else None
            self._correlator.reconfigure(limits, human_names, moved)
            self._traces.limit(trace_limits)
            if moved is not None:
                self._traces.relabel(moved)

    def dispatch_to(self, dispatcher: ContentDispatcher | None) -> ContentDispatcher | None:
        """Hand out what is said in calls from now on; None: to nobody.

        Texts are read off the wire only while somebody wants them. Returns the dispatcher before.
        """
        with self.paused():
            before, self._aggregator.dispatcher = self._aggregator.dispatcher, dispatcher
            self._evicted["content"] = 0
            self._use_context(ParserPool(self._readers.context))
            return before

    def explain_to(self, log: DecisionLog | None) -> None:
        """Note of each record from now on what is decided of it; None: of none."""
        with self.paused():
            self._aggregator.decisions = log
            self._correlator.explain(each=log is not None)

    def ingest_verdicts(self, verdicts: Iterable[Verdict]) -> None:
        """Count what judges within the exporter found: on record like all that is counted.

        Raises: Overloaded when that cannot be written; nothing was counted then.
        """
        results = tuple(verdicts)
        with self._writing:
            now_ns = self._wall_clock_ns()
            self._commit_and_apply(Entry(self._clock(), results=results, wall_ns=now_ns))

    def ingest_scores(self, parse: ScoreParser, tenant: Tenant = ANYONE) -> Scores:
        """Count results and ratings that came on a route of their own.

        Raises: Overloaded when that cannot be written, or what `parse` does; nothing was counted.
        """
        readers, now_ns = self._readers, self._wall_clock_ns()
        found = parse(readers.of(tenant.labels).context, now_ns)
        with self._writing:
            if readers is self._readers:
                entry = Entry(self._clock(), "scores", logs=found.records, wall_ns=now_ns)
                self._commit_and_apply(replace(entry, invalid=len(found.rejected)))
                return found
        return self.ingest_scores(parse, tenant)

    def refresh_gauges(self) -> None:
        """Show how full the memories are."""
        correlator = self._correlator
        with self._lock:
            self._metrics.pending_calls(correlator.waiting, correlator.limits.max_pending)
            for table, memory in self._memories().items():
                self._metrics.table_entries(table, memory.held, memory.limit)
                self._metrics.table_evicted(table, memory.evicted - self._evicted[table])
                self._evicted[table] = memory.evicted

    def _memories(self) -> dict[str, Usage]:
        found = {**self._correlator.memories.usage, "open_traces": self._traces.memory}
        content = self._aggregator.dispatcher
        return found if content is None else found | {"content": content.usage}

    def _use_context(self, readers: ParserPool) -> None:
        """Read under a configuration from now on."""
        context, with_texts = readers.context, self._aggregator.dispatcher is not None
        self._span_keys, self._log_keys = filters(context, self._engine, with_texts=with_texts)
        self._extractor = ContentExtractor(wanted_keys(context), WANTED_PATTERN)
        self._readers = readers

    def _commit_and_apply(self, entry: Entry) -> None:
        self._commit(entry)
        with self._lock:
            self._apply(entry)

    def _commit(self, entry: Entry) -> None:
        if self._journal is None:
            return
        started_s = time.perf_counter()
        try:
            self._journal.append(self._under(entry))
        except Overloaded:
            self._metrics.state_failed("commit")
            raise
        self._metrics.state_committed(time.perf_counter() - started_s)

    def _under(self, entry: Entry) -> Entry:
        """An entry with the configuration that it is applied under."""
        calls, traces = self._correlator.limits, self._traces.limits
        waits_s = (
            calls.decision_wait_s, calls.evaluation_wait_s, calls.inherit_wait_s,
            traces.idle_timeout_s, traces.rootless_idle_timeout_s,
        )  # fmt: skip
        return replace(entry, dimensions=tuple(labels_of(self._readers.context)), waits_s=waits_s)

    def _apply(self, entry: Entry) -> None:
        if self._aggregator.decisions is not None and entry.source == "scores":
            self._aggregator.decisions.received(arrivals_of(entry.logs))
        for reading in (*entry.spans, *entry.logs):
            self._correlator.add(reading, entry.now_s)
            self._traces.see(reading, entry.now_s)
        for result in entry.results:
            self._correlator.add_result(result, entry.now_s)
        if entry.settles_all:
            self._correlator.settle_all()
        else:
            self._correlator.settle(entry.now_s)
        self._aggregator.count(self._correlator.drain(), entry.wall_ns / 1e9)
        self._aggregator.close_traces(entry.now_s, ends_all=entry.ends_traces)
        self.arrivals.count(entry)
