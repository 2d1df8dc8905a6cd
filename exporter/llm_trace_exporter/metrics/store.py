"""The store: every series of every family, bounded in number, dropped when idle.

Threading: `Store.lock` guards all of it. It is reentrant, so an application can hold it around
its own state and a batch of records; rendering takes it for a thousand series at a time.
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, Generic, TypeVar

from ..errors import ConfigError
from .catalogue import FAMILIES
from .family import Family, Profile
from .label_policy import DEFAULT_CAP, Dimension, LabelPolicy
from .labels_and_buckets import BUCKETS, LABELS, OTHER, capped_as, is_open_label
from .series import NOT_NEW, Counter, Gauge, Histogram, HistogramRow, ScalarRow, Series, label_text

CHUNK = 1000
"""Series copied per hold of the lock: below a millisecond."""

_MARKS: Mapping[Profile, str] = {"openlit": 'telemetry_sdk_name="openlit"'}
"""Label text that a profile puts on its families: what its dashboards filter on."""

_LABEL_NAME = re.compile(r"(?!__)[a-zA-Z_][a-zA-Z0-9_]*\Z")
_RESERVED = frozenset(
    label for f in FAMILIES if f.with_dimensions or f.profiles for label in f.labels
) | {
    "le",
    "quantile",
    "job",
    "instance",
}

S = TypeVar("S", Counter, Gauge, Histogram)


@dataclass(frozen=True, slots=True)
class StoreOptions:
    """What an operator can choose about series."""

    dimensions: tuple[Dimension, ...] = ()
    caps: Mapping[str, int] = field(default_factory=dict)
    """Distinct values by label name."""
    default_cap: int = DEFAULT_CAP
    """Distinct values of a label that `caps` does not name."""
    buckets: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    """Upper bounds by kind of `labels_and_buckets.BUCKETS`, where they differ from the defaults."""
    max_series_per_family: int = 20_000
    """Label sets."""
    zero_hold_s: float = 65.0
    """Seconds for which a new series is rendered as 0; 0 shows values at once."""
    idle_expiry_s: float = 86_400.0
    """Seconds after which a series that is not updated is dropped; 0 keeps all."""
    profiles: frozenset[Profile] = frozenset()
    """Other names under which calls are counted as well."""

    def __post_init__(self) -> None:
        """Refuse what would render an exposition that Prometheus cannot read.

        Raises:
            ConfigError: With one line per problem.
        """
        problems = [*_dimension_problems(self.dimensions), *_bucket_problems(self.buckets)]
        if problems:
            raise ConfigError(problems)

    def all_caps(self) -> dict[str, int]:
        """Caps by label, those of the dimensions included."""
        return {**self.caps, **{d.label: d.cap for d in self.dimensions}}


def _dimension_problems(dimensions: tuple[Dimension, ...]) -> Iterator[str]:
    seen: set[str] = set()
    for label in (d.label for d in dimensions):
        if not _LABEL_NAME.match(label):
            yield f"dimension {label!r}: not a label name (letters, digits and _)"
        elif label in _RESERVED:
            yield f"dimension {label!r}: this label exists already with another meaning"
        elif label in seen:
            yield f"dimension {label!r}: given twice"
        seen.add(label)


def _bucket_problems(buckets: Mapping[str, tuple[float, ...]]) -> Iterator[str]:
    for kind, bounds in buckets.items():
        if kind not in BUCKETS:
            yield f"buckets {kind!r}: unknown kind; one of {', '.join(BUCKETS)}"
        elif not bounds or any(not 0 <= b < float("inf") for b in bounds):
            yield f"buckets {kind!r}: bounds must be finite numbers from 0 up, at least one"
        elif any(a >= b for a, b in pairwise(bounds)):
            yield f"buckets {kind!r}: bounds must ascend"


@dataclass(slots=True)
class Births:
    """When a new series appears: now, unless what is counted happened before."""

    clock: Callable[[], float]


class FamilySeries(Generic[S]):
    """The series of one family by their label values.

    A key holds one value per `label_names`, in that order, already cleaned and capped.
    """

    def __init__(self, family: Family, options: StoreOptions, births: Births) -> None:
        """Start without series."""
        self.family = family
        self.series: dict[tuple[str, ...], S] = {}
        self._births = births
        self._apply(options)

    def _apply(self, options: StoreOptions) -> None:
        dimensions = tuple(d.label for d in options.dimensions)
        self.label_names = self.family.labels + (dimensions if self.family.with_dimensions else ())
        self.limit = options.max_series_per_family
        kind = self.family.buckets
        self.bounds = tuple(float(b) for b in options.buckets.get(kind, BUCKETS.get(kind, ())))
        self._is_free = tuple(is_open_label(name) for name in self.label_names)
        shown = options.profiles.intersection(self.family.profiles)
        self.is_shown = bool(shown) or not self.family.profiles
        self._marks = tuple(_MARKS[profile] for profile in sorted(shown & _MARKS.keys()))

    def get(self, key: tuple[str, ...]) -> S:
        """Return the series of a label set; born now if it is new.

        Past the family's limit the open labels become `other`: sums stay right, and what is
        added is at most one series per combination of closed labels.
        """
        found = self.series.get(key)
        if found is not None:
            return found
        if len(self.series) >= self.limit:
            pairs = zip(key, self._is_free, strict=True)
            key = tuple(OTHER if is_free else value for value, is_free in pairs)
            found = self.series.get(key)
            if found is not None:
                return found
        return self.add(key, label_text(self.label_names, key))

    def add(self, key: tuple[str, ...], labels: str) -> S:
        """Add a series that is not there; `labels` is `label_text` of its key."""
        born = self.series[key] = self._new(",".join((labels, *self._marks)))
        return born

    def _new(self, text: str) -> S:
        now_s = self._births.clock()
        made: Series
        if self.family.type == "histogram":
            made = Histogram(text, now_s, self.bounds)
        elif self.family.type == "counter":
            made = Counter(text, now_s)
        else:
            made = Gauge(text, now_s)
        return made  # type: ignore[return-value]  # the family's type decides S

    def reconfigured(self, options: StoreOptions) -> FamilySeries[S]:
        """The same family under other options; this one stays as it is.

        What was counted moves to the new label sets. Histograms whose bounds change start from 0:
        their past cannot be told in new buckets.
        """
        found: FamilySeries[S] = FamilySeries(self.family, options, self._births)
        if found.bounds != self.bounds or not found.is_shown:
            return found
        if (found.label_names, found._marks) == (self.label_names, self._marks):
            found.series = self.series
        else:
            for key, series in self.series.items():
                found._move(dict(zip(self.label_names, key, strict=True)), series)
        return found

    def become(self, other: FamilySeries[S]) -> None:
        """Take over all of another: this one is known to those who count."""
        vars(self).update(vars(other))

    def _move(self, values: Mapping[str, str], series: S) -> None:
        moved = self.get(tuple(values.get(name, "") for name in self.label_names))
        # Held at 0 it would show all its past as growth when the hold ends.
        moved.born_s = NOT_NEW
        moved.absorb(series)

    def drop_idle(self, before_s: float) -> int:
        """Drop the series that were last updated before a time; return how many."""
        idle = [key for key, series in self.series.items() if series.touched_s < before_s]
        for key in idle:
            del self.series[key]
        return len(idle)

    def values_in_use(self, label: str) -> set[str]:
        """Return the values that a label, or one with the same values, has in any series."""
        places = [at for at, name in enumerate(self.label_names) if capped_as(name) == label]
        return {key[at] for key in self.series for at in places}


class Store:
    """All families; see the module for threading."""

    def __init__(
        self,
        options: StoreOptions | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Create every family of the catalogue; `clock` gives monotonic seconds."""
        self.options = options or StoreOptions()
        self.clock = clock
        self.lock = threading.RLock()
        self.policy = LabelPolicy(self.options.all_caps(), self.options.default_cap)
        self._births = Births(clock)
        self._gone: float = 0
        self._families: dict[str, FamilySeries[Any]] = {
            family.name: FamilySeries(family, self.options, self._births) for family in FAMILIES
        }
        self._watchers: list[Callable[[], None]] = []
        self._next_sweep_s = clock()

    def counters(self, name: str) -> FamilySeries[Counter]:
        """Return the series of a counter family; KeyError if it is not in the catalogue."""
        return self._families[name]

    def gauges(self, name: str) -> FamilySeries[Gauge]:
        """Return the series of a gauge or info family; KeyError if not in the catalogue."""
        return self._families[name]

    def histograms(self, name: str) -> FamilySeries[Histogram]:
        """Return the series of a histogram family; KeyError if not in the catalogue."""
        return self._families[name]

    def watch(self, forget: Callable[[], None]) -> None:
        """Have `forget` called, under the lock, whenever held references to series go stale."""
        self._watchers.append(forget)

    def reconfigure(self, options: StoreOptions) -> None:
        """Apply new options without losing what was counted; all of them, or none."""
        with self.lock:
            changed = [(f, f.reconfigured(options)) for f in self._families.values()]
            self.options = options
            self.policy.set_caps(options.all_caps(), options.default_cap)
            for family, found in changed:
                family.become(found)
            self._gone = float("inf")
            self._forget()

    def expire(self) -> int:
        """Drop idle series, at most once a minute; return how many were dropped."""
        now_s, idle_s = self.clock(), self.options.idle_expiry_s
        with self.lock:
            if idle_s <= 0 or now_s < self._next_sweep_s:
                return 0
            self._next_sweep_s = now_s + min(60.0, idle_s / 10)
        dropped = 0
        for family in self._families.values():
            if family.family.expires:
                dropped += self._drop_idle(family, now_s - idle_s)
        if dropped:
            self._free_label_values()
        return dropped

    def _drop_idle(self, family: FamilySeries[Any], before_s: float) -> int:
        with self.lock:
            dropped = family.drop_idle(before_s)
            if dropped:
                self._gone += dropped
                self._forget()
            return dropped

    def _forget(self) -> None:
        for forget in self._watchers:
            forget()

    def _free_label_values(self) -> None:
        with self.lock:
            for label in self.policy.full_labels():
                users = (family.values_in_use(label) for family in self._families.values())
                self.policy.retain(label, set().union(*users))

    def changed_since(
        self, since_s: float
    ) -> Iterator[tuple[str, dict[str, str], Counter | Histogram]]:
        """Yield (family, labels, series) of lasting series updated since a time; hold the lock."""
        for name, family in self._families.items():
            if not family.family.lasts:
                continue
            for key, series in family.series.items():
                if series.touched_s >= since_s:
                    yield name, dict(zip(family.label_names, key, strict=True)), series

    def expires(self, name: str) -> bool:
        """Whether series of a family are dropped when they are idle."""
        return name not in self._families or self._families[name].family.expires

    def family(self, name: str) -> FamilySeries[Any] | None:
        """Return a family that is there under the options in force; None if there is none."""
        family = self._families.get(name)
        return family if family is not None and family.is_shown else None

    def has_lost_most(self) -> bool:
        """Whether more label sets have gone than are left, or moved, since `mark_saved`."""
        return self._gone > self.series_total()

    def mark_saved(self) -> None:
        """Count what goes from here on."""
        self._gone = 0

    @contextmanager
    def born_at(self, clock: Callable[[], float]) -> Iterator[None]:
        """Have series appear when `clock` says, while what happened before is counted again."""
        self._births.clock = clock
        try:
            yield
        finally:
            self._births.clock = self.clock

    def age(self, seen_s: float) -> None:
        """Tell series that a scrape may have shown with their value from those that are new.

        Args:
            seen_s: When the process before was last known to serve. What appeared before it and
                was still held at 0 then is held for the whole time again.
        """
        now_s, hold_s = self.clock(), self.options.zero_hold_s
        for family in self._families.values():
            for series in family.series.values():
                if not isinstance(series, Gauge) and series.born_s <= seen_s:
                    awaits_root = series.born_s + hold_s > seen_s
                    series.born_s = now_s if awaits_root else NOT_NEW

    def open_labels(self, name: str) -> list[str]:
        """Return the labels of a family whose values come from outside."""
        return [label for label in self.counters(name).label_names if is_open_label(label)]

    def capped_labels(self) -> tuple[str, ...]:
        """Return the labels that have a cap of their own, those of the dimensions last."""
        own = (label.name for label in LABELS if label.is_open and not label.same_as)
        return (*own, *(dimension.label for dimension in self.options.dimensions))

    def series_total(self) -> int:
        """Return how many series there are in all families."""
        return sum(len(family.series) for family in self._families.values())

    def update_limits(self) -> None:
        """Refresh the gauges that show how many series and label values there are and may be."""
        with self.lock:
            shown = (f for f in self._families.values() if f.is_shown)
            self._show_usage("series", {f.family.name: (len(f.series), f.limit) for f in shown})
            labels = {label: self.policy.usage(label) for label in self.capped_labels()}
            self._show_usage("label_values", labels)

    def _show_usage(self, name: str, usage: Mapping[str, tuple[int, int]]) -> None:
        for at, suffix in enumerate(("", "_limit")):
            gauges = self.gauges(f"llm_exporter_{name}{suffix}")
            # What a reload took away is not there any more.
            for key in gauges.series.keys() - {(one,) for one in usage}:
                del gauges.series[key]
            for one, figures in usage.items():
                gauges.get((one,)).set(figures[at], self.clock())

    def scalar_rows(self, name: str) -> Iterator[ScalarRow]:
        """Yield what to render of a counter, gauge or info family."""
        yield from self._rows(self.counters(name))

    def histogram_rows(self, name: str) -> Iterator[HistogramRow]:
        """Yield what to render of a histogram family."""
        yield from self._rows(self.histograms(name))

    def _rows(self, family: FamilySeries[Any]) -> Iterator[Any]:
        with self.lock:
            every = list(family.series.values())
            hold_s = self.options.zero_hold_s
            born_after_s = self.clock() - hold_s if hold_s > 0 else float("inf")
        for start in range(0, len(every), CHUNK):
            with self.lock:
                rows = [series.row(born_after_s) for series in every[start : start + CHUNK]]
            yield from rows
