"""Targets and budgets as gauges."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from .store import Store

_MEASURES = ("limit_usd", "spent_usd", "forecast_usd", "elapsed_ratio", "usual_ratio")


class ObjectiveMetrics:
    """Shows what is aimed at; safe to call from several threads."""

    def __init__(self, store: Store) -> None:
        """Show in a store."""
        self._store = store

    def targets(self, targets: Iterable[tuple[str, Mapping[str, str], float]]) -> None:
        """Replace the targets: (slo, labels, value); labels of no dimension are left out."""
        with self._store.lock:
            family = self._store.gauges("llm_slo_target")
            family.series.clear()
            for slo, labels, value in targets:
                values = {"slo": slo, **labels}
                if values.keys() <= set(family.label_names):
                    key = tuple(values.get(name, "") for name in family.label_names)
                    family.get(key).set(value, self._store.clock())

    def budgets(self, figures: Iterable[tuple[str, str, Mapping[str, float]]]) -> None:
        """Replace the budgets: (name, period, value by the family's last words, where known)."""
        with self._store.lock:
            listed = list(figures)
            for measure in _MEASURES:
                family = self._store.gauges(f"llm_budget_{measure}")
                family.series.clear()
                for name, period, values in listed:
                    if measure in values:
                        family.get((name, period)).set(values[measure], self._store.clock())
