"""What docs/install.md tells people to type and to write."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import kubernetes_validate  # type: ignore[import-untyped]
import pytest

from helm.carried import ROOT
from helm.values import CHART
from llm_trace_exporter.simulate.incidents import INCIDENTS
from tests.docs.pages import Example, marked
from tests.helm.chart import Helm, of_kind

VALUES = marked("yaml", "values")
REPOSITORY = "https://github.com/llm-trace-exporter/llm-trace-exporter/"
ADDRESS = "oci://ghcr.io/llm-trace-exporter/charts/llm-trace-exporter"
COMMANDS = [
    line
    for example in marked("sh", "show")
    if example.page.name == "install.md"
    for line in example.text.splitlines()
]


@pytest.mark.parametrize("example", VALUES, ids=lambda e: e.title)
def test_the_chart_takes_the_values(helm: Helm, example: Example, tmp_path: Path) -> None:
    path = tmp_path / "values.yaml"
    path.write_text(example.text)
    objects = helm.render("-f", str(path))
    for o in of_kind(objects, "StatefulSet", "ConfigMap", "Service", "PodDisruptionBudget"):
        kubernetes_validate.validate(o, "1.37", strict=True)


def test_there_are_values() -> None:
    assert len(VALUES) >= 5


def test_helm_takes_the_commands(helm: Helm, tmp_path: Path) -> None:
    asked = [line for line in COMMANDS if ADDRESS in line]
    assert len(asked) == 2
    (tmp_path / "values.yaml").write_text(VALUES[0].text)
    for line in asked:
        words = shlex.split(line)
        release = words[words.index(ADDRESS) - 1]
        options = [w for w in words[words.index(ADDRESS) + 1 :] if w != "--create-namespace"]
        options = [str(tmp_path / w) if w == "values.yaml" else w for w in options]
        done = helm.run("template", release, str(CHART), *options)
        assert done.returncode == 0, done.stderr
        # What the other commands of the page call it.
        assert "name: llm-llm-trace-exporter\n" in done.stdout


def test_kustomizations_are_there() -> None:
    named = {
        word.partition("?")[0].removeprefix(REPOSITORY)
        for line in COMMANDS
        for word in shlex.split(line)
        if "kustomize/" in word
    }
    assert named == {"kustomize/base", "kustomize/overlays/example"}
    assert all((ROOT / name / "kustomization.yaml").exists() for name in named)


def test_incidents_are_known() -> None:
    named = {name for line in COMMANDS for name in re.findall(r"--incident=([\w-]+)", line)}
    assert named
    assert named <= set(INCIDENTS)
