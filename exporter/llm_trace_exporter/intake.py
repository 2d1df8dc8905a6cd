"""The core as the receivers see it: a request comes in, what it says is counted.

One lock guards pipeline and store together, so a request is applied whole or not at all and a
scrape between two requests sees sums that belong together. Decoding happens outside of it.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import TypeVar

from .dialects import INDEXED_KEYS, Context, Reader, wanted_keys
from .errors import RejectedRecord
from .metrics.recorder import Recorder
from .metrics.selfmetrics import SelfMetrics
from .metrics.store import Store
from .model import Feedback, LlmCall, Reading, Step, Verdict
from .otlp import wire
from .otlp.attributes import KeyFilter, parse
from .otlp.decode import decode_logs, decode_logs_json, decode_traces, decode_traces_json
from .otlp.from_json import load as load_json
from .otlp.raw import Batch, RawLog, RawSpan
from .otlp.sink import Encoding, Outcome, RefusalReason, SignalName, Source
from .pipeline import Limits, Pipeline
from .pricing import Pricing

_DECODERS: dict[tuple[SignalName, Encoding], Callable[[bytes, KeyFilter], Batch]] = {
    ("traces", "protobuf"): decode_traces,
    ("traces", "json"): decode_traces_json,
    ("logs", "protobuf"): decode_logs,
    ("logs", "json"): decode_logs_json,
}
_J = TypeVar("_J", Verdict, Feedback)
_R = TypeVar("_R", RawSpan, RawLog)

_MAX_REASONS = 3


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
        lateness_s: float = 3600.0,
        clock: Callable[[], float] = time.monotonic,
        wall_clock_ns: Callable[[], int] = time.time_ns,
    ) -> None:
        """Wire up the rooms; `clock` gives monotonic seconds."""
        self._lock = store.lock
        self._recorder = recorder
        self._own = own
        self._pricing = pricing
        self._reader = Reader(context)
        self._keys = _key_filter(context)
        self._pipeline = Pipeline(limits)
        self._clock = clock
        self._wall_clock_ns = wall_clock_ns
        self._evicted = 0
        self.lateness_s = lateness_s
        self.records = 0
        """Spans and log records taken in."""

    @property
    def waiting(self) -> int:
        """Calls and steps that are not settled yet."""
        return self._pipeline.waiting

    def export(
        self, signal: SignalName, encoding: Encoding, body: bytes, source: Source
    ) -> Outcome:
        """Apply one request.

        Raises: DecodeError where `body` is not the message; nothing is counted then.
        """
        if signal == "metrics":
            parse(wire.Request, body) if encoding == "protobuf" else load_json(body)
            self._own.metrics_request(source)
            return Outcome()
        started_s = time.perf_counter()
        reader = self._reader
        batch = _DECODERS[signal, encoding](body, self._keys)
        reasons = list(batch.rejected)
        _date(batch.logs, self._wall_clock_ns())
        spans = _readings(batch.spans, reader.span, reasons)
        logs = _readings(batch.logs, reader.log, reasons)
        with self._lock:
            self._apply(spans, logs, source)
            self._own.discarded("invalid", len(reasons))
            self._own.ingest_duration(source, time.perf_counter() - started_s)
        return Outcome(len(reasons), _message(reasons))

    def refused(self, source: Source, reason: RefusalReason) -> None:
        """Count a request that was answered with an error."""
        self._own.rejected(source, reason)

    def settle(self) -> None:
        """Count what has waited long enough."""
        with self._lock:
            self._pipeline.settle(self._clock())
            self._count()

    def settle_all(self) -> None:
        """Count everything that waits."""
        with self._lock:
            self._pipeline.settle_all()
            self._count()

    def replace(self, context: Context, pricing: Pricing, limits: Limits) -> None:
        """Go on with another configuration.

        What waits was read under the old one and is counted under it first.
        """
        with self._lock:
            self.settle_all()
            self._reader = Reader(context)
            self._keys = _key_filter(context)
            self._pricing = pricing
            self._pipeline.limits = limits

    def refresh_gauges(self) -> None:
        """Show how full the memories are."""
        with self._lock:
            pipeline = self._pipeline
            self._own.pending_calls(pipeline.waiting)
            self._own.table_entries("spans", pipeline.remembered_spans)
            self._own.table_evicted("traces", pipeline.evicted_traces - self._evicted)
            self._evicted = pipeline.evicted_traces

    def _apply(self, spans: list[Reading], logs: list[Reading], source: Source) -> None:
        now_s = self._clock()
        for reading in (*spans, *logs):
            self._pipeline.add(reading, now_s)
        for dialect, n in Counter(r.dialect for r in spans).items():
            self._own.spans_received(source, dialect, n)
        for dialect, n in Counter(r.dialect for r in logs).items():
            self._own.log_records_received(source, dialect, n)
        self.records += len(spans) + len(logs)
        self._show_lag((*spans, *logs))
        self._pipeline.settle(now_s)
        self._count()

    def _show_lag(self, readings: Iterable[Reading]) -> None:
        now_ns, late = self._wall_clock_ns(), 0
        for reading in readings:
            for record in reading.records:
                if isinstance(record, LlmCall | Step):
                    lag_s = (now_ns - record.end_ns) / 1e9
                    self._own.ingest_lag(lag_s)
                    late += lag_s > self.lateness_s
        if late:
            self._own.late_records(late)

    def _count(self) -> None:
        output = self._pipeline.drain()
        for record in output.records:
            if isinstance(record, LlmCall):
                self._recorder.call(self._pricing.price(record))
            elif isinstance(record, Step):
                self._recorder.step(record)
            elif isinstance(record, Verdict):
                self._recorder.verdict(self._named(record))
            else:
                self._recorder.feedback(self._named(record))
        for reason, (n, tokens) in output.discarded.items():
            self._own.discarded(reason, n, tokens)

    def _named(self, judged: _J) -> _J:
        """The record with its model's canonical name."""
        if not judged.model:
            return judged
        return replace(judged, model=self._pricing.resolved("", judged.model, "", "").model)


def _key_filter(context: Context) -> KeyFilter:
    """Only what the dialects and dimensions read is decoded."""
    return KeyFilter(wanted_keys(context.dimensions), INDEXED_KEYS)


def _readings(
    records: Iterable[_R],
    read: Callable[[_R], Reading],
    reasons: list[str],
) -> list[Reading]:
    """What each record says; why not, for those that are rejected, goes to `reasons`."""
    found: list[Reading] = []
    for record in records:
        try:
            found.append(read(record))
        except RejectedRecord as rejected:
            reasons.append(rejected.reason)
    return found


def _date(logs: list[RawLog], now_ns: int) -> None:
    """Give log records without any time the time of their arrival."""
    for log in logs:
        log.time_ns = log.time_ns or now_ns


def _message(reasons: list[str]) -> str:
    """Why records were left out, for the sender's developers; empty when none were."""
    commonest = Counter(reasons).most_common(_MAX_REASONS)
    return "; ".join(f"{n} x {reason}" if n > 1 else reason for reason, n in commonest)
