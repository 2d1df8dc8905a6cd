"""The headline numbers of a store, per model: what `replay --summary` and `make run` print."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from rich.table import Table
from rich.text import Text

from ..metrics.store import Store

_JUDGED = ("pass", "fail")


@dataclass(slots=True)
class ModelSummary:
    """One model's numbers."""

    provider: str
    model: str
    requests: float = 0.0
    errors: float = 0.0
    input_tokens: float = 0.0
    output_tokens: float = 0.0
    cost_usd: float = 0.0
    unpriced: float = 0.0
    """Calls without a price."""
    judged: float = 0.0
    """Verdicts that passed or failed."""
    failed: float = 0.0
    bounds: tuple[float, ...] = ()
    counts: list[float] = field(default_factory=list)
    """Calls per duration bucket."""

    @property
    def p95_s(self) -> float | None:
        """Estimated 95th percentile of the duration, as `histogram_quantile` estimates it."""
        return quantile(0.95, self.bounds, self.counts)


def quantile(q: float, bounds: tuple[float, ...], counts: list[float]) -> float | None:
    """A quantile of a classic histogram, linear within its bucket; None without observations.

    In the last bucket, which has no upper bound, it is the highest bound, as in Prometheus.
    """
    total = sum(counts)
    if not total:
        return None
    rank, below = q * total, 0.0
    for index, count in enumerate(counts):
        if below + count >= rank and count:
            if index == len(bounds):
                return bounds[-1]
            lower = bounds[index - 1] if index else 0.0
            return lower + (bounds[index] - lower) * (rank - below) / count
        below += count
    return bounds[-1]


def summarise(store: Store) -> list[ModelSummary]:
    """Numbers per (provider, model), the most expensive first."""
    found: dict[tuple[str, str], ModelSummary] = {}

    def row(labels: dict[str, str]) -> ModelSummary:
        key = (labels.get("provider", ""), labels.get("model", ""))
        return found.setdefault(key, ModelSummary(*key))

    for labels, series in _series(store, "llm_requests_total"):
        row(labels).requests += series.value
        row(labels).errors += series.value if labels["outcome"] == "error" else 0
    for labels, series in _series(store, "llm_tokens_total"):
        is_output = labels["type"] in ("output", "reasoning", "audio_output")
        if is_output:
            row(labels).output_tokens += series.value
        else:
            row(labels).input_tokens += series.value
    for labels, series in _series(store, "llm_cost_usd_total"):
        row(labels).cost_usd += series.value
    for labels, series in _series(store, "llm_unpriced_requests_total"):
        row(labels).unpriced += series.value
    for labels, series in _series(store, "llm_request_duration_seconds"):
        at = row(labels)
        at.bounds = series.bounds
        at.counts = [a + b for a, b in zip(at.counts or [0.0] * 99, series.counts, strict=False)]
    for labels, series in _series(store, "llm_judge_verdicts_total"):
        _add_verdict(found, labels, series.value)
    return sorted(found.values(), key=lambda s: (-s.cost_usd, -s.requests, s.model))


def _add_verdict(
    found: dict[tuple[str, str], ModelSummary], labels: dict[str, str], n: float
) -> None:
    """Verdicts know the judged model but not its provider."""
    model = labels.get("model", "")
    if labels["verdict"] not in _JUDGED or not n:
        return
    known = (one for (_, name), one in found.items() if model and name == model)
    summary = next(known, None) or found.setdefault(("", model), ModelSummary("", model))
    summary.judged += n
    summary.failed += n if labels["verdict"] == "fail" else 0


def _series(store: Store, name: str) -> Iterator[tuple[dict[str, str], Any]]:
    family = store.counters(name)
    with store.lock:
        for key, series in family.series.items():
            yield dict(zip(family.label_names, key, strict=True)), series


def render_summary(summaries: list[ModelSummary]) -> Table:
    """The table to print."""
    table = Table(box=None, pad_edge=False, header_style="bold", show_footer=len(summaries) > 1)
    total = _total(summaries)
    for title, justify, foot in zip(_TITLES, _JUSTIFY, _cells(total, "all"), strict=True):
        table.add_column(title, footer=foot, justify=justify, no_wrap=True)  # type: ignore[arg-type]
    for summary in summaries:
        table.add_row(*_cells(summary, summary.provider))
    return table


_TITLES = (
    "provider", "model", "requests", "errors", "input tok", "output tok", "cost USD", "unpriced",
    "p95 s", "judge fail",
)  # fmt: skip
_JUSTIFY = ("left", "left", *["right"] * 8)


def _cells(summary: ModelSummary, provider: str) -> list[Text]:
    p95_s = summary.p95_s
    judged = f"{summary.failed / summary.judged:.0%}" if summary.judged else "-"
    cells = (
        provider or "-",
        summary.model or "-",
        f"{summary.requests:,.0f}",
        f"{summary.errors:,.0f}",
        f"{summary.input_tokens:,.0f}",
        f"{summary.output_tokens:,.0f}",
        f"{summary.cost_usd:,.6f}",
        f"{summary.unpriced:,.0f}",
        f"{p95_s:.2f}" if p95_s is not None else "-",
        f"{judged} of {summary.judged:,.0f}" if summary.judged else judged,
    )
    # Names come from outside: no markup in them is interpreted.
    return [Text(cell) for cell in cells]


def _total(summaries: list[ModelSummary]) -> ModelSummary:
    total = ModelSummary("", "")
    for one in summaries:
        total.requests += one.requests
        total.errors += one.errors
        total.input_tokens += one.input_tokens
        total.output_tokens += one.output_tokens
        total.cost_usd += one.cost_usd
        total.unpriced += one.unpriced
        total.judged += one.judged
        total.failed += one.failed
        total.bounds = one.bounds or total.bounds
        if one.counts:
            total.counts = [
                a + b for a, b in zip(total.counts or [0.0] * 99, one.counts, strict=False)
            ]
    return total
