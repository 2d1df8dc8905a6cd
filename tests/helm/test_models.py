"""Custom resources of the chart and of the docs, by the models that their operators' CRDs give."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.helm.chart import CASES, CUSTOM, Helm, Manifest
from tests.helm.test_docs import SHOWN

MODELS = Path(__file__).parent / "models"

pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(shutil.which("npm") is None, reason="npm is not on PATH"),
]


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models") / "work"
    shutil.copytree(MODELS, folder)
    command = ["npm", "install", "--no-audit", "--no-fund", "--no-package-lock", "--ignore-scripts"]
    subprocess.run(command, cwd=folder, check=True, capture_output=True, timeout=300)
    return folder


def checked(models: Path, objects: list[Manifest]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["node", "check.js"], cwd=models, input=json.dumps(objects),
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip


def test_operators_take_them(helm: Helm, models: Path) -> None:
    objects = [o for case in CASES for o in helm.case(case) if o["kind"] in CUSTOM]
    objects += [shown for shown in SHOWN if "kind" in shown]
    done = checked(models, objects)
    assert done.returncode == 0, done.stderr
    seen = done.stdout.split()
    assert len(seen) == len(objects)
    assert set(seen) == {*CUSTOM, "Application", "HelmRelease", "OCIRepository"}


def test_they_refuse_what_is_wrong(helm: Helm, models: Path) -> None:
    (monitor,) = [o for o in helm.case("monitoring") if o["kind"] == "ServiceMonitor"]
    broken = {**monitor, "spec": {**monitor["spec"], "sampleLimit": "many"}}
    assert "sampleLimit" in checked(models, [broken]).stderr
