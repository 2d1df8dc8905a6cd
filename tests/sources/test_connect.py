"""`check --connect`: what a source answers, in words for who sets it up."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from llm_trace_exporter.cli.main import main
from tests.sources.standin import MLflow, Phoenix, StandIn, serving


@pytest.fixture
def checked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Any:
    def run(stand_in: StandIn, system: str, project: str) -> tuple[int, str]:
        source = {
            "name": "it", "system": system, "url": stand_in.url, "projects": [project],
            "lookback": "30d",
        }  # fmt: skip
        file = tmp_path / "config.yml"
        file.write_text(yaml.safe_dump({"sources": [source]}))
        code = main(["check", str(file), "--connect"])
        return code, capsys.readouterr().out.splitlines()[-1]

    return run


def test_what_can_be_read(checked: Any) -> None:
    # Whatever the clock says: the recording has an age of its own.
    store = Phoenix(1)
    for row in store.spans:
        row["start_time"] = "2125-01-01T00:00:00+00:00"
    with serving(store) as stand_in:
        code, told = checked(stand_in, "phoenix", "shop-22")
    assert code == 0
    assert told == (
        "sources: it, project shop-22: can be read: 10 rows and more in its look-back, "
        "the newest of these of 2125-01-01T00:00:00+00:00"
    )
    assert len(stand_in.asked) == 1


def test_what_is_empty(checked: Any) -> None:
    store = MLflow(1)
    store.traces = []
    with serving(store) as stand_in:
        code, told = checked(stand_in, "mlflow", "13")
    assert code == 0
    assert told.endswith("can be read, and nothing is in its look-back")


def test_the_words_of_the_server(checked: Any) -> None:
    with serving(MLflow(1)) as stand_in:
        words = b"Invalid Host header - possible DNS rebinding attack detected"
        stand_in.trouble = [(403, words, {})]
        code, told = checked(stand_in, "mlflow", "13")
    assert code == 1
    assert told.endswith(f"cannot be read: HTTP status 403: {words.decode()}")
