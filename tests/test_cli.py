"""The command line, called in this process."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from llm_trace_exporter.cli import main
from tests.test_corpus import CORPUS

BROKEN = '{"resourceSpans": "x"}'


def test_a_broken_file_in_a_folder_stops_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copy(CORPUS / "openlit" / "005.traces.pb", tmp_path)
    assert main(["replay", "--summary", str(tmp_path)]) == 0
    alone = capsys.readouterr().out
    (tmp_path / "a.traces.json").write_text(BROKEN)
    assert main(["replay", "--summary", str(tmp_path)]) == 0
    captured = capsys.readouterr()
    assert captured.out == alone
    assert "a.traces.json: passed over" in captured.err


def test_a_broken_file_that_was_asked_for_is_an_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "a.traces.json"
    file.write_text(BROKEN)
    assert main(["replay", str(file)]) == 1
    assert "a.traces.json" in capsys.readouterr().err
