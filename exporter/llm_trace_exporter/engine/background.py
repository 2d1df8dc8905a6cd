"""Work in the background: what fails is counted, logged now and then, and tried again."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable

from ..errors import Overloaded
from ..model import Task

_logger = logging.getLogger(__name__)

TICK_S = 0.5
"""How often the ticker's tasks have their turn."""
LOG_EVERY_S = 60.0
"""How often one task's trouble is logged; what is left out is counted in the next line."""


class Background:
    """Keeps one task's failures from the others; safe to call from several threads."""

    def __init__(
        self,
        count: Callable[[Task, int], None] = lambda _task, _n: None,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Nothing has failed yet.

        Args:
            count: Takes a task and how often it failed.
            clock: Monotonic seconds.
        """
        self._count = count
        self._clock = clock
        self._lock = threading.Lock()
        self._next_s: dict[tuple[Task, int], float] = {}
        self._left_out: dict[tuple[Task, int], int] = {}

    def run(self, task: Task, work: Callable[[], object]) -> None:
        """Do a part of a task's work; whatever it raises ends here.

        A disk that takes nothing is no failure of the task: it is counted where it was met.
        """
        try:
            work()
        except Overloaded as error:
            self._log(logging.WARNING, task, f"{task} has to wait: {error}")
        except Exception as error:  # noqa: BLE001 - the other tasks go on, and this one later
            self.failed(task, error, shows_trace=True)

    def failed(
        self, task: Task, error: Exception | str, n: int = 1, *, shows_trace: bool = False
    ) -> None:
        """Count failures that a task has survived.

        Args:
            task: Whose.
            error: Why. Of an exception only the kind is logged: its text could quote what was said.
            n: How many.
            shows_trace: Whether the log may show all of the exception.
        """
        self._count(task, n)
        why = error if isinstance(error, str) else type(error).__name__
        trace = error if shows_trace and isinstance(error, Exception) else None
        self._log(logging.ERROR, task, f"{task} failed: {why}", trace)

    def _log(self, level: int, task: Task, text: str, trace: Exception | None = None) -> None:
        kind = (task, level)
        with self._lock:
            now_s = self._clock()
            if now_s < self._next_s.get(kind, now_s):
                self._left_out[kind] = self._left_out.get(kind, 0) + 1
                return
            self._next_s[kind] = now_s + LOG_EVERY_S
            left_out = self._left_out.pop(kind, 0)
        more = f" (and {left_out} times since this was last logged)" if left_out else ""
        _logger.log(level, "%s%s", text, more, exc_info=trace)


class Ticker:
    """A thread that gives each of its tasks a turn twice a second."""

    def __init__(
        self, background: Background, tasks: Iterable[tuple[Task, Callable[[], object]]]
    ) -> None:
        """Nothing is done before `start`.

        Args:
            background: Keeps what fails from the other tasks.
            tasks: What each is counted as, and what it does.
        """
        self._background = background
        self._tasks = tuple(tasks)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="ticker", daemon=True)

    def start(self) -> None:
        """Begin with the first tick."""
        self._thread.start()

    def stop(self) -> None:
        """End, waiting a little for the turn under way."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(TICK_S * 4)

    def _run(self) -> None:
        while not self._stop.wait(TICK_S):
            for task, work in self._tasks:
                self._background.run(task, work)
