"""How many series an input makes, by family and by label: the dry run before a label is added."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

from rich.table import Table
from rich.text import Text

from ..metrics.catalogue import FAMILIES
from ..metrics.labels_and_buckets import capped_as
from ..metrics.store import Store


@dataclass(frozen=True, slots=True)
class FamilyCost:
    """What one family takes."""

    name: str
    series: int
    """Label sets."""
    samples: int
    """Lines of a scrape; each is a series in Prometheus."""


@dataclass(frozen=True, slots=True)
class LabelCost:
    """How many values one label has."""

    name: str
    values: int
    cap: int
    """Distinct values that the configuration allows."""


def cost_of_families(store: Store) -> list[FamilyCost]:
    """Families with series, the most expensive first."""
    found = []
    for family in FAMILIES:
        held = store.counters(family.name)
        # Each bucket, +Inf, the sum and the count.
        lines = len(held.bounds) + 3 if family.type == "histogram" else 1
        if held.series:
            found.append(FamilyCost(family.name, len(held.series), len(held.series) * lines))
    return sorted(found, key=lambda cost: (-cost.samples, cost.name))


def cost_of_labels(store: Store, caps: dict[str, int], default_cap: int) -> list[LabelCost]:
    """Labels whose values come from outside, those with most values first.

    Args:
        store: Filled under caps that do not bind.
        caps: Distinct values by label that the configuration allows.
        default_cap: The same for labels not named.
    """
    values: dict[str, set[str]] = defaultdict(set)
    for family in FAMILIES:
        held = store.counters(family.name)
        for name in store.open_labels(family.name):
            at = held.label_names.index(name)
            values[capped_as(name)] |= {key[at] for key in held.series}
    costs = [
        LabelCost(name, len(found - {""}), caps.get(name, default_cap))
        for name, found in values.items()
        if found - {""}
    ]
    return sorted(costs, key=lambda cost: (-cost.values, cost.name))


def render_families(costs: list[FamilyCost]) -> Table:
    """The table of families to print."""
    table = _table("family", "label sets", "samples")
    for cost in costs:
        table.add_row(Text(cost.name), f"{cost.series:,}", f"{cost.samples:,}")
    table.add_row(
        Text("all"), f"{sum(c.series for c in costs):,}", f"{sum(c.samples for c in costs):,}"
    )
    return table


def render_labels(costs: list[LabelCost]) -> Table:
    """The table of labels to print."""
    table = _table("label", "values", "cap", "over the cap")
    for cost in costs:
        over = f"{cost.values - cost.cap:,} become other" if cost.values > cost.cap else "-"
        table.add_row(Text(cost.name), f"{cost.values:,}", f"{cost.cap:,}", over)
    return table


def _table(first: str, *others: str) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column(first, no_wrap=True)
    for title in others:
        table.add_column(title, justify="right", no_wrap=True)
    return table
