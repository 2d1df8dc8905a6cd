"""Counting each thing once: deduplication, nesting, copies, settling."""

from __future__ import annotations

from .correlator import Pipeline
from .limits import Limits, Memory, Output
from .memory_codec import Part, Saved, UnreadablePart, moved_reading, together
from .trace_summaries import TraceLimits, WholeTraces

__all__ = [
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
