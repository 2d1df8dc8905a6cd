"""A thread that reads one source: young subjects often, all of the look-back now and then.

Whatever goes wrong, nothing is left out: a window that was not read to its end is read again, and
what was counted of it is known.
"""

from __future__ import annotations

import logging
import random
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from traceback import extract_tb
from typing import Protocol

from msgspec.structs import replace as replace_progress

from ..consumer import PageConsumer, Tenant
from ..dialects import Context
from ..errors import Overloaded
from ..pulled import Progress, PulledPage
from .errors import Busy, Refused, SourceError, TooLarge
from .reading import Case, Reader
from .system import Ask, Page, System, Walk

_logger = logging.getLogger(__name__)

YOUNG_S = 3_600.0
"""What is younger is looked at every time: most judges are done within minutes."""
SLOW_EVERY = 15
"""How many polls there are to one of the whole look-back."""
MAX_WAIT_S = 300.0
MAX_RETRY_AFTER_S = 3_600.0
FAILURES_UNTIL_DOWN = 3
_SECOND = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Options:
    """How one source is read."""

    name: str
    projects: tuple[str, ...]
    with_calls: bool = False
    interval_s: float = 60.0
    lookback_s: float = 86_400.0
    start_at_s: float = 0.0
    """Results that are older at the first start count up to this age."""
    labels: tuple[tuple[str, str], ...] = ()
    """(label, value) that all its records have."""
    service: str = ""
    timezone: str = "UTC"
    """Of times in the store that have none."""


class Report(Protocol):
    """Is told how a source is doing; all of it may come from several threads."""

    def requested(self, source: str, status: str) -> None:
        """A request has ended."""
        ...

    def split(self, source: str) -> None:
        """A request is asked again in smaller parts."""
        ...

    def unread(self, source: str, n: int) -> None:
        """Rows are not what the system writes."""
        ...

    def up(self, source: str, is_up: bool) -> None:
        """Whether it can be read."""
        ...

    def succeeded(self, source: str, unix_s: float, lag_s: float | None) -> None:
        """It was read to the end; the age of its newest row."""
        ...

    def run(self, judge: str, suite: str, cases: Mapping[str, int], unix_s: float) -> None:
        """The last run of an offline suite: its cases by verdict."""
        ...


_Suite = tuple[str, str]
"""(judge, suite)."""


@dataclass(slots=True)
class _Runs:
    """Offline runs that a walk came upon: what became of the cases of each."""

    cases: dict[_Suite, dict[str, Counter[str]]] = field(default_factory=dict)
    newest_ns: dict[tuple[_Suite, str], int] = field(default_factory=dict)

    def add(self, case: Case) -> None:
        suite = (case.judge, case.suite)
        self.cases.setdefault(suite, {}).setdefault(case.run, Counter())[case.verdict] += 1
        newest_ns = self.newest_ns.get((suite, case.run), 0)
        self.newest_ns[suite, case.run] = max(case.time_ns, newest_ns)

    def last(self) -> Iterator[tuple[_Suite, Counter[str], int]]:
        """What became of the cases of each suite's last run, and when that was."""
        for suite, runs in self.cases.items():
            run = max(runs, key=lambda run: self.newest_ns[suite, run])
            yield suite, runs[run], self.newest_ns[suite, run]


class _Stopped(Exception):
    """The poller is to end."""


class Poller:
    """Reads one source; one thread calls."""

    def __init__(
        self,
        options: Options,
        system: System,
        fetch: Callable[[Ask], bytes],
        consumer: PageConsumer,
        report: Report,
        *,
        ended: Callable[[], None] = lambda: None,
        wall_clock_ns: Callable[[], int] = time.time_ns,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        """Nothing is asked yet.

        Args:
            options: How it is read.
            system: What it is.
            fetch: Asks the store.
            consumer: Counts.
            report: Is told how it goes.
            ended: Called when the thread has ended.
            wall_clock_ns: Unix nanoseconds.
            jitter: A random share of a waiting time, 0-1.
        """
        self.options = options
        self._system = system
        self._fetch = fetch
        self._consumer = consumer
        self._report = report
        self._ended = ended
        self._wall_clock_ns = wall_clock_ns
        self._jitter = jitter
        self._polls = 0
        self._failures = 0
        self._sizes: dict[str, tuple[int, int]] = {}
        """Step -> the most rows and ids that were answered."""
        self._stop = threading.Event()
        self._turn = threading.Lock()
        """Held while something is counted or said: nothing is, once it is to stop."""
        self._thread = threading.Thread(
            target=self._run, name=f"source-{options.name}", daemon=True
        )

    def start(self) -> None:
        """Begin at once."""
        self._thread.start()

    def stop(self, timeout_s: float = 5.0) -> None:
        """End after the page under way; one that is still asked for is not counted."""
        with self._turn:
            self._stop.set()
        if self._thread.is_alive():
            self._thread.join(timeout_s)

    def poll(self, *, is_slow: bool | None = None) -> float:
        """Read what there is; seconds until the next time.

        Args:
            is_slow: Whether all of the look-back is looked at; None: when its turn has come.
        """
        options = self.options
        is_slow = self._polls % SLOW_EVERY == 0 if is_slow is None else is_slow
        if is_slow:
            # What was too large once need not be for ever.
            self._sizes = {step: (2 * rows, 2 * ids) for step, (rows, ids) in self._sizes.items()}
        try:
            self._done(self._projects(is_slow))
        except Overloaded as error:
            return max(float(error.retry_after_s), 1.0)
        except _Stopped:
            return 0.0
        except SourceError as error:
            return self._failed(error)
        self._polls += 1
        self._failures = 0
        return options.interval_s

    def _done(self, newest_ns: int) -> None:
        now_s = self._wall_clock_ns() / _SECOND
        lag_s = max(0.0, now_s - newest_ns / _SECOND) if newest_ns else None
        with self._unless_stopped():
            self._report.up(self.options.name, True)
            self._report.succeeded(self.options.name, now_s, lag_s)

    @contextmanager
    def _unless_stopped(self) -> Iterator[None]:
        """Raises: _Stopped."""
        with self._turn:
            if self._stop.is_set():
                raise _Stopped
            yield

    def _projects(self, is_slow: bool) -> int:
        """Read all projects, also after one that cannot be read; when the newest row began."""
        newest_ns, failure = 0, None
        for project in self.options.projects:
            try:
                newest_ns = max(newest_ns, self._project(project, is_slow))
            except SourceError as error:
                failure = failure or error
        if failure is not None:
            raise failure
        return newest_ns

    def _run(self) -> None:
        wait_s = 0.0
        while not self._stop.wait(wait_s):
            try:
                wait_s = self.poll()
            except Exception as error:  # noqa: BLE001 - it ends neither this source nor others
                # What it says may be of a row, or of the credentials.
                at = extract_tb(error.__traceback__)[-1]
                where = f"{type(error).__name__} at {Path(at.filename).name}:{at.lineno}"
                wait_s = self._failed(SourceError(f"internal error: {where}"))
        self._ended()

    def _failed(self, error: SourceError) -> float:
        self._failures += 1
        is_refused = isinstance(error, Refused)
        try:
            with self._unless_stopped():
                if is_refused or self._failures >= FAILURES_UNTIL_DOWN:
                    self._report.up(self.options.name, False)
        except _Stopped:
            return 0.0
        if self._failures == 1 or self._failures % 60 == 0:
            _logger.warning("source %s cannot be read: %s", self.options.name, error)
        if isinstance(error, Busy) and error.retry_after_s:
            return min(error.retry_after_s, MAX_RETRY_AFTER_S) + self._jitter()
        backoff_s = min(MAX_WAIT_S, 2.0 ** min(self._failures, 10))
        return max(1.0, MAX_WAIT_S if is_refused else backoff_s * (0.5 + self._jitter() / 2))

    def _project(self, project: str, is_slow: bool) -> int:
        """Read one project; when its newest row began."""
        options, now_ns = self.options, self._wall_clock_ns()
        book = f"{options.name}/{project}"
        lookback_ns = int(options.lookback_s * _SECOND)
        progress = self._consumer.progress(book) or Progress(
            now_ns - int(options.start_at_s * _SECOND), now_ns - lookback_ns
        )
        # What was once out of sight may have been counted and forgotten.
        since_ns = max(progress.floor_ns, now_ns - lookback_ns)
        young_ns = since_ns if is_slow else max(since_ns, now_ns - int(YOUNG_S * _SECOND))
        walk = Walk(
            project,
            progress.begin_ns,
            young_ns,
            now_ns,
            options.with_calls,
            progress.cursor,
            options.timezone,
        )
        reader = Reader(options.name, book, self._system.name, options.service, walk)
        newest_ns, runs = 0, _Runs()
        for page in self._pages(walk):
            if page.cursor is not None:
                progress = replace_progress(progress, cursor=page.cursor)
            newest_ns = max(newest_ns, page.newest_ns)
            self._take(reader, page, progress, runs)
        if is_slow:
            progress = replace_progress(progress, floor_ns=since_ns)
            self._take(reader, Page(), progress, runs)
            for (judge, suite), cases, time_ns in runs.last():
                self._report.run(judge, suite, cases, time_ns / _SECOND)
        return newest_ns

    def _take(self, reader: Reader, page: Page, progress: Progress, runs: _Runs) -> None:
        cases: list[Case] = []

        def read(context: Context, now_ns: int) -> PulledPage:
            cases[:] = reader.cases(page, context, now_ns)
            return reader.page(page, progress, context, now_ns)

        with self._unless_stopped():
            taken = self._consumer.ingest_page(read, Tenant(labels=self.options.labels))
        if taken.unread:
            self._report.unread(self.options.name, taken.unread)
        for case in cases:
            runs.add(case)

    def _pages(self, walk: Walk) -> Iterator[Page]:
        """Every answer of a walk, in order; what is too large in parts."""
        todo = deque(self._system.first(walk))
        while todo:
            if self._stop.is_set():
                raise _Stopped
            ask = todo.popleft()
            if parts := self._fitting(ask):
                todo.extendleft(reversed(parts))
                continue
            try:
                body = self._fetch(ask)
            except TooLarge:
                parts = ask.smaller()
                if not parts:
                    raise
                self._sizes[ask.step] = (parts[0].limit, len(parts[0].ids))
                self._report.split(self.options.name)
                todo.extendleft(reversed(parts))
                continue
            page = self._system.read(walk, ask, body)
            yield page
            todo.extendleft(reversed(page.asks))

    def _fitting(self, ask: Ask) -> tuple[Ask, ...]:
        """A request in parts of a size that was answered; none where it is one."""
        limit, ids = self._sizes.get(ask.step, (ask.limit, len(ask.ids)))
        if ids and len(ask.ids) > ids:
            return ask.smaller()
        return (replace(ask, limit=limit),) if 0 < limit < ask.limit else ()
