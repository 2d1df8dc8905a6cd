"""Finish reasons of every provider and SDK in the catalogue's words."""

from __future__ import annotations

from functools import lru_cache

from ..model import FinishReason
from ..otlp.records import Value
from .coerce import texts

_REASONS: dict[str, FinishReason] = {
    "stop": "stop",
    "end_turn": "stop",
    "stop_sequence": "stop",
    "finish_reason_stop": "stop",
    "complete": "stop",
    "completed": "stop",
    "eos": "stop",
    "eos_token": "stop",
    "end": "stop",
    "length": "length",
    "max_tokens": "length",
    "max_output_tokens": "length",
    "model_length": "length",
    "finish_reason_max_tokens": "length",
    "model_context_window_exceeded": "length",
    "incomplete": "length",
    "tool_calls": "tool_calls",
    "tool_call": "tool_calls",
    "tool_use": "tool_calls",
    "function_call": "tool_calls",
    "tool_execution": "tool_calls",
    "pause_turn": "tool_calls",
    "content_filter": "content_filter",
    "content_filtered": "content_filter",
    "guardrail_intervened": "content_filter",
    "safety": "content_filter",
    "recitation": "content_filter",
    "blocklist": "content_filter",
    "prohibited_content": "content_filter",
    "spii": "content_filter",
    "refusal": "refusal",
}

_REMEMBERED_CHARS = 64

_SILENT = {"error", "unknown", "finish_reason_unspecified", "unspecified", "null"}
"""What instrumentations write when there is no reason to tell."""


def finish_reasons(value: Value) -> tuple[FinishReason, ...]:
    """The finish reasons of one answer.

    One reason per choice; equal reasons are told once, because some emitters repeat the reason on
    every chunk of a stream.
    """
    if value is None:
        return ()
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
    if isinstance(value, str) and len(value) <= _REMEMBERED_CHARS:
        return _short_reasons(value)
    return _reasons(value)


def finished_in_error(value: Value) -> bool:
    """Whether an answer's only reason to end is that it failed, whatever the status says."""
    words = {word.rpartition(".")[2].lower() for word in texts(value)}
    return words == {"error"}


def _reasons(value: Value) -> tuple[FinishReason, ...]:
    found: dict[FinishReason, None] = {}
    for written in texts(value):
        word = written.rpartition(".")[2].lower().replace("-", "_").replace(" ", "_")
        if word and word not in _SILENT:
            found[_REASONS.get(word, "other")] = None
    return tuple(found)


_short_reasons = lru_cache(maxsize=1_024)(_reasons)
