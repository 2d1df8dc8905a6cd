"""What docs/install.md tells people to type and to write."""

from __future__ import annotations

import argparse
import re
import shlex
import subprocess
from pathlib import Path
from shutil import which

import pytest
import yaml

from helm.carried import ROOT
from helm.values import CHART
from llm_trace_exporter.cli import simulate
from llm_trace_exporter.simulate.incidents import INCIDENTS
from tests.docs.pages import Example, marked
from tests.helm.chart import NEWEST, Helm, of_kind, validate

VALUES = marked("yaml", "values")
REPOSITORY = "https://github.com/llm-trace-exporter/llm-trace-exporter/"
ADDRESS = "oci://ghcr.io/llm-trace-exporter/charts/llm-trace-exporter"
SHOWN = [yaml.safe_load(e.text) for e in marked("yaml", "show") if e.page.name == "install.md"]
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
    for o in objects:
        validate(o, NEWEST)


def test_the_chart_takes_what_argo_and_flux_pass_on(helm: Helm, tmp_path: Path) -> None:
    specs = {shown["kind"]: shown["spec"] for shown in SHOWN if "kind" in shown}
    argo = specs["Application"]["source"]
    passed = argo["helm"]["valuesObject"]
    assert specs["HelmRelease"]["values"] == passed
    assert f"oci://{argo['repoURL']}/{argo['chart']}" == specs["OCIRepository"]["url"] == ADDRESS
    versions = {argo["targetRevision"], specs["OCIRepository"]["ref"]["tag"]}
    assert versions == {yaml.safe_load((CHART / "Chart.yaml").read_text())["version"]}
    path = tmp_path / "values.yaml"
    path.write_text(yaml.safe_dump(passed))
    kinds = {o["kind"] for o in helm.render("-f", str(path))}
    assert {"StatefulSet", "ServiceMonitor", "PrometheusRule"} <= kinds


def test_the_plain_job_keeps_one_target_a_pod(helm: Helm, tmp_path: Path) -> None:
    (job,) = next(shown["scrape_configs"] for shown in SHOWN if "scrape_configs" in shown)
    keep = next(r for r in job["relabel_configs"] if r.get("action") == "keep")
    *labels, port = (name.removeprefix("__meta_kubernetes_") for name in keep["source_labels"])
    assert port == "endpointslice_port_name"
    kept = []
    for service in of_kind(helm.case("default"), "Service"):
        found = {
            "service_label_" + re.sub(r"\W", "_", name): value
            for name, value in service["metadata"]["labels"].items()
        }
        words = ";".join(found[name] for name in labels)
        kept += [
            (service["metadata"]["name"], p["name"])
            for p in service["spec"]["ports"]
            if re.fullmatch(keep["regex"], f"{words};{p['name']}")
        ]
    assert kept == [("llm-llm-trace-exporter", "http-metrics")]
    # Debian's promtool does not know Kubernetes.
    job["static_configs"] = [{"targets": ["localhost:1"]}]
    del job["kubernetes_sd_configs"]
    path = tmp_path / "prometheus.yml"
    path.write_text(yaml.safe_dump({"scrape_configs": [job]}))
    if promtool := which("promtool"):
        subprocess.run([promtool, "check", "config", path], check=True, capture_output=True)


def test_variables_of_compose_are_listed() -> None:
    text = (ROOT / "compose.yaml").read_text()
    page = (ROOT / "docs" / "install.md").read_text()
    for name, default in set(re.findall(r"(?m)^[^#]*\$\{(\w+):-([^}]*)\}", text)):
        assert f"| `{name}` | `{default}` |" in page


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


def test_the_simulation_takes_its_arguments() -> None:
    start = "-- llm-trace-exporter simulate "
    (line,) = [line for line in COMMANDS if start in line]
    parser = argparse.ArgumentParser(exit_on_error=False)
    simulate.add_options(parser)
    assert parser.parse_args(shlex.split(line.partition(start)[2])).incident


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
