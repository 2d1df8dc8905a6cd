"""Eight weeks in which nothing is wrong: whatever rings there cries wolf."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Mapping
from functools import cache
from pathlib import Path

import pytest
import yaml

from tests.alerts.pruned import pruned
from tests.alerts.quiet import STEP_S, WEEK, Weeks
from tests.alerts.rules import ALERTS, tree

pytestmark = pytest.mark.long

WEEKS = 8
LOOK_S = 2 * STEP_S
FILES = ("agents", "cost", "exporter", "latency", "quality", "reliability", "safety")
FIRED = (
    "sum by (alertname, severity, service, budget) ("
    'count_over_time(ALERTS{alertstate="firing"}[1y]))'
)


KNOWN: Mapping[str, int] = {"cost": 1}
"""File -> at how many evaluations something is known to ring: LLMSpendSpike does once, of the
weekly job."""


@cache
def drawn(weeks: int) -> Weeks:
    return Weeks(weeks, seed=1)


def what_rings(promtool: str, folder: Path, name: str, weeks: int, alerts: Path = ALERTS) -> str:
    """What promtool says where alerts of a file rang: empty if none did."""
    own = tree(alerts / f"{name}.yml")["groups"]
    groups = [*tree(alerts / "recording.yml")["groups"], *own]
    subjects = [rule["alert"] for group in own for rule in group["rules"] if "alert" in rule]
    kept, read = pruned(groups, subjects)
    rules, scene = folder / f"{name}-rules.yml", folder / f"{name}.yml"
    rules.write_text(yaml.dump({"groups": kept}, Dumper=yaml.CSafeDumper, sort_keys=False))
    test = {
        "name": "quiet weeks",
        "interval": f"{STEP_S}s",
        "input_series": [
            told for told in drawn(weeks).told() if told["series"].partition("{")[0] in read
        ],
        "promql_expr_test": [
            {
                "expr": f"{FIRED} > {KNOWN.get(name, 0)}",
                "eval_time": f"{weeks * WEEK * STEP_S}s",
                "exp_samples": [],
            }
        ],
    }
    whole = {
        "rule_files": [rules.name],
        "evaluation_interval": f"{LOOK_S}s",
        "group_eval_order": [group["name"] for group in kept],
        "tests": [test],
    }
    scene.write_text(json.dumps(whole))  # which is YAML, and takes far less memory to write
    run = subprocess.run(
        [promtool, "test", "rules", str(scene)],
        check=False, capture_output=True, text=True, env={**os.environ, "GOGC": "400"},
    )  # fmt: skip
    return "" if run.returncode == 0 else run.stdout + run.stderr


@pytest.mark.parametrize("name", FILES)
def test_nothing_rings_in_quiet_weeks(promtool: str, tmp_path: Path, name: str) -> None:
    assert what_rings(promtool, tmp_path, name, WEEKS) == ""
