"""Counting each thing once: deduplication, nesting, copies, settling."""

from __future__ import annotations

from .pipeline import Limits, Output, Pipeline

__all__ = ["Limits", "Output", "Pipeline"]
