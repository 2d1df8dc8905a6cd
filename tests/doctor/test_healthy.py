"""A set-up in which all is well."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.doctor.conftest import Healthy
from tests.doctor.worlds import Told, address, ask
from tests.e2e.process import run


@pytest.fixture(scope="module")
def told(healthy: Healthy) -> Told:
    return ask(healthy.watch.base, f"--exporter={healthy.exporter.web}", code=0)


def test_nothing_is_wrong(told: Told) -> None:
    assert not told.problems
    for check in ("server", "scraped", "labels", "exemplars", "traffic", "loaded"):
        assert told.of(check, "ok"), check
    assert "alerts go nowhere" in told.one("alertmanager", "warning", "")["what"]


def test_the_exporter_is_named(told: Told, healthy: Healthy) -> None:
    (found,) = told.of("scraped")
    assert found["where"] == [f"{address(healthy.exporter)} (llm)"]


def test_counters_are_kept_on_disk(told: Told) -> None:
    assert "in memory" not in str(told.of("health"))


def test_what_nobody_uses_sleeps(told: Told) -> None:
    found = told.one("series", "note", "built-in judge is off")
    assert "LLMJudgeRunsFailing (warning)" in found["where"]
    found = told.one("panels", "note", "no budgets are configured")
    assert "Cost & budgets: Spent of the budget" in found["where"]


def test_rules_that_watch_running_things_are_awake(told: Told) -> None:
    named = {name for f in told.of("series", "note") for name in f["where"]}
    assert not named & {"LLMErrorBudgetBurn (critical)", "LLMExporterAbsent (critical)"}


def test_people_read_the_same(healthy: Healthy) -> None:
    output, errors = run("doctor", f"--prometheus={healthy.watch.base}/")
    assert not errors
    assert output.startswith(healthy.watch.base + "\n\nPrometheus\n")
    assert all(line == line.rstrip() and len(line) <= 110 for line in output.splitlines())
    assert "1 exporter seen" in output
    assert output.splitlines()[-1].endswith(" passed.")


def test_a_warning_can_be_a_failure(healthy: Healthy) -> None:
    ask(healthy.watch.base, "--fail-on=warning", code=1)


def test_rules_and_dashboards_of_ones_own(healthy: Healthy, tmp_path: Path) -> None:
    (tmp_path / "own.yml").write_text("groups: [{name: x, rules: [{alert: Mine, expr: up}]}]")
    (tmp_path / "own.json").write_text(
        '{"title": "Own", "panels": [{"title": "P", "targets": [{"expr": "llm_reqests_total"}]}]}'
    )
    told = ask(
        healthy.watch.base, f"--rules={tmp_path}", f"--dashboards={tmp_path}", code=1
    )  # fmt: skip
    assert told.one("loaded", "note", "not loaded")["where"] == ["Mine"]
    assert "no metric llm_reqests_total" in told.one("panels", "problem", "1 panel")["what"]
