"""prometheus_client's multiprocess mode: a worker's series in the files that all workers share.

In that mode, which `PROMETHEUS_MULTIPROC_DIR` turns on, whichever worker is scraped adds up the
files of all, and collectors of one's own are not asked. So each worker writes its numbers there,
by the same values that prometheus_client's own metrics are made of.

Source: prometheus_client 0.26, `values.py`, `multiprocess.py`, `metrics.py`.
"""

from __future__ import annotations

from typing import Any

from prometheus_client import values

from ..metrics.catalogue import FAMILIES
from ..metrics.family import Family
from ..metrics.store import Store
from .collector import bucket_ends, labels_in

SUMMED_GAUGES = {
    "llm_budget_spent_usd": "sum",
    "llm_budget_forecast_usd": "livesum",
    "llm_exporter_pending_calls": "livesum",
}
"""Gauge -> how the values of workers are put together; `LARGEST` where it is none of these."""
LARGEST = "livemax"

_value_class: Any = values.ValueClass


def is_multiprocess() -> bool:
    """Whether prometheus_client was imported in multiprocess mode."""
    return bool(_value_class._multiprocess)


class Mirror:
    """Writes a store to the files of this process; on one thread at a time.

    A series that expires stays in the file: prometheus_client takes none away.
    """

    def __init__(self, store: Store) -> None:
        """Nothing is written yet."""
        self._store = store
        self._written: dict[tuple[str, str], tuple[Any, float]] = {}

    def write(self) -> None:
        """Write what has changed."""
        for family in FAMILIES:
            if self._store.family(family.name) is None:
                continue
            if family.type == "histogram":
                self._histograms(family)
                continue
            for text, value, _, _ in self._store.scalar_rows(family.name):
                self._one(family, family.name, text, value)

    def _histograms(self, family: Family) -> None:
        name = family.name
        ends = bucket_ends(self._store.histograms(name).bounds)
        for text, counts, total, _, _ in self._store.histogram_rows(name):
            for end, count in zip(ends, counts, strict=False):
                text_of_bucket = f'{text},le="{end}"' if text else f'le="{end}"'
                self._one(family, f"{name}_bucket", text_of_bucket, count)
            self._one(family, f"{name}_sum", text, total)

    def _one(self, family: Family, sample: str, text: str, number: float) -> None:
        known = self._written.get((sample, text))
        value, last = known or (_value(family, sample, text), 0.0)
        if known and number == last:
            return
        if family.type in ("counter", "histogram"):
            # Added, not set: the file may hold what a process that had the same id has counted.
            # What is less than before has expired, and begun anew.
            value.inc(number - last if number >= last else number)
        else:
            value.set(number)
        self._written[sample, text] = value, number


def _value(family: Family, sample: str, text: str) -> Any:
    labels = labels_in(text)
    kind = family.type if family.type in ("counter", "histogram") else "gauge"
    name = family.name if kind == "gauge" else family.base_name
    return _value_class(
        kind,
        name,
        sample,
        tuple(labels),
        tuple(labels.values()),
        family.help,
        multiprocess_mode=SUMMED_GAUGES.get(family.name, LARGEST) if kind == "gauge" else "",
    )
