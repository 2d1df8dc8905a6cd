"""Counting each thing once: deduplication, nesting, copies, settling."""

from __future__ import annotations

from .limits import Limits, Memory, Output
from .memory import Part, Saved, UnreadablePart, moved_reading, together
from .merge import SLACK_NS
from .pipeline import Pipeline
from .whole_traces import TraceLimits, WholeTraces

__all__ = [
    "SLACK_NS",
    "Limits",
    "Memory",
    "Output",
    "Part",
    "Pipeline",
    "Saved",
    "TraceLimits",
    "UnreadablePart",
    "WholeTraces",
    "moved_reading",
    "together",
]
