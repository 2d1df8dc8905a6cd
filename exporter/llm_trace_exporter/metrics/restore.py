"""Saved series back into a store, hundreds of thousands of them in a second.

Label values repeat from series to series, so each is cleaned, capped and rendered once.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

from .labels_and_buckets import capped_as, is_open_label
from .series import Counter, Histogram, label_text
from .store import FamilySeries, Store

_Shown: TypeAlias = tuple[str, str]
"""(value to show, the label as rendered; empty where the value is)."""


class StoreLoader:
    """Gives the series to fill with what was saved; for one load, under the store's lock."""

    def __init__(self, store: Store) -> None:
        """Fill this store."""
        self._store = store
        self._values: dict[str, dict[str, _Shown]] = {}
        self._families: dict[str, tuple[FamilySeries[Any], list[dict[str, _Shown]]] | None] = {}

    def series(
        self, name: str, labels: Mapping[str, str], born_s: float
    ) -> Counter | Histogram | None:
        """Return the series of a saved label set; None if there is no such family now.

        Labels that do not exist any more are left out, so series may come together; the oldest
        then tells when they appeared.

        Args:
            name: The family.
            labels: The label set.
            born_s: When it appeared.
        """
        found = self._families[name] if name in self._families else self._find(name)
        if found is None:
            return None
        family, memories = found
        key: list[str] = []
        texts: list[str] = []
        for label, memory in zip(family.label_names, memories, strict=True):
            value = labels.get(label, "")
            shown = memory.get(value) or self._show(label, value)
            key.append(shown[0])
            if shown[1]:
                texts.append(shown[1])
        values = tuple(key)
        series: Counter | Histogram | None = family.series.get(values)
        if series is None:
            is_full = len(family.series) >= family.limit
            series = family.get(values) if is_full else family.add(values, ",".join(texts))
        series.born_s = min(series.born_s, born_s)
        return series

    def _find(self, name: str) -> tuple[FamilySeries[Any], list[dict[str, _Shown]]] | None:
        family = self._store.family(name)
        found = None
        if family is not None and family.family.lasts:
            memories = [self._values.setdefault(label, {}) for label in family.label_names]
            found = (family, memories)
        self._families[name] = found
        return found

    def _show(self, label: str, value: str) -> _Shown:
        shown = value
        if is_open_label(label):
            shown, _ = self._store.policy.admit(capped_as(label), value)
        found = self._values[label][value] = (shown, label_text((label,), (shown,)))
        return found
