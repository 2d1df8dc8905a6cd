"""The families as a collector of a prometheus_client registry, beside the application's own."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache

from prometheus_client.metrics_core import Metric
from prometheus_client.samples import Exemplar as Mark
from prometheus_client.utils import floatToGoString

from ..engine.engine import Engine
from ..metrics.catalogue import FAMILIES
from ..metrics.family import Family
from ..metrics.series import Exemplar, HistogramRow, ScalarRow
from .records import unicode_of

_LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')
_ESCAPED = re.compile(r"\\(.)")
_MEANT = {"n": "\n"}
_number: Callable[[float], str] = floatToGoString


class EngineCollector:
    """What an engine has counted, as prometheus_client asks for it."""

    def __init__(self, engine: Callable[[], Engine], refresh: Callable[[], None]) -> None:
        """Ask for the engine at each scrape, refreshed: a forked process has another."""
        self._engine, self._refresh = engine, refresh

    def describe(self) -> Iterator[Metric]:
        """Each family without samples, so that no other collector takes its name."""
        return map(metric_of, FAMILIES)

    def collect(self) -> Iterator[Metric]:
        """Each family that the configuration shows."""
        store = self._engine().store
        store.expire()
        store.update_limits()
        self._refresh()
        for family in FAMILIES:
            if store.family(family.name) is None:
                continue
            metric = metric_of(family)
            if family.type == "histogram":
                bounds = store.histograms(family.name).bounds
                add_histograms(metric, bounds, store.histogram_rows(family.name))
            else:
                add_scalars(metric, family, store.scalar_rows(family.name))
            yield metric


def metric_of(family: Family) -> Metric:
    """A family without samples."""
    return Metric(family.base_name, family.help, family.type, family.unit)


def add_scalars(metric: Metric, family: Family, rows: Iterable[ScalarRow]) -> None:
    """Add a sample for each row of a counter, gauge or info family."""
    for text, value, exemplar, _ in rows:
        metric.add_sample(family.name, labels_in(text), value, None, _mark(exemplar))


def add_histograms(metric: Metric, bounds: tuple[float, ...], rows: Iterable[HistogramRow]) -> None:
    """Add buckets, count and sum of each row; weighted counts as whole numbers."""
    ends = bucket_ends(bounds)
    for text, counts, total, exemplars, _ in rows:
        if len(counts) != len(ends):
            continue
        labels, cumulative = labels_in(text), 0.0
        for at, (end, count) in enumerate(zip(ends, counts, strict=True)):
            cumulative += count
            mark = _mark(exemplars[at]) if exemplars else None
            of_bucket = {**labels, "le": end}
            metric.add_sample(f"{metric.name}_bucket", of_bucket, round(cumulative), None, mark)
        metric.add_sample(f"{metric.name}_count", labels, round(cumulative))
        metric.add_sample(f"{metric.name}_sum", labels, total)


def bucket_ends(bounds: tuple[float, ...]) -> tuple[str, ...]:
    """The values of `le`, as prometheus_client writes numbers."""
    return tuple(map(_number, (*bounds, float("inf"))))


@lru_cache(1 << 14)
def labels_in(text: str) -> dict[str, str]:
    """The labels of a rendered label set; shared, so nobody may change them."""
    # Where a page would show what is not Unicode as `?`, prometheus_client would fail as a whole.
    return {
        name: _ESCAPED.sub(lambda found: _MEANT.get(found[1], found[1]), value)
        for name, value in _LABEL.findall(unicode_of(text))
    }


def _mark(exemplar: Exemplar | None) -> Mark | None:
    if exemplar is None:
        return None
    (trace_id, span_id, unix_s), value = exemplar
    labels = {"trace_id": trace_id.hex()}
    if len(span_id) == 8:
        labels["span_id"] = span_id.hex()
    return Mark(labels, value, unix_s)
