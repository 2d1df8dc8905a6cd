"""Writes helm/kubernetes.json, parts of Kubernetes' objects: `python -m tests.helm.definitions`."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from kubernetes_validate import utils  # type: ignore[import-untyped]

from helm.members import KUBERNETES, Members
from tests.helm.chart import NEWEST, OLDEST

CORE, NETWORK = "io.k8s.api.core.v1.", "io.k8s.api.networking.v1."
SCALING = "io.k8s.api.autoscaling.v2."
ROOTS = (
    *(CORE + name for name in (
        "Affinity", "Container", "EnvFromSource", "EnvVar", "HostAlias", "LocalObjectReference",
        "PodDNSConfig", "PodSecurityContext", "ResourceRequirements", "SecurityContext",
        "Toleration", "TopologySpreadConstraint", "Volume", "VolumeMount",
    )),
    *(SCALING + name for name in ("HorizontalPodAutoscalerBehavior", "MetricSpec")),
    *(NETWORK + name for name in ("IngressTLS", "NetworkPolicyEgressRule", "NetworkPolicyPeer")),
)  # fmt: skip
"""What values of the chart are, by the names of Kubernetes' definitions."""


_SCALARS = (".Quantity", ".IntOrString", ".FieldsV1", ".Time")


def table() -> Mapping[str, Members]:
    """Definitions that values need, with what the oldest or the newest version knows of them."""
    versions = [_definitions(version) for version in (OLDEST, NEWEST)]
    found: dict[str, Members] = {}
    left = [*ROOTS]
    while left:
        name = left.pop()
        if _short(name) in found:
            continue
        told: dict[str, str] = {}
        for definitions in versions:
            for member, of in _members(definitions.get(name, {})):
                told[member] = _short(of)
                left += [of.removesuffix("[]")] * bool(of)
        found[_short(name)] = dict(sorted(told.items()))
    return dict(sorted(found.items()))


def _definitions(version: str) -> dict[str, Any]:
    path = f"kubernetes-json-schema/v{version}.0-local-strict/_definitions.json"
    told: dict[str, Any] = utils.schema_contents(path, version)["$defs"]
    return told


def _members(definition: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Those that have members themselves name their definition."""
    for name, schema in definition.get("properties", {}).items():
        items = "[]" if "items" in schema else ""
        of = schema.get("items", schema).get("$ref", "").rpartition("/")[2]
        yield name, of + items if of and not of.endswith(_SCALARS) else ""


def _short(name: str) -> str:
    return name.rpartition(".")[2]


def text() -> str:
    """The file as it has to be."""
    return json.dumps(table(), indent=1) + "\n"


if __name__ == "__main__":
    KUBERNETES.write_text(text(), encoding="utf-8")
