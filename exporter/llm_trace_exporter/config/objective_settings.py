"""What is aimed at: targets and budgets."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal


@dataclass(frozen=True, slots=True)
class SloSettings:
    """What is aimed at."""

    slo: str
    target: float
    """The worst value that is fine."""
    match: Mapping[str, str] = field(default_factory=dict)
    """Labels of what it is for."""


@dataclass(frozen=True, slots=True)
class BudgetSettings:
    """What may be spent by the calendar."""

    name: str
    limit_usd: float
    period: Literal["daily", "weekly", "monthly", "quarterly"]
    timezone: str = "UTC"
    match: Mapping[str, str] = field(default_factory=dict)
    """Patterns for labels of what it is for."""
