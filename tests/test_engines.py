"""What is counted does not depend on who reads requests."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from llm_trace_exporter.cli.main import main
from llm_trace_exporter.config import Settings
from llm_trace_exporter.engine.engine import Engine
from llm_trace_exporter.errors import ConfigError
from llm_trace_exporter.otlp import native
from llm_trace_exporter.otlp.native import EngineName
from tests.every import every
from tests.otlp.engines import needs_native
from tests.test_corpus import SOURCES, TRUSTING, replayed

# What tells of the process and of time, and not of what came in.
_OWN = re.compile(r"^(?:# |python_|process_|llm_exporter_(?:build_info|ingest_|scrape_|.*seconds))")


def counted(source: str, engine: EngineName) -> list[str]:
    page = replayed(source, replace(TRUSTING, engine=engine))
    return [line for line in page.splitlines() if not _OWN.match(line)]


def check(source: str) -> None:
    found = counted(source, "native")
    assert found == counted(source, "python")
    assert len(found) > 100


test_a_capture_counts_the_same_with_both_engines = needs_native(every(SOURCES)(check))


@pytest.mark.parametrize("engine", ["python", pytest.param("native", marks=needs_native)])
def test_build_info_says_who_reads(engine: EngineName) -> None:
    page = Engine(Settings(engine=engine)).exposition.render().body.decode()
    assert re.search(rf'^llm_exporter_build_info{{.*engine="{engine}".*}} 1', page, re.MULTILINE)


def test_without_the_native_engine_asking_for_it_is_a_configuration_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(native, "_module", None)
    assert Engine(Settings()).reads_with == "python"
    with pytest.raises(ConfigError, match="engine: native is not installed"):
        Engine(Settings(engine="native"))
    file = tmp_path / "config.yml"
    file.write_text("engine: native\n")
    assert main(["check", str(file)]) == 2
    assert "engine: native is not installed" in capsys.readouterr().err
