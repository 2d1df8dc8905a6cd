"""Rendering: the store as Prometheus text 0.0.4 or OpenMetrics 1.0.

The label text of a series is rendered once, when it is born; a scrape only adds names and
numbers. prometheus_client renders what is few: its own process, platform and GC collectors.

Source: Prometheus `docs/instrumenting/exposition_formats.md`; OpenMetrics 1.0.0.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass

from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector
from prometheus_client.exposition import generate_latest
from prometheus_client.metrics_core import Metric
from prometheus_client.openmetrics import exposition as openmetrics
from prometheus_client.utils import floatToGoString

from .catalogue import FAMILIES
from .exporter_metrics import ExporterMetrics
from .family import Family
from .negotiation import Choice, Format, choose
from .series import NOT_NEW, Exemplar, HistogramRow, ScalarRow
from .store import Store

CHUNK_CHARS = 1 << 18
"""A large exposition is rendered and encoded in pieces of about this size."""

_END = "# EOF\n"

# Both are untyped where they come from.
_number: Callable[[float], str] = floatToGoString
_openmetrics_page: Callable[[CollectorRegistry], bytes] = openmetrics.generate_latest


@dataclass(frozen=True, slots=True)
class Page:
    """One rendered exposition."""

    body: bytes
    content_type: str


@dataclass(frozen=True, slots=True)
class Stream:
    """One exposition that is rendered while it is read."""

    chunks: Iterator[bytes]
    content_type: str


def process_registry() -> CollectorRegistry:
    """Return a new registry with prometheus_client's process, platform and GC collectors."""
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    PlatformCollector(registry=registry)
    GCCollector(registry=registry)
    return registry


class Exposition:
    """Renders a store; any number of threads may scrape while records come in."""

    def __init__(
        self,
        store: Store,
        metrics: ExporterMetrics,
        *,
        registry: CollectorRegistry | None = None,
        before: Callable[[], None] | None = None,
        created: bool = False,
        wall_clock: Callable[[], float] = time.time,
    ) -> None:
        """Render a store.

        Args:
            store: The series.
            metrics: Is told how long a complete exposition took and how big it was.
            registry: Collectors rendered after the store's families; None for none.
            before: Called before each exposition, to refresh gauges.
            created: Whether OpenMetrics gets `_created` samples. Prometheus before 3 stores
                them as series of their own.
            wall_clock: Unix seconds.
        """
        self._store = store
        self._metrics = metrics
        self._registry = registry
        self._before = before
        self._created = created
        self._wall_clock = wall_clock

    def render(self, accept: str = "", names: Collection[str] = ()) -> Page:
        """Render in one piece; see `stream` for the arguments."""
        stream = self.stream(accept, names)
        return Page(b"".join(stream.chunks), stream.content_type)

    def stream(self, accept: str = "", names: Collection[str] = ()) -> Stream:
        """Render what an Accept header asks for, piece by piece.

        Args:
            accept: The header, as sent.
            names: Values of `name[]`: only these samples, or all samples of these families.
                Empty renders everything.
        """
        choice = choose(accept)
        return Stream(self._timed(choice, frozenset(names)), choice.content_type)

    def _timed(self, choice: Choice, names: frozenset[str]) -> Iterator[bytes]:
        spent_s, size_bytes = 0.0, 0
        # The time that a slow reader takes between two pieces is not ours.
        started_s = time.perf_counter()
        for chunk in self._chunks(choice, names):
            spent_s += time.perf_counter() - started_s
            size_bytes += len(chunk)
            yield chunk
            started_s = time.perf_counter()
        if not names:
            self._metrics.scraped(spent_s, size_bytes)

    def _chunks(self, choice: Choice, names: frozenset[str]) -> Iterator[bytes]:
        self._store.expire()
        self._store.update_limits()
        if self._before is not None:
            self._before()
        held: list[str] = []
        size = 0
        for text in self._lines(choice.format, names):
            held.append(text)
            size += len(text)
            if size >= CHUNK_CHARS:
                yield "".join(held).encode("utf-8", "replace")
                held.clear()
                size = 0
        yield "".join(held).encode("utf-8", "replace") + self._collectors(choice, names)

    def _lines(self, format_: Format, names: frozenset[str]) -> Iterator[str]:
        is_open = format_ is Format.OPENMETRICS
        # Births are monotonic times; this is what turns them into Unix times.
        offset_s = self._wall_clock() - self._store.clock() if self._created and is_open else None
        for family in FAMILIES:
            wanted = _wanted_samples(family, names)
            if not wanted or self._store.family(family.name) is None:
                continue
            yield head(family, format_)
            if family.type == "histogram":
                rows = self._store.histogram_rows(family.name)
                bounds = self._store.histograms(family.name).bounds
                lines = histogram_lines(family.name, bounds, rows, is_open, offset_s)
            else:
                created = offset_s if family.type == "counter" else None
                lines = scalar_lines(family, self._store.scalar_rows(family.name), is_open, created)
            if len(wanted) < len(family.sample_names):
                yield from _only(lines, wanted)
            else:
                yield from lines

    def _collectors(self, choice: Choice, names: frozenset[str]) -> bytes:
        if self._registry is None:
            return _END.encode() if choice.format is Format.OPENMETRICS else b""
        source = _Restricted(self._registry, names) if names else self._registry
        if choice.format is Format.OPENMETRICS:
            return _openmetrics_page(source)
        return generate_latest(source)


class _Restricted(CollectorRegistry):
    """A view of a registry with the families and samples of certain names."""

    def __init__(self, registry: CollectorRegistry, names: frozenset[str]) -> None:
        super().__init__()
        self._source = registry
        self._names = names

    def collect(self) -> Iterable[Metric]:
        """Yield the families with a sample whose name, or own name, is wanted."""
        for metric in self._source.collect():
            family_names = {metric.name, metric.name + "_total", metric.name + "_info"}
            if family_names.isdisjoint(self._names):
                metric.samples = [s for s in metric.samples if s.name in self._names]
            if metric.samples:
                yield metric


def _only(blocks: Iterable[str], names: tuple[str, ...]) -> Iterator[str]:
    for block in blocks:
        yield from (line + "\n" for line in block.split("\n") if line.startswith(names))


def _wanted_samples(family: Family, names: frozenset[str]) -> tuple[str, ...]:
    if not names or family.name in names or family.base_name in names:
        return family.sample_names
    return tuple(name for name in family.sample_names if name in names)


def head(family: Family, format_: Format) -> str:
    """Return the lines before a family's samples."""
    help_ = family.help.replace("\\", r"\\").replace("\n", r"\n")
    if format_ is Format.TEXT:
        kind = "gauge" if family.type == "info" else family.type
        return f"# HELP {family.name} {help_}\n# TYPE {family.name} {kind}\n"
    name, help_ = family.base_name, help_.replace('"', r"\"")
    unit = f"# UNIT {name} {family.unit}\n" if family.unit else ""
    return f"# HELP {name} {help_}\n# TYPE {name} {family.type}\n{unit}"


def scalar_lines(
    family: Family, rows: Iterable[ScalarRow], is_open: bool, offset_s: float | None
) -> Iterator[str]:
    """Yield the sample of each row.

    Args:
        family: A counter, gauge or info family.
        rows: What the store holds of it.
        is_open: Whether exemplars may be shown.
        offset_s: From monotonic to Unix seconds, to show births; None: they are not shown.
    """
    name = family.name
    for text, value, exemplar, born_s in rows:
        labels = f"{{{text}}}" if text else ""
        tail = _exemplar(exemplar) if is_open and exemplar else ""
        yield f"{name}{labels} {_number(value)}{tail}\n"
        if offset_s is not None and born_s != NOT_NEW:
            yield f"{family.base_name}_created{labels} {born_s + offset_s:.3f}\n"


def histogram_lines(
    name: str,
    bounds: tuple[float, ...],
    rows: Iterable[HistogramRow],
    is_open: bool,
    offset_s: float | None,
) -> Iterator[str]:
    """Yield the samples of each row in one piece; see `scalar_lines` for the arguments."""
    ends = tuple(f'le="{_number(bound)}"}} ' for bound in (*bounds, float("inf")))
    for text, counts, total, exemplars, born_s in rows:
        # A reload in the middle of this scrape may have changed the buckets.
        if len(counts) != len(ends):
            continue
        labels = f"{{{text}}}" if text else ""
        start = f"{name}_bucket{{{text}," if text else f"{name}_bucket{{"
        lines, count = _bucket_lines(start, ends, counts, exemplars if is_open else None)
        lines.append(f"{name}_count{labels} {count}\n")
        lines.append(f"{name}_sum{labels} {_number(total)}\n")
        if offset_s is not None and born_s != NOT_NEW:
            lines.append(f"{name}_created{labels} {born_s + offset_s:.3f}\n")
        yield "".join(lines)


def _bucket_lines(
    start: str,
    ends: tuple[str, ...],
    counts: list[float],
    exemplars: list[Exemplar | None] | None,
) -> tuple[list[str], str]:
    lines: list[str] = []
    cumulative = 0.0
    shown = "0.0"
    for at, (end, count) in enumerate(zip(ends, counts, strict=True)):
        if count:
            cumulative += count
            shown = _whole(cumulative)
        exemplar = exemplars[at] if exemplars else None
        tail = _exemplar(exemplar) if exemplar else ""
        lines.append(f"{start}{end}{shown}{tail}\n")
    return lines, shown


def _whole(count: float) -> str:
    """Render a weighted count as the whole number that OpenMetrics asks for.

    Rounding keeps order, so buckets stay cumulative and never fall from scrape to scrape.
    """
    rounded = round(count)
    return f"{rounded}.0" if rounded < 1_000_000 else _number(rounded)


def _exemplar(exemplar: Exemplar) -> str:
    (trace_id, span_id, unix_s), value = exemplar
    span = f',span_id="{span_id.hex()}"' if len(span_id) == 8 else ""
    return f' # {{trace_id="{trace_id.hex()}"{span}}} {_number(value)} {unix_s:.3f}'
