"""Manifests without Helm: the same as the chart's, and what an overlay makes of them."""

from __future__ import annotations

import json

import pytest
import yaml

from helm import kustomize
from helm.carried import ROOT
from llm_trace_exporter import __version__
from tests.helm.chart import Helm, Kubectl, Manifest, config, exporter, of_kind, workload

EXAMPLE = kustomize.FOLDER / "overlays" / "example"


@pytest.fixture
def example(kubectl: Kubectl) -> list[Manifest]:
    return kubectl.kustomize(EXAMPLE)


def test_what_is_generated_is_current(helm: Helm) -> None:
    for path, text in kustomize.wanted(helm.path).items():
        assert path.read_text() == text, f"{path}: make chart"


def test_every_file_is_used() -> None:
    for folder in kustomize.FOLDER.glob("**/"):
        written = folder / "kustomization.yaml"
        if written.exists():
            listed = written.read_text()
            assert all(path.name in listed for path in folder.glob("*.y*ml") if path != written)


def test_the_base_names_no_namespace_and_no_helm(kubectl: Kubectl) -> None:
    objects = kubectl.kustomize(kustomize.FOLDER / "base")
    assert "helm" not in json.dumps(objects).lower()
    assert not any("namespace" in o["metadata"] for o in objects)


def test_pods_restart_with_the_configuration(kubectl: Kubectl, example: list[Manifest]) -> None:
    def mounted(objects: list[Manifest]) -> str:
        volumes = workload(objects)["spec"]["template"]["spec"]["volumes"]
        return next(str(v["configMap"]["name"]) for v in volumes if "configMap" in v)

    assert mounted(example) != mounted(kubectl.kustomize(kustomize.FOLDER / "base"))


def test_the_example_changes_what_it_says(example: list[Manifest]) -> None:
    assert {o["metadata"].get("namespace", "observability") for o in example} == {"observability"}
    assert exporter(example)["image"].endswith(f":{__version__}")
    assert exporter(example)["resources"]["requests"]["memory"]
    (claim,) = workload(example)["spec"]["volumeClaimTemplates"]
    assert claim["spec"]["resources"]["requests"]["storage"] == "5Gi"
    assert config(example) == (EXAMPLE / "config.yml").read_text()
    for o in of_kind(example, "ServiceMonitor", "PrometheusRule"):
        assert o["metadata"]["labels"]["release"] == "kube-prometheus-stack"


def test_the_rules_and_dashboards_are_ours(example: list[Manifest]) -> None:
    (rule,) = of_kind(example, "PrometheusRule")
    sources = [yaml.safe_load(p.read_text()) for p in sorted((ROOT / "alerts").glob("*.yml"))]
    assert rule["spec"]["groups"] == [g for source in sources for g in source["groups"]]
    boards = {k: v for o in of_kind(example, "ConfigMap") for k, v in o["data"].items()}
    for path in ROOT.glob("dashboards/json/*.json"):
        assert boards[path.name] == path.read_text()


def test_kubectl_can_keep_every_object_in_an_annotation(example: list[Manifest]) -> None:
    for o in example:
        assert len(json.dumps(o)) < 262_144, o["metadata"]["name"]
