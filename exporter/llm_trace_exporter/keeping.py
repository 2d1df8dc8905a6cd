"""Series and journal to and from the state file."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from operator import add

import msgspec

from .errors import ExporterError
from .intake import Intake
from .judge.guards import DailyBudget
from .metrics.restoring import Restorer
from .metrics.selfmetrics import SelfMetrics
from .metrics.series import Counter
from .metrics.store import Store
from .state import Kept, SavedSeries, State

_SUBJECTS = "subjects"
_BUDGETS = "budgets"
_JUDGE = "judge"

CHECKPOINT_S = 30.0
"""How often changed series are saved."""


class Keeper:
    """Loads what was kept, and keeps what changes."""

    def __init__(
        self,
        state: State,
        store: Store,
        intake: Intake,
        own: SelfMetrics,
        *,
        wall_clock: Callable[[], float] = time.time,
    ) -> None:
        """Nothing is read before `restore`."""
        self._state = state
        self._store = store
        self._intake = intake
        self._own = own
        self._wall_clock = wall_clock
        self.judge_budget = DailyBudget(0.0, wall_clock)
        """What the built-in judge spends: a limit of a day must hold over restarts."""
        self._spent = self.judge_budget.saved()
        self._parts: list[Kept] = []
        self._part = 0
        self._saved_s = float("-inf")
        self._next_s = 0.0

    def restore(self) -> None:
        """Load the series, then apply the journal.

        Raises: ExporterError where the journal cannot be read.
        """
        with _without_collector():
            self._restore()
        self._own.state_failed("unusable", self._state.moved_aside)

    def _restore(self) -> None:
        store, now_s, unix_s = self._store, self._store.clock(), self._wall_clock()
        idle_s = store.options.idle_expiry_s or float("inf")
        with store.lock:
            restorer = Restorer(store)
            for saved in self._state.series():
                idle = max(0.0, unix_s - saved.touched_unix_s)
                if idle < idle_s:
                    _load(restorer, saved, now_s - idle)
        for kept in self._state.kept(_BUDGETS):
            self._restore_budgets(kept.value)
        for kept in self._state.kept(_JUDGE):
            self._restore_spent(kept.value)
        self._intake.restore(self._state.entries())
        for kept in self._state.kept(_SUBJECTS):
            self._part = max(self._part, kept.part)
            self._intake.restore_subjects(kept.value, max(0.0, unix_s - kept.unix_s))
        with store.lock:
            store.age_all()

    def _restore_budgets(self, packed: bytes) -> None:
        try:
            self._intake.budgets.restore(msgspec.msgpack.decode(packed))
        except (msgspec.MsgspecError, KeyError, TypeError, ValueError) as error:
            raise ExporterError(f"kept budgets cannot be read: {type(error).__name__}") from error

    def _restore_spent(self, packed: bytes) -> None:
        try:
            day, usd = msgspec.msgpack.decode(packed, type=tuple[int, float])
        except msgspec.MsgspecError as error:
            raise ExporterError("the judge's kept spending cannot be read") from error
        self.judge_budget.restore(day, usd)
        self._spent = self.judge_budget.saved()

    def tick(self) -> None:
        """Save what changed, when it is time; what the judge has spent, each time.

        Raises: Overloaded when it cannot be written; it is tried again.
        """
        self._keep_spent()
        if self._store.clock() >= self._next_s:
            self.checkpoint()

    def checkpoint(self) -> None:
        """Save what changed.

        Raises: Overloaded when it cannot be written; the file stays as it was.
        """
        self._keep_spent()
        store, state = self._store, self._state
        with store.lock:
            started_s, unix_s = store.clock(), self._wall_clock()
            self._next_s = started_s + CHECKPOINT_S
            seq = state.seq
            packed, subjects = self._intake.pack_subjects()
            if subjects:
                self._part += 1
                self._parts.append(Kept(_SUBJECTS, self._part, unix_s, subjects, packed))
            changed = [
                _saved(name, labels, series, unix_s - (started_s - series.touched_s))
                for name, labels, series in store.changed_since(self._saved_s)
            ]
            saved = self._intake.budgets.saved()
        budgets = Kept(_BUDGETS, 0, unix_s, len(saved), msgspec.msgpack.encode(saved))
        try:
            state.checkpoint(changed, seq, (*self._parts, budgets))
            self._parts.clear()
            limits = self._intake.limits
            state.thin(_SUBJECTS, limits.max_subjects, unix_s - limits.subject_age_s)
        except BaseException:
            self._own.state_failed("checkpoint")
            raise
        self._saved_s = started_s

    def _keep_spent(self) -> None:
        spent = self.judge_budget.saved()
        if spent != self._spent:
            packed = msgspec.msgpack.encode(spent)
            self._state.keep(Kept(_JUDGE, 0, self._wall_clock(), 1, packed))
            self._spent = spent

    def show_size(self) -> None:
        """Refresh the gauge of the file's size."""
        self._own.state_size(self._state.size_bytes)


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


def _saved(name: str, labels: dict[str, str], series: object, touched: float) -> SavedSeries:
    told = {label: value for label, value in labels.items() if value}
    if isinstance(series, Counter):
        return SavedSeries(name, told, [series.value], touched)
    values = [series.total, *series.counts, *series.bounds]  # type: ignore[attr-defined]
    return SavedSeries(name, told, values, touched)


def _load(restorer: Restorer, saved: SavedSeries, touched_s: float) -> None:
    series = restorer.series(saved.family, saved.labels)
    if series is None:
        return
    if isinstance(series, Counter):
        series.value += saved.values[0]
    else:
        buckets = len(series.bounds)
        counts, bounds = saved.values[1 : buckets + 2], saved.values[buckets + 2 :]
        # A histogram whose buckets were configured anew starts from 0.
        if tuple(bounds) == series.bounds:
            series.total += saved.values[0]
            series.counts = list(map(add, series.counts, counts))
    series.touched_s = max(series.touched_s, touched_s)
