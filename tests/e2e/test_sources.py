"""A running exporter reads a store; killed in between, it counts each score once."""

from __future__ import annotations

from pathlib import Path
from threading import Event
from typing import Any

import requests

from tests.e2e.process import running, wait_for
from tests.facts import Samples
from tests.sources.standin import Answer, Phoenix, Query, StandIn, serving

JUDGES = "llm_judge_verdicts_total"


def _config(stand_in: StandIn, folder: Path, **more: Any) -> dict[str, Any]:
    source = {
        "name": "phoenix", "system": "phoenix", "url": stand_in.url, "projects": ["shop-22"],
        "interval": "5s", "lookback": "30d", "start_at": "30d",
    }  # fmt: skip
    return {
        "zero_hold": "0s", "decision_wait": "0s", "limits": {"evaluation_wait": "0s"},
        "state": {"path": str(folder / "state.db")}, "sources": [source], **more,
    }  # fmt: skip


class _Always(Phoenix):
    """The recording, whatever the clock says."""

    def answer(self, path: str, query: Query, body: Any) -> Answer:
        always = {**query, "start_time": ["2026-01-01T00:00:00+00:00"]}
        for row in self.spans:
            row["start_time"] = "2125-01-01T00:00:00+00:00"
        for rows in self.annotations.values():
            for row in rows:
                row["updated_at"] = "2125-01-01T00:00:00+00:00"
        return super().answer(path, always, body)


def _scored(at: Samples) -> float:
    """Verdicts but that of the judge that broke, which two polls are needed to tell."""
    return at.total(JUDGES) - at.total(JUDGES, verdict="error")


def test_it_is_read_once_over_a_kill(tmp_path: Path) -> None:
    with serving(_Always(1)) as stand_in:
        config = _config(stand_in, tmp_path)
        with running(tmp_path / "one", config=config) as exporter:
            wait_for(lambda: _scored(exporter.metrics()) == 5, "verdicts")
            exporter.process.kill()
            exporter.process.wait()
        before = len(stand_in.asked)
        with running(tmp_path / "two", config=config) as exporter:
            wait_for(lambda: len(stand_in.asked) > before + 3, "another poll")
            at = exporter.metrics()
            assert _scored(at) == 5
            assert at.total("llm_exporter_source_up", source="phoenix") == 1


def test_a_store_that_hangs_keeps_nobody_waiting(tmp_path: Path) -> None:
    release = Event()

    class Hanging(Phoenix):
        def answer(self, path: str, query: Query, body: Any) -> Answer:
            release.wait(30)
            return super().answer(path, query, body)

    with serving(Hanging(1)) as stand_in:
        config = _config(stand_in, tmp_path)
        with running(tmp_path / "one", config=config) as exporter:
            wait_for(lambda: stand_in.asked, "a request")
            verdict = {"judge": "now", "label": "pass", "id": "1"}
            answer = requests.post(f"{exporter.http}/v1/verdicts", json=verdict, timeout=5)
            assert answer.status_code == 200
            wait_for(lambda: exporter.metrics().total(JUDGES, judge="now") == 1, "a verdict")
            release.set()
