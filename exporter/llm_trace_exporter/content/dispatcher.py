"""From parsed records to content consumers: texts wait until their call settles, then go out.

Consumers run on a thread of their own behind a bounded queue: ingestion never waits for them.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from time import monotonic, sleep

from ..correlation import Memory
from ..errors import DecodeError
from ..model import LlmCall, ParsedRecord, Step
from ..operations import WORDLESS
from ..otlp.decode import content_of
from ..otlp.records import RawLog, RawSpan
from ..settled import PricedCall
from .attribute_filter import text_filter
from .buffer import ContentBuffer, Reporter
from .extract import ContentExtractor, RawContent, extract_content, raw_content_from
from .record import CallContent

_POLL_S = 0.01

Captured = tuple[ParsedRecord, RawContent]
"""What one record said, and its texts."""


@dataclass(frozen=True, slots=True)
class ContentConsumer:
    """Someone who wants to know what was said in settled calls."""

    consume: Callable[[PricedCall, CallContent], None]
    """Called on the consumers' thread, one call at a time."""
    selects: Callable[[PricedCall], bool] = lambda _: True
    """Whether a settled call is wanted: called while others wait, so it must be quick."""
    may_select: Callable[[LlmCall], bool] = lambda _: True
    """Whether a call could be picked once it is settled, as one of its reporters tells it. Texts of
    calls that nobody could pick are not even decoded."""
    may_select_trace: Callable[[bytes], bool] = lambda _: True
    """Whether calls of a trace could be picked: what was retrieved for them is kept then."""


@dataclass(frozen=True, slots=True)
class _Waiting:
    call: PricedCall
    reporters: list[RawContent]
    retrievals: list[RawContent]
    consumers: list[ContentConsumer]

    @property
    def chars(self) -> int:
        """How much text it is."""
        return sum(texts.chars for texts in (*self.reporters, *self.retrievals))


class ContentDispatcher:
    """What `Ingester` needs to let others listen.

    `hold` and `settled` are called under the caller's lock, everything else without it.
    """

    def __init__(
        self,
        consumers: Sequence[ContentConsumer],
        hold: ContentBuffer,
        *,
        max_chars: int,
        failed: Callable[[Exception], None],
    ) -> None:
        """Start the thread.

        Args:
            consumers: Who gets what was said.
            hold: Where texts wait; its bounds are also those of what waits for the consumers.
            max_chars: Where each text is cut.
            failed: Called with what a consumer raised; nobody else gets less for it.
        """
        self.buffer = hold
        self.passed_over = 0
        """Calls that came too fast for the consumers."""
        self._consumers = tuple(consumers)
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
    def usage(self) -> Memory:
        """How many records' texts are held; evicted are also calls that nobody had time for."""
        memory = self.buffer
        return Memory(len(memory), memory.limits.max_entries, memory.evicted + self.passed_over)

    def capture_spans(self, captured: list[Captured]) -> Callable[[RawSpan, ParsedRecord], None]:
        """What takes the spans of one request: texts that could be wanted go to `captured`."""
        trace_id = b""
        wanting: Sequence[ContentConsumer] = self._consumers

        def capture(span: RawSpan, reading: ParsedRecord) -> None:
            try:
                take(span, reading)
            except DecodeError:
                return
            except Exception as error:  # noqa: BLE001 - the call counts, whoever cannot hear of it
                self._failed(error)

        def take(span: RawSpan, reading: ParsedRecord) -> None:
            nonlocal trace_id, wanting
            # Spans of a trace come together: what follows from the trace is asked once.
            if reading.trace_id != trace_id:
                trace_id = reading.trace_id
                wanting = [one for one in self._consumers if one.may_select_trace(trace_id)]
            if wanting and span.wire and _wants(wanting, reading):
                texts = raw_content_from(*content_of(span, self._keep), span.ended_ns)
                if texts is not None:
                    captured.append((reading, texts))

        return capture

    def capture_logs(
        self,
        read: Callable[[RawLog], ParsedRecord],
        extractor: ContentExtractor,
        captured: list[Captured],
    ) -> Callable[[RawLog], ParsedRecord]:
        """`read`, without the texts, which go to `captured`."""

        def read_and_take(log: RawLog) -> ParsedRecord:
            texts = extractor.extract(log)
            reading = read(log)
            if texts is not None and reading.span_id:
                captured.append((reading, texts))
            return reading

        return read_and_take

    def put(self, captured: Iterable[Captured], now_s: float) -> None:
        """Keep what calls and retrievals wrote until their call settles."""
        memory = self.buffer
        memory.expire(now_s)
        for reading, texts in captured:
            if _is_call(reading) or (reading.signal == "log" and texts.events):
                memory.put_call((reading.trace_id, reading.span_id), texts, now_s)
            elif _is_retrieval(reading):
                memory.put_retrieval(reading.trace_id, texts, now_s)

    def dispatch(self, priced: PricedCall, reporters: Iterable[Reporter]) -> None:
        """Hand out what was said in a call, where it is known and wanted."""
        try:
            self._hand_out(priced, reporters)
        except Exception as error:  # noqa: BLE001 - the call counts, whoever cannot hear of it
            self._failed(error)

    def _hand_out(self, priced: PricedCall, reporters: Iterable[Reporter]) -> None:
        call = priced.call
        if call.error_type or call.purpose == "judge" or call.operation in WORDLESS:
            return
        consumers = [consumer for consumer in self._consumers if consumer.selects(priced)]
        texts = self.buffer.pop(reporters)
        if not texts or not consumers:
            return
        retrievals = self.buffer.retrieved(call.origin.trace_id, call.start_ns)
        waiting = _Waiting(priced, texts, retrievals, consumers)
        with self._counting:
            chars = self._queued_chars + waiting.chars
            if chars > self.buffer.limits.max_bytes or self._queue.full():
                self.passed_over += 1
                return
            self._queued_chars = chars
        self._queue.put_nowait(waiting)

    def flush(self, timeout_s: float) -> bool:
        """Wait until the consumers have had everything; whether they did in time."""
        deadline_s = monotonic() + timeout_s
        while self._queue.unfinished_tasks and monotonic() < deadline_s:
            sleep(_POLL_S)
        return not self._queue.unfinished_tasks

    def close(self, timeout_s: float) -> None:
        """Give the consumers the rest, as far as there is time, and end."""
        self.flush(timeout_s)
        self._closing = True
        with suppress(queue.Full):  # a full queue is seen to end as well
            self._queue.put_nowait(None)
        self._thread.join(timeout_s)

    def _work(self) -> None:
        while (waiting := self._next()) is not None:
            try:
                if not self._closing:
                    self._deliver(waiting)
            finally:
                with self._counting:
                    self._queued_chars -= waiting.chars
                self._queue.task_done()

    def _next(self) -> _Waiting | None:
        try:
            return self._queue.get(block=not self._closing)
        except queue.Empty:
            return None

    def _deliver(self, waiting: _Waiting) -> None:
        content: CallContent | None = None
        for consumer in waiting.consumers:
            try:
                if content is None:
                    content = extract_content(
                        waiting.reporters, waiting.retrievals, self._max_chars
                    )
                consumer.consume(waiting.call, content)
            except Exception as error:  # noqa: BLE001 - one fault must not deafen all
                self._failed(error)


def _wants(wanting: Iterable[ContentConsumer], reading: ParsedRecord) -> bool:
    """Whether what a call or step says may be looked at by any of those who want its trace."""
    record = reading.records[0]
    if isinstance(record, LlmCall):
        if record.operation in WORDLESS or record.error_type:
            return False
        return any(consumer.may_select(record) for consumer in wanting)
    return isinstance(record, Step) and record.kind == "retrieval"


def _is_call(reading: ParsedRecord) -> bool:
    return any(isinstance(r, LlmCall) and r.operation not in WORDLESS for r in reading.records)


def _is_retrieval(reading: ParsedRecord) -> bool:
    return any(isinstance(r, Step) and r.kind == "retrieval" for r in reading.records)
