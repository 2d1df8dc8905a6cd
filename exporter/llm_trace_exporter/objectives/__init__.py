"""What is aimed at: targets that alerts compare with, and budgets by the calendar."""

from __future__ import annotations

from .budgets import Budget, Budgets, Figures
from .periods import PERIODS, Period, span_of
from .slos import Target, effective

__all__ = ["PERIODS", "Budget", "Budgets", "Figures", "Period", "Target", "effective", "span_of"]
