"""Every alert rings when it must, not a step before, and not on a good day: promtool says so."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest

from tests.alerts.pruned import write_pruned
from tests.alerts.rules import CASE_FILES, Rule, alerts, cases, tree
from tests.every import every

KINDS = ("firing", "boundary", "quiet")


by_file = pytest.mark.parametrize("path", CASE_FILES, ids=lambda path: path.stem)


@by_file
def test_promtool_agrees(promtool: str, path: Path, tmp_path: Path) -> None:
    """Of each scene with the rules that have a say in it."""
    agrees(promtool, tmp_path, write_pruned(path, tmp_path))


@pytest.mark.long
@by_file
def test_promtool_agrees_with_files_as_they_are(promtool: str, path: Path) -> None:
    agrees(promtool, path.parent, [path.name])


def agrees(promtool: str, folder: Path, scenes: list[str]) -> None:
    run = subprocess.run(
        [promtool, "test", "rules", *scenes],
        cwd=folder, check=False, capture_output=True, text=True,
        # A quarter less time: each scene is a database of its own, gone before memory matters.
        env={**os.environ, "GOGC": "400"},
    )  # fmt: skip
    assert run.returncode == 0, run.stdout + run.stderr


@every(CASE_FILES, lambda path: path.stem)
def test_what_is_recorded_comes_before_who_reads_it(path: Path) -> None:
    scenes = tree(path)
    files = [tree(path.parent / name) for name in scenes["rule_files"]]
    # Without it promtool takes the groups in another order each time.
    assert scenes["group_eval_order"] == [g["name"] for file in files for g in file["groups"]]


@every(alerts(), lambda rule: rule.id)
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


@every(alerts(), lambda rule: rule.id)
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
