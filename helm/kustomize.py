"""Manifests without Helm: what the chart renders, as a base and components for `kubectl apply -k`.

Helm's labels and the namespace are taken off, and Kustomize makes the ConfigMaps, so that their
names follow their content and pods restart with the configuration.
"""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import yaml

from .carried import ROOT
from .values import CHART

FOLDER = ROOT / "kustomize"
NAME = CHART.name
_HEADER = "# Written by `make chart`.\n"
_VALUES = (
    "persistence.enabled=true,tests.enabled=false,configChecksum=false,"
    "serviceMonitor.enabled=true,prometheusRule.enabled=true"
)
_MONITORING = {"ServiceMonitor": "servicemonitor.yaml", "PrometheusRule": "prometheusrule.yaml"}
_NOT_OURS = ("helm.sh/chart", "app.kubernetes.io/managed-by")
_VERSION = "kustomize.config.k8s.io/v1"

Manifest = dict[str, Any]


def wanted(helm: str) -> dict[Path, str]:
    """What the generated files should hold.

    Raises: CalledProcessError when the Helm cannot render the chart.
    """
    objects = [_bare(o) for o in _rendered(helm)]
    (config,) = [o["data"]["config.yml"] for o in objects if o["kind"] == "ConfigMap"]
    base = [o for o in objects if o["kind"] != "ConfigMap" and o["kind"] not in _MONITORING]
    components = FOLDER / "components" / "monitoring"
    return {
        FOLDER / "base" / "exporter.yaml": _text(*base),
        FOLDER / "base" / "config.yml": _HEADER + config,
        ROOT / "dashboards" / "kustomization.yaml": _text(_dashboards()),
        **{
            components / _MONITORING[o["kind"]]: _text(o)
            for o in objects
            if o["kind"] in _MONITORING
        },
    }


def _rendered(helm: str) -> list[Manifest]:
    command = [helm, "template", NAME, str(CHART), "--set", _VALUES]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return [o for o in yaml.safe_load_all(done.stdout) if o]


def _bare(manifest: Manifest) -> Manifest:
    metadata = manifest["metadata"]
    del metadata["namespace"]
    for label in _NOT_OURS:
        del metadata["labels"][label]
    if manifest["kind"] == "ServiceMonitor":
        # Without it, the operator looks in the monitor's own namespace.
        del manifest["spec"]["namespaceSelector"]
    return manifest


def _dashboards() -> Manifest:
    """One ConfigMap a dashboard; beside the dashboards, because files above it are out of reach."""
    names = sorted(path.stem for path in (ROOT / "dashboards" / "json").glob("*.json"))
    return {
        "apiVersion": f"{_VERSION}alpha1",
        "kind": "Component",
        "configMapGenerator": [
            {
                "name": f"{NAME}-dashboard-{name.removeprefix('llm-')}",
                "files": [f"json/{name}.json"],
                "options": {
                    "disableNameSuffixHash": True,
                    "labels": {"grafana_dashboard": "1", "app.kubernetes.io/part-of": NAME},
                    "annotations": {"grafana_folder": "LLM"},
                },
            }
            for name in names
        ],
    }


class _Dumper(yaml.SafeDumper):
    """Writes texts of several lines as such."""


def _lines(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else "")


_Dumper.add_representer(str, _lines)


def _text(*manifests: Manifest) -> str:
    written = yaml.dump_all(manifests, Dumper=_Dumper, sort_keys=False, width=1000)
    return _HEADER + written
