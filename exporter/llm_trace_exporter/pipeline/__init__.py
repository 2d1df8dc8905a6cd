"""Counting each thing once: deduplication, nesting, copies, settling."""

from __future__ import annotations

from .limits import Limits, Memory, Output
from .pipeline import Pipeline
from .subjects import Judged
from .whole_traces import TraceLimits, WholeTraces

__all__ = ["Judged", "Limits", "Memory", "Output", "Pipeline", "TraceLimits", "WholeTraces"]
