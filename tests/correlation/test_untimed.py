"""Calls without an end, or with one before their start, count and have no duration."""

from __future__ import annotations

from pathlib import Path

import pytest
from msgspec.structs import replace

from llm_trace_exporter.otlp.records import RawSpan
from tests.facts import Samples
from tests.spans import chat, raw_span
from tests.storage.machine import Machine

DURATION = "llm_request_duration_seconds"
IMPLAUSIBLE = "llm_exporter_implausible_values_total"


def endless(span: RawSpan, end_ns: int = 0) -> RawSpan:
    return replace(span, end_ns=end_ns)


def counted(folder: Path, *spans: RawSpan) -> Samples:
    """What a process shows that has got these, and then nothing for a long time."""
    machine = Machine(folder / "state.db")
    machine.send(*spans)
    machine.settle()
    machine.tick(400)
    return machine.shown()


@pytest.mark.parametrize("end_ns", [0, 5])
def test_a_call_without_a_true_end_counts_without_a_duration(end_ns: int, tmp_path: Path) -> None:
    at = counted(tmp_path, endless(raw_span(chat((10, 5))), end_ns))
    assert (at.total("llm_requests_total"), at.total("llm_tokens_total")) == (1, 15)
    assert at.total("llm_traces_total") == 1
    assert at.total(f"{DURATION}_count") == at.total("llm_trace_duration_seconds_count") == 0
    assert at.by(IMPLAUSIBLE, "field") == {"call": 1, "trace": 1}


def test_a_told_duration_stands_in_for_the_end(tmp_path: Path) -> None:
    told = {"span.type": "llm_request", "model": "m", "input_tokens": 3, "duration_ms": 1500}
    scope = "com.anthropic.claude_code"
    at = counted(tmp_path, endless(raw_span(told, scope=scope, parent=b"outside!")))
    assert (at.total(f"{DURATION}_count"), at.total(f"{DURATION}_sum")) == (1, 1.5)
    assert at.by(IMPLAUSIBLE, "field") == {}


def test_a_wrapper_with_an_end_gives_it_to_the_call_within(tmp_path: Path) -> None:
    outer = raw_span(chat((10, 5)), scope="wrapper", duration_s=3)
    inner = raw_span(chat((10, 5)), scope="sdk", trace=outer.trace_id, parent=outer.span_id)
    at = counted(tmp_path, outer, endless(inner))
    assert at.total("llm_requests_total") == 1
    assert (at.total(f"{DURATION}_count"), at.total(f"{DURATION}_sum")) == (1, 3)
    assert at.by(IMPLAUSIBLE, "field") == {}
