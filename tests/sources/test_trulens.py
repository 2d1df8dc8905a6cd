"""TruLens' own file: once per record and metric, however often it was written."""

from __future__ import annotations

import shutil
import sqlite3
from dataclasses import replace
from pathlib import Path

import pytest

from llm_trace_exporter.app.sources import client_of
from llm_trace_exporter.config.settings import JudgesSettings, ScoreSettings
from llm_trace_exporter.config.source_settings import SourceSettings
from llm_trace_exporter.sources import trulens
from llm_trace_exporter.sources.registry import SYSTEMS
from llm_trace_exporter.sources.system import Walk
from tests.sources.conftest import Watched
from tests.sources.standin import RECORDED, Phoenix, StandIn, loaded
from tests.sources.test_recorded_scores import revisions, verdicts

SYSTEM = SYSTEMS["trulens"]
WALK = Walk("shop-bot", 0, 0, 1 << 62)
JUDGES = JudgesSettings(by_dialect={"trulens": ScoreSettings(pass_threshold=0.5)})


@pytest.fixture
def source(tmp_path: Path) -> Watched:
    file = tmp_path / "trulens.sqlite"
    shutil.copy(RECORDED / "trulens/trulens.sqlite", file)
    settings = SourceSettings(
        "it", "trulens", f"sqlite://{file}", ("shop-bot",), mode="calls+scores",
        start_at_s=86_400.0, timezone="America/New_York",
    )  # fmt: skip
    watched = Watched(settings, StandIn(Phoenix(0)), tmp_path / "state.db")
    watched.engine.apply(replace(watched.engine.settings, judges=JUDGES))
    return watched


def truth() -> dict[tuple[str, str, str], float]:
    told = loaded("trulens", "expected")["scores_once_per_record_and_metric"]
    return {(name.split("/")[0], "llm", name.split("/")[1]): n for name, n in told.items()}


@pytest.mark.parametrize("polls", [1, 3])
def test_first_of_a_record_and_metric_counts(source: Watched, polls: int) -> None:
    for _ in range(polls):
        source.poll()
    at = source.samples()
    assert verdicts(at) == truth()
    assert revisions(at) == {}
    assert at.total("llm_exporter_unmatched_evaluations_total") == 0


def test_calls_once_over_crashes(source: Watched) -> None:
    for _ in range(3):
        source.poll()
        source.crash()
        source.engine.apply(replace(source.engine.settings, judges=JUDGES))
    at = source.samples()
    expected = loaded("trulens", "expected")["calls"]
    assert at.total("llm_requests_total") == expected["generations"]
    assert at.total("llm_requests_total", outcome="error") == expected["errors"]
    assert {s.labels["service"] for s in at.matching("llm_requests_total")} == {"shop-bot"}
    assert verdicts(at) == truth()


def test_a_score_joins_the_trace_of_its_record(source: Watched) -> None:
    (ask, *_) = SYSTEM.first(WALK)
    page = SYSTEM.read(WALK, ask, client_of(source.settings).fetch(ask))
    traces = loaded("trulens", "expected")["record_to_trace"]
    assert len(page.scores) == sum(truth().values())
    assert {told.item.trace_id.hex() for told in page.scores} <= set(traces.values())
    assert all(told.item.trace_id.hex() == traces[told.target] for told in page.scores)


def test_times_are_of_the_zone_that_is_set(source: Watched) -> None:
    source.poll()
    lag_s = source.samples().total("llm_exporter_source_lag_seconds")
    assert 0 < lag_s < 600


def test_a_file_that_is_none(source: Watched, tmp_path: Path) -> None:
    for content in (None, b"", b"no database at all"):
        file = Path(source.settings.url.removeprefix("sqlite://"))
        file.unlink(missing_ok=True)
        if content is not None:
            file.write_bytes(content)
        assert source.poll() < source.settings.interval_s
    assert source.samples().total("llm_exporter_source_up", source="it") == 0
    assert tmp_path.exists()


@pytest.mark.parametrize("at_once", [1, 2, 100])
def test_a_row_that_cannot_be_read_ends_no_page(
    source: Watched, at_once: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trulens, "_AT_ONCE", at_once)
    kinds = "json_extract(record_attributes, '$.\"ai.observability.span_type\"')"
    with sqlite3.connect(source.settings.url.removeprefix("sqlite://")) as db:
        first = db.execute(f"SELECT min(rowid) FROM trulens_events WHERE {kinds} = 'eval_root'")
        db.execute("UPDATE trulens_events SET timestamp = 7 WHERE rowid = ?", first.fetchone())
    for _ in range(2):
        source.poll()
    at = source.samples()
    assert sum(verdicts(at).values()) == sum(truth().values()) - 1
    assert at.total("llm_exporter_source_unreadable_rows_total") == 2


def test_it_is_never_written(source: Watched) -> None:
    file = Path(source.settings.url.removeprefix("sqlite://"))
    before = file.read_bytes()
    with sqlite3.connect(file) as db:
        db.execute("BEGIN IMMEDIATE")
        source.poll()
    assert file.read_bytes() == before
