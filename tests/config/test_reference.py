"""The configuration page of the docs."""

from __future__ import annotations

from pathlib import Path

import pytest

from llm_trace_exporter.config.bind import load_schema
from llm_trace_exporter.reference.config import main, render_reference

PAGE = Path(__file__).parents[2] / "docs" / "configuration.md"


def test_page_is_up_to_date() -> None:
    assert PAGE.read_text(encoding="utf-8") == render_reference()
    assert main(["--check", str(PAGE)]) == 0


def test_stale_page_is_told_and_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page = tmp_path / "configuration.md"
    assert main(["--check", str(page)]) == 1
    assert "stale" in capsys.readouterr().err
    assert main([str(page)]) == 0
    assert main(["--check", str(page)]) == 0


def test_page_has_every_section() -> None:
    page = render_reference()
    for key in load_schema()["properties"]:
        assert f"## {key}\n" in page or f"### `{key}`\n" in page
