"""What was measured, as a table and as JSON."""

from __future__ import annotations

import platform
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Literal

from rich.table import Table

Better = Literal["higher", "lower"]


@dataclass(frozen=True, slots=True)
class Row:
    """One quantity."""

    group: str
    name: str
    unit: str
    better: Better
    exporter: float
    baseline: float | None = None
    """None where the baseline does not do this at all."""
    budget: float | None = None
    """What `exporter` should reach (higher is better) or stay under (lower is better)."""

    @property
    def times_better(self) -> float | None:
        """How many times better than the baseline; below 1 it is worse."""
        if not self.baseline or not self.exporter:
            return None
        ratio = self.exporter / self.baseline
        return ratio if self.better == "higher" else 1 / ratio

    @property
    def within_budget(self) -> bool | None:
        """Whether the budget holds; None without one."""
        if self.budget is None:
            return None
        if self.better == "higher":
            return self.exporter >= self.budget
        return self.exporter <= self.budget


def machine() -> str:
    """When and where something is measured."""
    now = datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")
    return f"{now}, Python {platform.python_version()}, {platform.system()} {platform.machine()}"


def records(rows: Sequence[Row]) -> list[dict[str, object]]:
    """The rows for JSON, with what follows from them."""
    return [
        {**asdict(r), "times_better": r.times_better, "within_budget": r.within_budget}
        for r in rows
    ]


def render(rows: Sequence[Row], title: str, *, beside: str = "baseline") -> Table:
    """The rows as a table, one section for each group, with the name of what stands beside."""
    table = Table(title=title, title_justify="left")
    for heading in ("", "unit"):
        table.add_column(heading)
    for heading in ("exporter", "budget", beside, "times better"):
        table.add_column(heading, justify="right")
    group = ""
    for row in rows:
        if row.group != group:
            if group:
                table.add_section()
            table.add_row(f"[bold]{row.group}")
            group = row.group
        table.add_row(
            f"  {row.name}",
            row.unit,
            _shown(row.exporter),
            _budget(row),
            "-" if row.baseline is None else _shown(row.baseline),
            "-" if row.times_better is None else f"{row.times_better:.2f}",
        )
    return table


def _budget(row: Row) -> str:
    if row.budget is None:
        return ""
    sign = "≥" if row.better == "higher" else "≤"
    colour, word = ("green", "ok") if row.within_budget else ("red", "missed")
    return f"{sign} {_shown(row.budget)} [{colour}]{word}[/]"


def _shown(number: float) -> str:
    if abs(number) >= 100:
        return f"{number:,.0f}"
    return f"{number:.3g}"
