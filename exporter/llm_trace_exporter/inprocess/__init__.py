"""Counting inside of a Python application, from the spans of its own OpenTelemetry SDK."""

from __future__ import annotations

from .processors import LLMMetricsLogProcessor, LLMMetricsSpanProcessor

__all__ = ["LLMMetricsLogProcessor", "LLMMetricsSpanProcessor"]
