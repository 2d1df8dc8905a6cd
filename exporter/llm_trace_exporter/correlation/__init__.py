"""Counting each thing once: deduplication, nesting, copies, settling."""

from __future__ import annotations

from .correlator import Correlator
from .decisions import Decision, Decisions, Key
from .limits import Limits, Memory, Output
from .memory_codec import Part, Saved, UnreadablePart, merged, relabelled, relabelled_record
from .merge import SLACK_NS
from .trace_summaries import TraceLimits, WholeTraces

__all__ = [
    "SLACK_NS",
    "Correlator",
    "Decision",
    "Decisions",
    "Key",
    "Limits",
    "Memory",
    "Output",
    "Part",
    "Saved",
    "TraceLimits",
    "UnreadablePart",
    "WholeTraces",
    "merged",
    "relabelled",
    "relabelled_record",
]
