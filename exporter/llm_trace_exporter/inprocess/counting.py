"""What waits for its turn, and the thread that counts it: whatever goes wrong here ends here."""

from __future__ import annotations

import logging
import os
import threading
import weakref
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final

from opentelemetry.sdk.trace import ReadableSpan

from ..config import Settings
from ..consumer import RejectionReason, Source
from ..content import filters
from ..engine.engine import Engine
from ..engine.wiring import context, in_memory
from ..errors import RejectedRecord
from ..otlp.records import RawLog, RawSpan
from .multiprocess import Mirror, is_multiprocess
from .records import Reader, SdkLog

_logger = logging.getLogger(__name__)

SOURCE: Final[Source] = "in_process"
TICK_S = 0.5
"""How often the thread takes what waits; sooner where half of the queue is full."""
BATCH = 128
"""Records counted at once: an application that has something to do gets its turn in between."""

Ended = ReadableSpan | SdkLog


class Counting:
    """Counts the records of one process; each child that is forked starts with nothing.

    `put` is called on threads of the application: it appends to a queue, and never waits, reads or
    raises. What is read, counted and settled is so on a thread of its own, which starts with the
    first record, so that a process that only forks others has none.
    """

    def __init__(self, settings: Settings, max_queue: int) -> None:
        """Nothing is counted yet.

        Args:
            settings: The configuration; its state file is not used.
            max_queue: Records that may wait to be read; what comes after is dropped and counted.

        Raises: ConfigError where the configuration cannot be used.
        """
        self._settings = in_memory(settings)
        self._max_queue = max_queue
        self._begin()
        self._of_process()
        # A registered function stays for good; what it is there for need not.
        found = weakref.ref(self)
        os.register_at_fork(
            before=lambda: _of(found, Counting._hold_files),
            after_in_parent=lambda: _of(found, Counting._let_go_of_files),
            after_in_child=lambda: _of(found, Counting._begin),
        )

    def _begin(self) -> None:
        """Forget everything, as a child does: what its parent has, its parent counts.

        Whatever its parent held, locks that were held at that moment among it, is not used again.
        """
        self._queue: deque[Ended] = deque()
        self._dropped = 0
        self._has_ended = False
        self._wake = threading.Event()
        # What interrupts a thread of the application, a signal's handler, may end a span, too.
        self._starting, self._turn = threading.RLock(), threading.RLock()
        self._files = threading.RLock()
        self._thread: threading.Thread | None = None
        self._rooms: _Rooms | None = None

    # prometheus_client has one lock for the files that workers share: a child that is forked while
    # it is held could never count anything of its own again.
    def _hold_files(self) -> None:
        self._files.acquire()

    def _let_go_of_files(self) -> None:
        self._files.release()

    @property
    def engine(self) -> Engine:
        """What has counted in this process."""
        return self._of_process().engine

    def _of_process(self) -> _Rooms:
        with self._starting:
            if self._rooms is None:
                self._rooms = _rooms(self._settings)
            return self._rooms

    def refresh(self) -> None:
        """Bring the gauges, and what was dropped, up to date."""
        dropped, self._dropped = self._dropped, 0
        if dropped:
            self._reject("overloaded", dropped)
        self.engine.refresh()

    def put(self, ended: Ended) -> None:
        """Let a record wait to be counted."""
        waiting = len(self._queue)
        if waiting >= self._max_queue or self._has_ended:
            # Two threads at once may count one: a lock would cost every record more than that.
            self._dropped += 1
            return
        self._queue.append(ended)
        if self._thread is None:
            self._start()
        elif waiting == self._max_queue // 2:
            self._wake.set()

    def flush(self, timeout_s: float) -> bool:
        """Count what waits, also for other reporting spans; False where there was no time."""
        return self._in_turn(timeout_s, lambda: self._settle(ends_traces=False))

    def end(self, timeout_s: float) -> bool:
        """Count what waits, whole traces as far as they came, and take nothing more."""
        self._has_ended = True
        self._wake.set()
        return self._in_turn(timeout_s, self._finish)

    def _in_turn(self, timeout_s: float, work: Callable[[], None]) -> bool:
        if not self._turn.acquire(timeout=timeout_s):
            return False
        try:
            self._run(self._count_waiting)
            self._run(work)
        finally:
            self._turn.release()
        return True

    def _settle(self, *, ends_traces: bool) -> None:
        self.engine.ingester.settle_all(ends_traces=ends_traces)
        self._show()

    def _finish(self) -> None:
        self._settle(ends_traces=True)
        if is_multiprocess():
            # Nobody will see these series rise later: they are shown as they are.
            self.engine.apply(replace(self._settings, zero_hold_s=0.0))
            self._show()

    def _start(self) -> None:
        with self._starting:
            if self._thread is None:
                thread = threading.Thread(target=self._work, name="llm-metrics", daemon=True)
                thread.start()
                self._thread = thread

    def _work(self) -> None:
        while not self._has_ended:
            self._wake.wait(TICK_S)
            self._wake.clear()
            with self._turn:
                for work in (
                    self._count_waiting,
                    self.engine.ingester.settle,
                    self.engine.store.expire,
                    self.engine.clock_watch.look,
                    self._show,
                ):
                    self._run(work)

    def _show(self) -> None:
        mirror = self._of_process().mirror
        if mirror is not None:
            self.refresh()
            with self._files:
                mirror.write()

    def _run(self, work: Callable[[], object]) -> None:
        self.engine.background.run("settle", work)

    def _count_waiting(self) -> None:
        # As many as there are now: a flood must not keep the thread from settling.
        left = len(self._queue)
        while left > 0:
            batch = [self._queue.popleft() for _ in range(min(left, BATCH))]
            left -= len(batch)
            spans, logs = self._read(batch)
            try:
                self._ingest(spans, logs)
            except Exception:  # noqa: BLE001 - one that cannot be read takes no other along
                self._one_by_one(spans, logs)

    def _read(self, batch: Sequence[Ended]) -> tuple[list[RawSpan], list[RawLog]]:
        reader = self._of_process().reader
        spans: list[RawSpan] = []
        logs: list[RawLog] = []
        for ended in batch:
            try:
                if isinstance(ended, ReadableSpan):
                    spans.append(reader.span(ended))
                else:
                    logs.append(reader.log(ended))
            except RejectedRecord:
                self.engine.metrics.discarded("invalid")
            except Exception as error:  # noqa: BLE001 - as above
                self._failed(error)
        return spans, logs

    def _ingest(self, spans: Sequence[RawSpan], logs: Sequence[RawLog]) -> None:
        if spans or logs:
            self.engine.ingester.ingest_records(spans, logs, SOURCE)

    def _one_by_one(self, spans: Sequence[RawSpan], logs: Sequence[RawLog]) -> None:
        for span in spans:
            self._try(lambda span=span: self._ingest([span], []))  # type: ignore[misc]
        for log in logs:
            self._try(lambda log=log: self._ingest([], [log]))  # type: ignore[misc]

    def _try(self, work: Callable[[], None]) -> None:
        try:
            work()
        except Exception as error:  # noqa: BLE001 - as above
            self._failed(error)

    def _failed(self, error: Exception) -> None:
        self._reject("internal")
        # Only its kind: a text could quote what was said.
        _logger.debug("a record is not counted: %s", type(error).__name__)

    def _reject(self, reason: RejectionReason, n: int = 1) -> None:
        self.engine.metrics.rejected(SOURCE, reason, n)


@dataclass(frozen=True, slots=True)
class _Rooms:
    engine: Engine
    reader: Reader
    mirror: Mirror | None


def _rooms(settings: Settings) -> _Rooms:
    engine = Engine(settings)
    reader = Reader(*filters(context(settings), with_texts=False))
    return _Rooms(engine, reader, Mirror(engine.store) if is_multiprocess() else None)


def _of(found: weakref.ref[Counting], work: Callable[[Counting], None]) -> None:
    counting = found()
    if counting is not None:
        work(counting)
