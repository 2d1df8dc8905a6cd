"""Recorded requests to any consumer: the contract is all that a source needs."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from llm_trace_exporter.errors import DecodeError, ExporterError, Overloaded
from llm_trace_exporter.sources.file_replay import replay
from tests.otlp.conftest import RecordingConsumer
from tests.otlp.payloads import logs, traces

TRACES, LOGS = traces(), logs()


@pytest.fixture
def consumer() -> RecordingConsumer:
    made = RecordingConsumer()
    made.gate.set()
    return made


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "1.traces.pb").write_bytes(TRACES)
    (tmp_path / "2.logs.pb.gz").write_bytes(gzip.compress(LOGS))
    return tmp_path


def test_requests_come_in_the_order_of_the_files(folder: Path, consumer: RecordingConsumer) -> None:
    replay([str(folder)], consumer, pytest.fail)
    assert consumer.calls == [("traces", "protobuf", "file"), ("logs", "protobuf", "file")]


def test_what_is_no_otlp_is_passed_over_in_a_folder_only(
    folder: Path, consumer: RecordingConsumer
) -> None:
    (folder / "0.traces.json").write_text("{}{")
    notes: list[str] = []
    replay([str(folder)], consumer, notes.append)
    assert len(consumer.calls) == 2
    assert [note.partition(": ")[0] for note in notes] == [str(folder / "0.traces.json")]
    with pytest.raises(ExporterError, match=r"0\.traces\.json"):
        replay([str(folder / "0.traces.json")], consumer, pytest.fail)


def test_a_request_that_the_consumer_cannot_decode(
    folder: Path, consumer: RecordingConsumer
) -> None:
    consumer.failure = DecodeError("spans[0]: found 1; allowed: 2")
    notes: list[str] = []
    with pytest.raises(ExporterError, match="no OTLP requests"):
        replay([str(folder)], consumer, notes.append)
    assert len(notes) == 2
    with pytest.raises(ExporterError, match=r"allowed: 2"):
        replay([str(folder / "1.traces.pb")], consumer, pytest.fail)


def test_an_overloaded_consumer_ends_it(folder: Path, consumer: RecordingConsumer) -> None:
    consumer.failure = Overloaded("disk full")
    with pytest.raises(Overloaded):
        replay([str(folder)], consumer, pytest.fail)


def test_an_end_that_is_asked_for_leaves_the_rest(
    folder: Path, consumer: RecordingConsumer
) -> None:
    replay([str(folder)], consumer, pytest.fail, is_ending=lambda: bool(consumer.calls))
    assert len(consumer.calls) == 1
