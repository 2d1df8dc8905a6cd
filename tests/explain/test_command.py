"""What `explain` says where a file holds more than it explains at once."""

from __future__ import annotations

import argparse
import json

import pytest

from llm_trace_exporter.cli import explain
from llm_trace_exporter.explain import Arrival, DecisionLog


def feed(log: DecisionLog) -> None:
    """Twelve traces of one span each, and what cannot be read."""
    for number in range(12):
        trace_id, span_id = number.to_bytes(16, "big"), b"spanspan"
        log.received([Arrival(trace_id, span_id, b"", b"", "span", "chat", number, "semconv")])
    log.rejected(["missing start time"] * 2)


def asked(trace: bytes | None = None, *, as_json: bool = False) -> argparse.Namespace:
    return argparse.Namespace(trace=trace, json=as_json, paths=["file"])


def test_what_is_left_out_is_told(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(explain, "MAX_RECORDS", 10)
    assert explain.explain(asked(), feed) == 0
    output, errors = capsys.readouterr()
    assert output.count("trace ") == 10
    assert "2 x not read: missing start time" in errors
    assert "only the last 10 records are explained" in errors

    assert explain.explain(asked(as_json=True), feed) == 0
    document = json.loads(capsys.readouterr().out)
    assert (len(document["traces"]), document["forgotten_traces"]) == (10, 2)
    assert document["unreadable_records"] == {"missing start time": 2}


def test_one_trace_is_found_in_any_number(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(explain, "MAX_RECORDS", 1)
    assert explain.explain(asked((3).to_bytes(16, "big")), feed) == 0
    output, errors = capsys.readouterr()
    assert output.splitlines()[0].startswith(f"trace {3:032x}  1 record")
    assert "are explained" not in errors


def test_nothing_at_all_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert explain.explain(asked(), lambda _: None) == 0
    assert capsys.readouterr() == ("", "llm-trace-exporter: no span or log record in file\n")
