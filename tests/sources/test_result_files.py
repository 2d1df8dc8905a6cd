"""Result files of real runs: their cases by verdict, and never production."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from llm_trace_exporter.config.source_settings import SourceSettings
from llm_trace_exporter.sources.http import MAX_BODY_BYTES
from tests.facts import Samples
from tests.sources.conftest import NOW, Watched
from tests.sources.standin import RECORDED, Phoenix, StandIn, loaded

FILES = {"promptfoo": "out.json", "deepeval": "test_run.json", "inspect_ai": "run.eval"}
SUITES = {"promptfoo": "**/*", "deepeval": "**/*", "inspect_ai": "shop"}
IN_WORDS: dict[str, dict[str, dict[str, float]]] = {
    # Without a threshold its scores are no verdicts; the sample without one is a scorer that broke.
    "inspect_ai": {"flaky": {"unscored": 2, "error": 1}},
}
Begin = Callable[[str], Watched]


@pytest.fixture
def begin(tmp_path: Path) -> Begin:
    def made(system: str) -> Watched:
        folder = tmp_path / "results" / "nightly"
        folder.mkdir(parents=True)
        file = folder / FILES[system]
        shutil.copy(RECORDED / system / FILES[system], file)
        os.utime(file, (NOW.timestamp() - 60,) * 2)
        settings = SourceSettings("it", system, f"file://{folder.parent}", ("**/*",))
        return Watched(settings, StandIn(Phoenix(0)))

    return made


def cases(at: Samples) -> dict[str, dict[str, float]]:
    """Judge -> verdict -> cases."""
    found: dict[str, dict[str, float]] = {}
    for sample in at.matching("llm_eval_run_cases"):
        if sample.value:
            found.setdefault(sample.labels["judge"], {})[sample.labels["verdict"]] = sample.value
    return found


@pytest.mark.parametrize("system", FILES)
@pytest.mark.parametrize("polls", [1, 3])
def test_cases_are_what_happened(begin: Begin, system: str, polls: int) -> None:
    source = begin(system)
    for _ in range(polls):
        source.poll()
    at = source.samples()
    truth = {**loaded(system, "expected")["scores"], **IN_WORDS.get(system, {})}
    assert cases(at) == truth
    assert at.total("llm_judge_verdicts_total") == 0
    assert {s.labels["suite"] for s in at.matching("llm_eval_run_cases")} == {SUITES[system]}
    for judge, told in truth.items():
        judged = told.get("pass", 0) + told.get("fail", 0)
        if judged:
            ratio = at.total("llm_eval_run_failure_ratio", judge=judge)
            assert ratio == pytest.approx(told.get("fail", 0) / judged)


def test_the_last_run_is_shown(begin: Begin) -> None:
    source = begin("deepeval")
    source.poll()
    folder = Path(source.settings.url.removeprefix("file://"))
    text = (folder / "nightly/test_run.json").read_text()
    (folder / "newer.json").write_text(text.replace('"success": true', '"success": false'))
    os.utime(folder / "newer.json", (NOW.timestamp(),) * 2)
    source.poll()
    at = source.samples()
    assert cases(at)["correctness"] == {"fail": 4}
    assert at.total("llm_eval_run_timestamp_seconds", judge="correctness") == NOW.timestamp()


@pytest.mark.parametrize("system", FILES)
@pytest.mark.parametrize("content", [b"", b"{", b"PK\x03\x04", b'{"results": 1}', b"\xff\xfe"])
def test_what_is_none_takes_no_other_along(begin: Begin, system: str, content: bytes) -> None:
    source = begin(system)
    folder = Path(source.settings.url.removeprefix("file://"))
    (folder / "half-written").write_bytes(content)
    os.utime(folder / "half-written", (NOW.timestamp(),) * 2)
    assert source.poll() == source.settings.interval_s
    at = source.samples()
    assert cases(at)
    assert at.total("llm_exporter_source_unreadable_rows_total") == 1


@pytest.mark.parametrize("system", FILES)
def test_one_that_is_too_large_takes_no_other_along(
    begin: Begin, system: str, caplog: pytest.LogCaptureFixture
) -> None:
    source = begin(system)
    folder = Path(source.settings.url.removeprefix("file://"))
    with (folder / "large").open("wb") as file:
        file.truncate(MAX_BODY_BYTES + 1)
    os.utime(folder / "large", (NOW.timestamp() - 120,) * 2)
    assert source.poll() == source.settings.interval_s
    at = source.samples()
    assert cases(at)
    assert at.total("llm_exporter_source_unreadable_rows_total") == 1
    assert f"more than {MAX_BODY_BYTES} bytes" in caplog.text


def test_nothing_is_read_outside_of_the_folder(begin: Begin, tmp_path: Path) -> None:
    source = begin("deepeval")
    folder = Path(source.settings.url.removeprefix("file://"))
    outside = tmp_path / "outside.json"
    (folder / "nightly/test_run.json").rename(outside)
    (folder / "link.json").symlink_to(outside)
    source.poll()
    assert cases(source.samples()) == {}


def test_a_folder_that_is_not_there(begin: Begin) -> None:
    source = begin("deepeval")
    shutil.rmtree(source.settings.url.removeprefix("file://"))
    for _ in range(3):
        source.poll()
    assert source.samples().total("llm_exporter_source_up", source="it") == 0
