"""The built-in judge about itself: what it could have asked, asked, and paid."""

from __future__ import annotations

from collections.abc import Iterable

from .labels_and_buckets import RUN_OUTCOMES
from .series_sets import NO_LABELS, Labeller
from .store import Store

_P = "llm_judge_"


class JudgeMetrics:
    """Counts the built-in judge's work; safe to call from several threads."""

    def __init__(self, store: Store) -> None:
        """Count into a store; nothing is shown before `watch`."""
        self._store = store
        self._clock = store.clock
        self._labeller = Labeller(store)

    def watch(self, judges: Iterable[str]) -> None:
        """Show these judges at 0, so that a first failure can be seen to rise."""
        with self._store.lock:
            for judge in judges:
                shown = self._shown(judge)
                for name in ("eligible_total", "cost_usd_total", "unpriced_runs_total"):
                    self._store.counters(_P + name).get(shown)
                for outcome in RUN_OUTCOMES:
                    self._store.counters(_P + "runs_total").get((*shown, outcome))

    def eligible(self, judge: str, n: int) -> None:
        """Count calls that a rule is for."""
        self._add("eligible_total", judge, n)

    def ran(self, judge: str, outcome: str, seconds: float | None) -> None:
        """Count a question's end; without a duration where nothing was asked."""
        with self._store.lock:
            shown, now_s = self._shown(judge), self._clock()
            self._store.counters(_P + "runs_total").get((*shown, outcome)).add(1, now_s)
            if seconds is not None:
                family = self._store.histograms(_P + "run_duration_seconds")
                family.get(shown).observe(seconds, 1, now_s)

    def cost(self, judge: str, usd: float | None) -> None:
        """Count what a question cost; None where that is not known."""
        if usd is None:
            self._add("unpriced_runs_total", judge, 1)
        else:
            self._add("cost_usd_total", judge, usd)

    def show(self, *, queue_length: int, is_open: bool, spent_usd: float, limit_usd: float) -> None:
        """Say how the judge is doing now."""
        with self._store.lock:
            for name, value in (
                ("queue_length", queue_length),
                ("circuit_open", int(is_open)),
                ("spent_today_usd", spent_usd),
                ("daily_limit_usd", limit_usd),
            ):
                self._store.gauges(_P + name).get(NO_LABELS).set(value, self._clock())

    def hide(self) -> None:
        """Show no state of a judge that is off."""
        with self._store.lock:
            for name in ("queue_length", "circuit_open", "spent_today_usd", "daily_limit_usd"):
                self._store.gauges(_P + name).series.clear()

    def _add(self, name: str, judge: str, amount: float) -> None:
        with self._store.lock:
            self._store.counters(_P + name).get(self._shown(judge)).add(amount, self._clock())

    def _shown(self, judge: str) -> tuple[str, ...]:
        return self._labeller.admit(("judge",), (judge,))[0]
