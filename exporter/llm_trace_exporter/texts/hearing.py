"""From readings to listeners: who told what is held until its call settles, then handed out.

Listeners run on a thread of their own behind a bounded queue: ingestion never waits for them.
"""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from time import monotonic, sleep
from typing import TypeVar

from ..dialects import Taker, Texts, exchange_of
from ..exchange import Exchange
from ..model import LlmCall, PricedCall, Reading, Step
from ..otlp.raw import RawLog, RawSpan
from .hold import Hold, Teller

_logger = logging.getLogger(__name__)

QUEUE = 1_000
"""Calls that wait for the listeners; past it new ones are passed over."""
_POLL_S = 0.01

WORDLESS = frozenset({"embeddings", "rerank", "moderation", "image", "audio"})
"""Operations without a question and an answer in words."""

_R = TypeVar("_R", RawSpan, RawLog)
Heard = tuple[Reading, Texts]
"""What one record said, and its texts."""


@dataclass(frozen=True, slots=True)
class Listener:
    """Someone who wants to know what was said in settled calls."""

    hears: Callable[[PricedCall, Exchange], None]
    """Called on the listeners' thread, one call at a time."""
    picks: Callable[[PricedCall], bool] = lambda _: True
    """Whether a call is wanted (sampling): called while others wait, so it must be quick. Texts of
    calls that nobody picks are never looked into."""


@dataclass(frozen=True, slots=True)
class _Waiting:
    call: PricedCall
    tellers: list[Texts]
    retrievals: list[Texts]
    listeners: list[Listener]


class Hearing:
    """What `Intake` needs to let others listen.

    `hold` and `settled` are called under the caller's lock, everything else without it.
    """

    def __init__(
        self, listeners: Sequence[Listener], hold: Hold, *, max_chars: int, capacity: int = QUEUE
    ) -> None:
        """Start listening.

        Args:
            listeners: Who listens.
            hold: Where texts wait.
            max_chars: Where each text is cut.
            capacity: Calls that may wait for the listeners.
        """
        self.memory = hold
        self.passed_over = 0
        """Calls that came too fast for the listeners."""
        self._listeners = tuple(listeners)
        self._max_chars = max_chars
        self._queue: queue.Queue[_Waiting | None] = queue.Queue(capacity)
        self._thread = threading.Thread(target=self._work, name="listeners", daemon=True)
        self._thread.start()

    def reading(
        self, read: Callable[[_R], Reading], taker: Taker, heard: list[Heard]
    ) -> Callable[[_R], Reading]:
        """`read`, and the texts of what it read go to `heard`."""

        def read_and_take(record: _R) -> Reading:
            texts = taker.take(record)
            reading = read(record)
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
        call = priced.call
        texts = self.memory.take(tellers)
        if not texts or call.error_type or call.purpose == "judge":
            return
        listeners = [listener for listener in self._listeners if listener.picks(priced)]
        if not listeners:
            return
        retrievals = self.memory.retrieved(call.origin.trace_id, call.start_ns)
        try:
            self._queue.put_nowait(_Waiting(priced, texts, retrievals, listeners))
        except queue.Full:
            self.passed_over += 1

    def flush(self, timeout_s: float) -> bool:
        """Wait until the listeners have heard everything; whether they did in time."""
        deadline_s = monotonic() + timeout_s
        while self._queue.unfinished_tasks and monotonic() < deadline_s:
            sleep(_POLL_S)
        return not self._queue.unfinished_tasks

    def close(self, timeout_s: float) -> None:
        """Let the listeners hear the rest, as far as there is time, and end."""
        self.flush(timeout_s)
        while self._thread.is_alive():
            try:
                self._queue.put_nowait(None)
            except queue.Full:
                _forget_one(self._queue)
                continue
            self._thread.join(timeout_s)
            return

    def _work(self) -> None:
        while (waiting := self._queue.get()) is not None:
            try:
                self._tell(waiting)
            finally:
                self._queue.task_done()
        self._queue.task_done()

    def _tell(self, waiting: _Waiting) -> None:
        exchange: Exchange | None = None
        for listener in waiting.listeners:
            try:
                if exchange is None:
                    exchange = exchange_of(waiting.tellers, waiting.retrievals, self._max_chars)
                listener.hears(waiting.call, exchange)
            except Exception as error:  # noqa: BLE001 - one fault must not deafen all
                # Its message could quote what was said.
                _logger.error("a listener failed: %s", type(error).__name__)  # noqa: TRY400


def _is_call(reading: Reading) -> bool:
    return any(isinstance(r, LlmCall) and r.operation not in WORDLESS for r in reading.records)


def _is_retrieval(reading: Reading) -> bool:
    return any(isinstance(r, Step) and r.kind == "retrieval" for r in reading.records)


def _forget_one(waiting: queue.Queue[_Waiting | None]) -> None:
    try:
        waiting.get_nowait()
    except queue.Empty:
        return
    waiting.task_done()
