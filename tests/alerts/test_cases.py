"""Every alert rings when it must, not a step before, and not on a good day: promtool says so."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest
import yaml

from tests.alerts.rules import CASE_FILES, Rule, alerts, cases

KINDS = ("firing", "boundary", "quiet")


# Days and weeks of scenes take promtool longer than all others together.
BY_LENGTH = [
    pytest.param(path, marks=[pytest.mark.long] * path.stem.endswith("-long"), id=path.stem)
    for path in CASE_FILES
]


@pytest.mark.parametrize("path", BY_LENGTH)
def test_promtool_agrees(promtool: str, path: Path) -> None:
    run = subprocess.run(
        [promtool, "test", "rules", path.name],
        cwd=path.parent, check=False, capture_output=True, text=True,
        # A quarter less time: each scene is a database of its own, gone before memory matters.
        env={**os.environ, "GOGC": "400"},
    )  # fmt: skip
    assert run.returncode == 0, run.stdout + run.stderr


@pytest.mark.parametrize("path", CASE_FILES, ids=lambda path: path.stem)
def test_what_is_recorded_comes_before_who_reads_it(path: Path) -> None:
    scenes = yaml.safe_load(path.read_text())
    files = [yaml.safe_load((path.parent / name).read_text()) for name in scenes["rule_files"]]
    # Without it promtool takes the groups in another order each time.
    assert scenes["group_eval_order"] == [g["name"] for file in files for g in file["groups"]]


@pytest.mark.parametrize("rule", alerts(), ids=lambda rule: rule.id)
def test_each_alert_is_tried_three_ways(rule: Rule) -> None:
    mine = {
        kind: [case for case in cases() if case.scene.startswith(f"{rule.name}: {kind}")
               and case.alert == rule.name]
        for kind in KINDS
    }  # fmt: skip
    fired = [alert for case in mine["firing"] for alert in case.expected]
    assert any(alert["exp_labels"]["severity"] == rule.severity for alert in fired)
    assert any(not case.expected for case in mine["boundary"])
    assert any(not case.expected for case in mine["quiet"])


@pytest.mark.parametrize("rule", alerts(), ids=lambda rule: rule.id)
def test_what_fires_has_every_label_that_it_speaks_of(rule: Rule) -> None:
    spoken = set(re.findall(r"\$labels\.(\w+)", " ".join(rule.annotations.values())))
    for case in cases():
        for alert in case.expected:
            if case.alert == rule.name and alert["exp_labels"]["severity"] == rule.severity:
                assert spoken <= set(alert["exp_labels"]), case.scene
                assert set(alert["exp_annotations"]) == set(rule.annotations), case.scene
                assert "<no value>" not in str(alert)


def test_scenes_are_about_alerts_that_there_are() -> None:
    names = {rule.name for rule in alerts()}
    for case in cases():
        name, _, kind = case.scene.partition(": ")
        assert name in names and kind.startswith(KINDS), case.scene
