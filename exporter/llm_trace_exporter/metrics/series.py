"""The series: a number, or the buckets of a histogram, under one set of label values.

Callers pass the monotonic time in, so that one clock reading serves a whole record. Amounts that
no real call can have (negative, NaN, beyond 1e15) change nothing: one of them would spoil a
counter for good.
"""

from __future__ import annotations

from bisect import bisect_left
from typing import TypeAlias

MAX_AMOUNT = 1e15
"""Beyond it doubles lose single units, and no call has that many of anything."""

NOT_NEW = float("-inf")
"""Birth of a series that Prometheus has seen before or must not see as 0."""

TraceRef: TypeAlias = tuple[bytes, bytes, float]
"""Where to look: (trace id, span id or empty, Unix seconds)."""

Exemplar: TypeAlias = tuple[TraceRef, float]
"""A mark and the value that was observed there."""

ScalarRow: TypeAlias = tuple[str, float, Exemplar | None, float]
"""(label text, value, exemplar, birth) of a counter or gauge, as rendered."""

HistogramRow: TypeAlias = tuple[str, list[float], float, list[Exemplar | None] | None, float]
"""(label text, counts per bucket, sum, exemplars per bucket, birth), as rendered."""


class Counter:
    """A number that only grows."""

    __slots__ = ("born_s", "exemplar", "text", "touched_s", "value")

    def __init__(self, text: str, now_s: float) -> None:
        """Start at 0; `text` is the rendered label set without braces."""
        self.text = text
        self.value = 0.0
        self.born_s = now_s
        self.touched_s = now_s
        self.exemplar: Exemplar | None = None

    def add(self, amount: float, now_s: float, trace_ref: TraceRef | None = None) -> None:
        """Grow by an amount; `trace_ref` says which trace did it."""
        self.touched_s = now_s
        if 0 < amount <= MAX_AMOUNT:
            self.value += amount
            if trace_ref is not None:
                self.exemplar = (trace_ref, float(amount))

    def row(self, born_after_s: float) -> ScalarRow:
        """Return what to render; 0 while the series is younger than `born_after_s`."""
        if self.born_s > born_after_s:
            return self.text, 0.0, None, self.born_s
        return self.text, self.value, self.exemplar, self.born_s

    def absorb(self, other: Counter) -> None:
        """Take over everything another series has counted."""
        self.value += other.value
        self.touched_s = max(self.touched_s, other.touched_s)
        self.exemplar = other.exemplar or self.exemplar


class Gauge:
    """A number that is what it was last set to."""

    __slots__ = ("born_s", "text", "touched_s", "value")

    def __init__(self, text: str, now_s: float) -> None:
        """Start at 0; `text` is the rendered label set without braces."""
        self.text = text
        self.value = 0.0
        self.born_s = now_s
        self.touched_s = now_s

    def set(self, value: float, now_s: float) -> None:
        """Replace the value."""
        self.value = float(value)
        self.touched_s = now_s

    def row(self, born_after_s: float) -> ScalarRow:  # noqa: ARG002 - gauges are never held at 0
        """Return what to render."""
        return self.text, self.value, None, NOT_NEW

    def absorb(self, other: Gauge) -> None:
        """Take over the value of another series."""
        self.value = other.value


class Histogram:
    """Weighted counts of observations per classic bucket, with their sum."""

    __slots__ = ("born_s", "bounds", "counts", "exemplars", "text", "total", "touched_s")

    def __init__(self, text: str, now_s: float, bounds: tuple[float, ...]) -> None:
        """Start empty; `bounds` are ascending upper bounds without +Inf."""
        self.text = text
        self.bounds = bounds
        self.counts = [0.0] * (len(bounds) + 1)
        self.total = 0.0
        self.born_s = now_s
        self.touched_s = now_s
        self.exemplars: list[Exemplar | None] | None = None

    def observe(
        self, value: float, weight: float, now_s: float, trace_ref: TraceRef | None = None
    ) -> None:
        """Count one observation that stands for `weight` of them."""
        self.touched_s = now_s
        if 0 <= value <= MAX_AMOUNT and 0 < weight <= MAX_AMOUNT:
            bucket = bisect_left(self.bounds, value)
            self.counts[bucket] += weight
            self.total += value * weight
            if trace_ref is not None:
                if self.exemplars is None:
                    self.exemplars = [None] * len(self.counts)
                self.exemplars[bucket] = (trace_ref, value)

    def row(self, born_after_s: float) -> HistogramRow:
        """Return a copy to render; empty while the series is younger than `born_after_s`."""
        if self.born_s > born_after_s:
            return self.text, [0.0] * len(self.counts), 0.0, None, self.born_s
        exemplars = self.exemplars and self.exemplars[:]
        return self.text, self.counts[:], self.total, exemplars, self.born_s

    def absorb(self, other: Histogram) -> None:
        """Take over everything another series with the same bounds has counted."""
        self.counts = [a + b for a, b in zip(self.counts, other.counts, strict=True)]
        self.total += other.total
        self.touched_s = max(self.touched_s, other.touched_s)
        self.exemplars = other.exemplars or self.exemplars


Series: TypeAlias = Counter | Gauge | Histogram


def escape_value(value: str) -> str:
    """Escape a label value; both text formats have the same rule."""
    return value.replace("\\", r"\\").replace("\n", r"\n").replace('"', r"\"")


def label_text(names: tuple[str, ...], values: tuple[str, ...]) -> str:
    """Render a label set without braces; a label whose value is empty is left out."""
    return ",".join(
        f'{name}="{escape_value(value)}"'
        for name, value in zip(names, values, strict=True)
        if value
    )
