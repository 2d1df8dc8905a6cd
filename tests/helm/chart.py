"""Rendering the chart, and what its objects hold."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
import kubernetes_validate  # type: ignore[import-untyped]
import yaml
from kubernetes_validate import utils

from helm.values import CHART

RELEASE, NAMESPACE = "llm", "observability"
CASES = sorted(path.name.removesuffix("-values.yaml") for path in (CHART / "ci").glob("*.yaml"))
CUSTOM: dict[str, Any] = yaml.load(
    Path(__file__).with_name("crds.yml").read_bytes(), yaml.CSafeLoader
)["kinds"]
OLDEST, NEWEST = "1.25", "1.37"
# It reads megabytes of definitions for each object.
utils.schema_contents = cache(utils.schema_contents)
KUSTOMIZATIONS = ("base", "overlays/example")

Manifest = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Helm:
    """One Helm binary; renders are kept, because each costs a process."""

    path: str
    _rendered: dict[tuple[str, ...], list[Manifest]] = field(default_factory=dict)

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [self.path, *arguments], capture_output=True, text=True, check=False, timeout=60
        )

    def text(self, *arguments: str, chart: Path = CHART) -> str:
        done = self.run("template", RELEASE, str(chart), "-n", NAMESPACE, *arguments)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def render(self, *arguments: str) -> list[Manifest]:
        if arguments not in self._rendered:
            documents = yaml.load_all(self.text(*arguments), Loader=yaml.CSafeLoader)
            self._rendered[arguments] = [d for d in documents if d]
        return self._rendered[arguments]

    def case(self, name: str) -> list[Manifest]:
        return self.render("-f", str(CHART / "ci" / f"{name}-values.yaml"))

    def refusal(self, *arguments: str) -> str:
        done = self.run("template", RELEASE, str(CHART), *arguments)
        assert done.returncode != 0
        return done.stderr


@dataclass(frozen=True, slots=True)
class Kubectl:
    """One kubectl binary; what it builds is kept."""

    path: str
    _built: dict[Path, list[Manifest]] = field(default_factory=dict)

    def kustomize(self, folder: Path) -> list[Manifest]:
        if folder not in self._built:
            done = subprocess.run(
                [self.path, "kustomize", str(folder)],
                capture_output=True, text=True, check=False, timeout=60,
            )  # fmt: skip
            assert done.returncode == 0, done.stderr
            self._built[folder] = list(yaml.load_all(done.stdout, Loader=yaml.CSafeLoader))
        return self._built[folder]


def validate(manifest: Manifest, version: str) -> None:
    """Strictly, by Kubernetes' schemas of a version or, for custom resources, by ours."""
    _validate(json.dumps(manifest), version)


@cache
def _validate(text: str, version: str) -> None:
    # Most of what one use case renders, another renders, too.
    manifest = json.loads(text)
    if manifest["kind"] in CUSTOM:
        jsonschema.validate(manifest["spec"], CUSTOM[manifest["kind"]], jsonschema.Draft7Validator)
    else:
        kubernetes_validate.validate(manifest, version, strict=True)


def of_kind(objects: list[Manifest], *kinds: str) -> list[Manifest]:
    return [o for o in objects if o["kind"] in kinds]


def workload(objects: list[Manifest]) -> Manifest:
    (found,) = of_kind(objects, "StatefulSet", "Deployment")
    return found


def pod_specs(objects: list[Manifest]) -> Iterator[Manifest]:
    """The pods of every object, the test's too."""
    for o in objects:
        if o["kind"] == "Pod":
            yield o["spec"]
        elif "template" in o.get("spec", {}):
            yield o["spec"]["template"]["spec"]


def containers(pod: Manifest) -> list[Manifest]:
    return [*pod.get("initContainers", []), *pod["containers"]]


def exporter(objects: list[Manifest]) -> Manifest:
    pod = workload(objects)["spec"]["template"]["spec"]
    (found,) = [c for c in pod["containers"] if c["name"] == "exporter"]
    return found  # type: ignore[no-any-return]


def config(objects: list[Manifest]) -> str | None:
    """The rendered configuration."""
    for o in of_kind(objects, "ConfigMap"):
        if "config.yml" in o.get("data", {}):
            return str(o["data"]["config.yml"])
    return None
