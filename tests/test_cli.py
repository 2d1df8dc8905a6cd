"""The command line, called in this process."""

from __future__ import annotations

import logging
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from llm_trace_exporter.cli.log_format import set_up_logging
from llm_trace_exporter.cli.main import main
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


@pytest.mark.parametrize(
    ("text", "note"), [("# all of it\n", " (nothing but defaults)"), ("decision_wait: 1m\n", "")]
)
def test_a_file_that_says_nothing_is_valid_and_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str, note: str
) -> None:
    file = tmp_path / "config.yml"
    file.write_text(text)
    for arguments in (["check", str(file)], ["serve", "--config.check", f"--config.file={file}"]):
        assert main(arguments) == 0
        assert capsys.readouterr().out == f"{file}: configuration is valid{note}\n"


def test_a_content_rule_without_its_library_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "config.yml"
    file.write_text("content_rules:\n  personal_data: 0.5\n  language: 0\n  refusal: 1\n")
    for package in ("py3langid", "phonenumbers", "stdnum"):
        monkeypatch.setitem(sys.modules, package, None)
    checked = ["serve", "--config.check", f"--config.file={file}"]
    for arguments in (["check", str(file)], checked, ["serve", f"--config.file={file}"]):
        assert main(arguments) == 2
        assert capsys.readouterr().err == (
            f"llm-trace-exporter: {file}:2: content_rules.personal_data: found phonenumbers and "
            "stdnum not installed; allowed: 0, or first: "
            "pip install 'llm-trace-exporter[content-rules]'\n"
        )


def test_check_takes_the_file_as_the_other_commands_do(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "config.yml"
    file.write_text("budgets: [{name: all, limit_usd: 5, period: daily}]\n")
    for arguments in (["check", "--config.file", str(file)], ["check", str(file)]):
        assert main(arguments) == 0
        told = capsys.readouterr()
        assert told.out == f"{file}: configuration is valid\n"
        assert told.err.startswith(f"llm-trace-exporter: {file}: warning: budgets: without state.")
    with pytest.raises(SystemExit):
        main(["check", str(file), f"--config.file={file}"])
    assert "the same" in capsys.readouterr().err


def test_a_path_that_is_not_there_is_told_so(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["replay", "/nonexistent"]) == 1
    assert capsys.readouterr().err == ("llm-trace-exporter: /nonexistent: no such file or folder\n")


@pytest.mark.parametrize(("level", "is_shown"), [("info", False), ("debug", True)])
def test_requests_of_the_judge_are_logged_at_debug(
    capsys: pytest.CaptureFixture[str], level: str, is_shown: bool
) -> None:
    root = logging.getLogger()
    before = (root.handlers, root.level)
    try:
        set_up_logging(level, "text")
        for name in ("httpx", "httpx2"):
            logging.getLogger(name).info("HTTP Request: POST http://judge")
        assert capsys.readouterr().err.count("http://judge") == 2 * is_shown
    finally:
        root.handlers, root.level = before


@pytest.mark.skipif(shutil.which("bash") is None, reason="no bash on PATH")
@pytest.mark.parametrize(
    ("words", "completed"),
    [
        ("", ["serve", "replay", "check"]),
        ("he", ["healthcheck"]),
        ("serve --otlp.h", ["--otlp.http.listen-address", "--otlp.http.config.file"]),
        ("check --con", ["--config.file"]),
        ("replay exam", []),
    ],
)
def test_bash_completes(
    capsys: pytest.CaptureFixture[str], words: str, completed: list[str]
) -> None:
    assert main(["completion", "bash"]) == 0
    script = capsys.readouterr().out
    given = " ".join(f"'{word}'" for word in ["llm-trace-exporter", *words.split(" ")])
    asked = f"COMP_WORDS=({given}); COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1)); _llm_trace_exporter"
    shown = 'printf "%s\\n" "${COMPREPLY[@]}"'
    done = subprocess.run(
        ["bash", "-c", f"{script}\n{asked}\n{shown}"], capture_output=True, text=True, check=True
    )
    found = done.stdout.split()
    assert set(completed) <= set(found) and bool(found) == bool(completed)
