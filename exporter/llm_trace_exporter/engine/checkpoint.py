"""Series, memories and journal to and from the state file."""

from __future__ import annotations

import gc
import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from operator import add
from typing import Any

import msgspec

from ..errors import ExporterError
from ..judge.limits import DailyBudget
from ..metrics.exporter_metrics import ExporterMetrics
from ..metrics.restore import StoreLoader
from ..metrics.series import NOT_NEW, Counter
from ..metrics.store import Store
from ..storage import Checkpoint, Found, Memory, SavedSeries, State
from .clock_watch import ClockWatch
from .ingest import Ingester

_logger = logging.getLogger(__name__)

_BUDGETS = "budgets"
_JUDGE = "judge"

CHECKPOINT_S = 30.0
"""How often changed series are saved."""

BEAT_S = 5.0
"""How often it is noted that the process lives, and tried again to have a file."""

MAX_AWAY_S = 600.0
"""How much the time between two processes ages what is remembered, at most.

A clock may be wrong at the start by days; what senders send again after a restart must be known.
"""


@dataclass(frozen=True, slots=True)
class Rebase:
    """From the clocks of earlier processes to this one's."""

    found: Found
    away_s: float
    """How long there was no process, as far as it counts."""
    ahead_s: float
    """This clock less that of the process before, at one moment."""
    starts: dict[int, float]
    """Process -> its clock less that of the one before, at one moment."""

    def ahead_of(self, run: int) -> float:
        """How far this process's clock is ahead of that of an earlier one."""
        return self.ahead_s + sum(
            self.starts.get(later, 0.0) for later in range(run + 1, self.found.run + 1)
        )


def rebase_of(
    found: Found, starts: dict[int, float], now_s: float, unix_s: float, max_away_s: float
) -> Rebase:
    """How the clocks of earlier processes lead to this one's.

    Args:
        found: When the process before was last known to live.
        starts: Process -> its clock less that of the one before.
        now_s: This process's clock.
        unix_s: The same moment, Unix seconds.
        max_away_s: The most that the time between the two counts.
    """
    if not found.run:
        return Rebase(found, 0.0, 0.0, starts)
    away_s = min(max(0.0, unix_s - found.unix_s), max_away_s)
    return Rebase(found, away_s, now_s - (found.now_s + away_s), starts)


class Checkpointer:
    """Loads what was kept, and keeps what changes."""

    def __init__(
        self,
        state: State,
        store: Store,
        ingester: Ingester,
        metrics: ExporterMetrics,
        *,
        wall_clock: Callable[[], float] = time.time,
    ) -> None:
        """Nothing is read before `restore`."""
        self._state = state
        self._store = store
        self._intake = ingester
        self._metrics = metrics
        self._wall_clock = wall_clock
        self._clock_watch = ClockWatch(store.clock, wall_clock, metrics.clock_jumped)
        self.judge_budget = DailyBudget(0.0, wall_clock)
        """What the built-in judge spends: a limit of a day must hold over restarts."""
        self._spent = self.judge_budget.saved()
        self._is_restored = False
        self._replaces_series = True
        self._replaces_memories = True
        self._saved_s = float("-inf")
        self._next_s = 0.0
        self._beat_s = 0.0
        self._shown = (0, 0)

    def restore(self) -> None:
        """Load what the file holds; nothing where there is none yet: `tick` does it then."""
        if self._state.is_open:
            with _without_collector(), self._intake.paused():
                self._restore()
        self._tell()

    def tick(self) -> None:
        """Save what changed, when it is time; what the judge has spent, each time.

        Raises: Overloaded when it cannot be written; it is tried again.
        """
        now_s = self._store.clock()
        if now_s >= self._beat_s:
            self._beat_s = now_s + BEAT_S
            try:
                self._beat(now_s)
            finally:
                self._tell()
        if self._state.failure:
            return
        self._keep_spent()
        if now_s >= self._next_s:
            self.checkpoint()

    def checkpoint(self) -> None:
        """Save what changed.

        Raises: Overloaded when it cannot be written; the file stays as it was.
        """
        self._keep_spent()
        try:
            taken, started_s = self._taken()
            self._state.checkpoint(taken)
        except BaseException:
            # What was taken out of the memories is in no part of the file.
            self._replaces_memories = True
            self._metrics.state_failed("checkpoint")
            raise
        finally:
            self._tell()
        self._saved_s = started_s
        self._replaces_series = self._replaces_memories = False

    def refresh_gauges(self) -> None:
        """Show how large the file is, and whether it can be written."""
        self._metrics.state_size(self._state.size_bytes)
        self._tell()

    def _restore(self) -> None:
        store, state = self._store, self._state
        started_s = time.perf_counter()
        rebase = self._rebase()
        restorer, series = StoreLoader(store), 0
        ahead_s = rebase.ahead_of(state.mark.run)
        idle_since_s = store.clock() - (store.options.idle_expiry_s or float("inf"))
        for saved in state.series():
            if saved.touched_s + ahead_s >= idle_since_s or not store.expires(saved.family):
                series += _load(restorer, saved, ahead_s)
        for memory in state.memories():
            self._remember(memory, rebase)
        state.damaged_rows += self._intake.restored()
        entries = self._replay(rebase)
        store.age(store.clock() - rebase.away_s + BEAT_S)
        state.begin(rebase.found, rebase.ahead_s, self._intake.wait_again())
        state.put_aside()
        self._is_restored = True
        self._replaces_memories = state.damaged_rows > 0
        _logger.info(
            "state restored in %.1f s: %d series, %d entries of the journal, %d damaged rows",
            time.perf_counter() - started_s, series, entries, state.damaged_rows,
        )  # fmt: skip

    def _rebase(self) -> Rebase:
        state, unix_s = self._state, self._wall_clock()
        found = state.found()
        max_away_s = min(MAX_AWAY_S, self._intake.limits.max_age_s / 2)
        now_s = self._store.clock()
        rebase = rebase_of(found, state.starts(), now_s, unix_s, max_away_s)
        if found.run:
            # Ahead of the last process it may be rightly.
            self._clock_watch.tell(min(0.0, unix_s - found.unix_s))
        return rebase

    def _remember(self, memory: Memory, rebase: Rebase) -> None:
        """One part of what an earlier process remembered."""
        try:
            if memory.name == _BUDGETS:
                self._intake.budgets.restore(msgspec.msgpack.decode(memory.value))
            elif memory.name == _JUDGE:
                day, usd = msgspec.msgpack.decode(memory.value, type=tuple[int, float])
                self.judge_budget.restore(day, usd)
                self._spent = self.judge_budget.saved()
            else:
                self._intake.remember(memory, rebase.ahead_of(memory.run))
        except (ExporterError, msgspec.MsgspecError, KeyError, TypeError, ValueError) as error:
            self._state.damaged_rows += 1
            _logger.error("state: %s cannot be read: %s", memory.name, type(error).__name__)  # noqa: TRY400

    def _replay(self, rebase: Rebase) -> int:
        entries = 0
        moment = [0.0]
        with self._store.born_at(lambda: moment[0]):
            for entries, entry in enumerate(self._state.entries(), 1):
                ahead_s = rebase.ahead_of(entry.run)
                moment[0] = entry.now_s + ahead_s
                self._intake.replay(entry, ahead_s)
                if entries % 10_000 == 0:
                    _logger.info("state: %d entries of the journal are applied", entries)
        return entries

    def _beat(self, now_s: float) -> None:
        """Note that the process lives; have a file again where there was none."""
        state = self._state
        if state.failure:
            # What was acknowledged in between would be in this file only.
            with self._intake.in_turn():
                try:
                    is_other = state.recover()
                except ExporterError:
                    return
                if is_other:
                    self._take_up()
        state.beat(now_s, self._wall_clock())

    def _take_up(self) -> None:
        """Go on with a file that was not there before."""
        if not self._is_restored:
            with self._intake.paused():
                self._restore()
            return
        # All that was acknowledged is in memory, and in no file.
        self._replaces_series = self._replaces_memories = True
        self.checkpoint()

    def _taken(self) -> tuple[Checkpoint, float]:
        """What a checkpoint is to write, as of one moment."""
        store, ingester, state = self._store, self._intake, self._state
        with ingester.paused():
            started_s, unix_s = store.clock(), self._wall_clock()
            self._next_s = started_s + CHECKPOINT_S
            is_whole = self._replaces_series or store.has_lost_most()
            hold_s = store.options.zero_hold_s
            changed = [
                _saved(name, labels, series, started_s - hold_s)
                for name, labels, series in store.changed_since(
                    float("-inf") if is_whole else self._saved_s
                )
            ]
            memories = ingester.save(every=self._replaces_memories)
            budgets = ingester.budgets.saved()
            store.mark_saved()
            seq = state.seq
        packed = Memory(_BUDGETS, len(budgets), msgspec.msgpack.encode(budgets))
        return Checkpoint(
            changed,
            is_whole,
            (*(Memory(*part) for part in memories.parts), packed),
            memories.replaces | {_BUDGETS},
            dict(memories.max_entries),
            seq,
            started_s,
            unix_s,
        ), started_s

    def _keep_spent(self) -> None:
        spent = self.judge_budget.saved()
        if spent != self._spent:
            self._state.put(Memory(_JUDGE, 1, msgspec.msgpack.encode(spent)))
            self._spent = spent

    def _tell(self) -> None:
        """Show how the file is doing."""
        state = self._state
        now = (state.moved_aside, state.damaged_rows)
        for reason, before, after in zip(("unusable", "damaged"), self._shown, now, strict=True):
            self._metrics.state_failed(reason, after - before)
        self._shown = now
        self._metrics.state_writable(not state.failure)


@contextmanager
def _without_collector() -> Iterator[None]:
    """Spare the garbage collector its rounds over what is only ever added to."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        # Nor are later rounds to look at all that again: series go when nothing refers to them.
        gc.freeze()
        if was_on:
            gc.enable()


def _saved(name: str, labels: dict[str, str], series: Any, held_since_s: float) -> SavedSeries:
    present = {label: value for label, value in labels.items() if value}
    born_s = series.born_s if series.born_s > held_since_s else NOT_NEW
    if isinstance(series, Counter):
        return SavedSeries(name, present, [series.value], series.touched_s, born_s)
    values = [series.total, *series.counts, *series.bounds]
    return SavedSeries(name, present, values, series.touched_s, born_s)


def _load(restorer: StoreLoader, saved: SavedSeries, ahead_s: float) -> bool:
    """Put a saved series into the store; whether there is one for it."""
    series = restorer.series(saved.family, saved.labels, saved.born_s + ahead_s)
    if series is None:
        return False
    if isinstance(series, Counter):
        series.value += saved.values[0]
    else:
        buckets = len(series.bounds)
        counts, bounds = saved.values[1 : buckets + 2], saved.values[buckets + 2 :]
        # A histogram whose buckets were configured anew starts from 0.
        if tuple(bounds) == series.bounds:
            series.total += saved.values[0]
            series.counts = list(map(add, series.counts, counts))
    series.touched_s = max(series.touched_s, saved.touched_s + ahead_s)
    return True
