"""From readings to listeners: who told what is held until its call settles, then handed out.

Listeners run on a thread of their own behind a bounded queue: ingestion never waits for them.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from time import monotonic, sleep

from ..dialects import Taker, Texts, exchange_of, texts_from
from ..errors import DecodeError
from ..exchange import Exchange
from ..model import LlmCall, PricedCall, Reading, Step
from ..operations import WORDLESS
from ..otlp.decode import texts_of
from ..otlp.raw import RawLog, RawSpan
from ..pipeline import Memory
from .hold import Hold, Teller
from .wanted import text_filter

_POLL_S = 0.01

Heard = tuple[Reading, Texts]
"""What one record said, and its texts."""


@dataclass(frozen=True, slots=True)
class Listener:
    """Someone who wants to know what was said in settled calls."""

    hears: Callable[[PricedCall, Exchange], None]
    """Called on the listeners' thread, one call at a time."""
    picks: Callable[[PricedCall], bool] = lambda _: True
    """Whether a settled call is wanted: called while others wait, so it must be quick."""
    wants: Callable[[LlmCall], bool] = lambda _: True
    """Whether a call could be picked once it is settled, as one of its tellers tells it. Texts of
    calls that nobody could pick are not even decoded."""
    wants_trace: Callable[[bytes], bool] = lambda _: True
    """Whether calls of a trace could be picked: what was retrieved for them is kept then."""


@dataclass(frozen=True, slots=True)
class _Waiting:
    call: PricedCall
    tellers: list[Texts]
    retrievals: list[Texts]
    listeners: list[Listener]

    @property
    def chars(self) -> int:
        """How much text it is."""
        return sum(texts.chars for texts in (*self.tellers, *self.retrievals))


class Hearing:
    """What `Intake` needs to let others listen.

    `hold` and `settled` are called under the caller's lock, everything else without it.
    """

    def __init__(
        self,
        listeners: Sequence[Listener],
        hold: Hold,
        *,
        max_chars: int,
        failed: Callable[[Exception], None],
    ) -> None:
        """Start listening.

        Args:
            listeners: Who listens.
            hold: Where texts wait; its bounds are also those of what waits for the listeners.
            max_chars: Where each text is cut.
            failed: Told what a listener raised; nobody else hears less for it.
        """
        self.memory = hold
        self.passed_over = 0
        """Calls that came too fast for the listeners."""
        self._listeners = tuple(listeners)
        self._max_chars = max_chars
        self._failed = failed
        self._keep = text_filter()
        self._queue: queue.Queue[_Waiting | None] = queue.Queue(hold.limits.max_entries)
        self._closing = False
        self._counting = threading.Lock()
        self._queued_chars = 0
        self._thread = threading.Thread(target=self._work, name="listeners", daemon=True)
        self._thread.start()

    @property
    def filled(self) -> Memory:
        """How many records' texts are held; evicted are also calls that nobody had time for."""
        memory = self.memory
        return Memory(len(memory), memory.limits.max_entries, memory.evicted + self.passed_over)

    def hearing_spans(self, heard: list[Heard]) -> Callable[[RawSpan, Reading], None]:
        """What takes the spans of one request: texts that could be wanted go to `heard`."""
        trace_id = b""
        wanting: Sequence[Listener] = self._listeners

        def hear(span: RawSpan, reading: Reading) -> None:
            try:
                take(span, reading)
            except DecodeError:
                return
            except Exception as error:  # noqa: BLE001 - the call counts, whoever cannot hear of it
                self._failed(error)

        def take(span: RawSpan, reading: Reading) -> None:
            nonlocal trace_id, wanting
            # Spans of a trace come together: what follows from the trace is asked once.
            if reading.trace_id != trace_id:
                trace_id = reading.trace_id
                wanting = [one for one in self._listeners if one.wants_trace(trace_id)]
            if wanting and span.wire and _wants(wanting, reading):
                texts = texts_from(*texts_of(span, self._keep), span.end_ns)
                if texts is not None:
                    heard.append((reading, texts))

        return hear

    def reading_logs(
        self, read: Callable[[RawLog], Reading], taker: Taker, heard: list[Heard]
    ) -> Callable[[RawLog], Reading]:
        """`read`, without the texts, which go to `heard`."""

        def read_and_take(log: RawLog) -> Reading:
            texts = taker.take(log)
            reading = read(log)
            if texts is not None and reading.span_id:
                heard.append((reading, texts))
            return reading

        return read_and_take

    def hold(self, heard: Iterable[Heard], now_s: float) -> None:
        """Keep what calls and retrievals wrote until their call settles."""
        memory = self.memory
        memory.expire(now_s)
        for reading, texts in heard:
            if _is_call(reading) or (reading.signal == "log" and texts.events):
                memory.put_call((reading.trace_id, reading.span_id), texts, now_s)
            elif _is_retrieval(reading):
                memory.put_retrieval(reading.trace_id, texts, now_s)

    def settled(self, priced: PricedCall, tellers: Iterable[Teller]) -> None:
        """Hand out what was said in a call, where it is known and wanted."""
        try:
            self._hand_out(priced, tellers)
        except Exception as error:  # noqa: BLE001 - the call counts, whoever cannot hear of it
            self._failed(error)

    def _hand_out(self, priced: PricedCall, tellers: Iterable[Teller]) -> None:
        call = priced.call
        if call.error_type or call.purpose == "judge" or call.operation in WORDLESS:
            return
        listeners = [listener for listener in self._listeners if listener.picks(priced)]
        texts = self.memory.take(tellers)
        if not texts or not listeners:
            return
        retrievals = self.memory.retrieved(call.origin.trace_id, call.start_ns)
        waiting = _Waiting(priced, texts, retrievals, listeners)
        with self._counting:
            chars = self._queued_chars + waiting.chars
            if chars > self.memory.limits.max_bytes or self._queue.full():
                self.passed_over += 1
                return
            self._queued_chars = chars
        self._queue.put_nowait(waiting)

    def flush(self, timeout_s: float) -> bool:
        """Wait until the listeners have heard everything; whether they did in time."""
        deadline_s = monotonic() + timeout_s
        while self._queue.unfinished_tasks and monotonic() < deadline_s:
            sleep(_POLL_S)
        return not self._queue.unfinished_tasks

    def close(self, timeout_s: float) -> None:
        """Let the listeners hear the rest, as far as there is time, and end."""
        self.flush(timeout_s)
        self._closing = True
        with suppress(queue.Full):  # a full queue is seen to end as well
            self._queue.put_nowait(None)
        self._thread.join(timeout_s)

    def _work(self) -> None:
        while (waiting := self._next()) is not None:
            try:
                if not self._closing:
                    self._tell(waiting)
            finally:
                with self._counting:
                    self._queued_chars -= waiting.chars
                self._queue.task_done()

    def _next(self) -> _Waiting | None:
        try:
            return self._queue.get(block=not self._closing)
        except queue.Empty:
            return None

    def _tell(self, waiting: _Waiting) -> None:
        exchange: Exchange | None = None
        for listener in waiting.listeners:
            try:
                if exchange is None:
                    exchange = exchange_of(waiting.tellers, waiting.retrievals, self._max_chars)
                listener.hears(waiting.call, exchange)
            except Exception as error:  # noqa: BLE001 - one fault must not deafen all
                self._failed(error)


def _wants(wanting: Iterable[Listener], reading: Reading) -> bool:
    """Whether what a call or step says may be looked at by any of those who want its trace."""
    record = reading.records[0]
    if isinstance(record, LlmCall):
        if record.operation in WORDLESS or record.error_type:
            return False
        return any(listener.wants(record) for listener in wanting)
    return isinstance(record, Step) and record.kind == "retrieval"


def _is_call(reading: Reading) -> bool:
    return any(isinstance(r, LlmCall) and r.operation not in WORDLESS for r in reading.records)


def _is_retrieval(reading: Reading) -> bool:
    return any(isinstance(r, Step) and r.kind == "retrieval" for r in reading.records)
