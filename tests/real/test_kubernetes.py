"""The chart on a real API server: what it refuses, no schema and no `helm template` tells."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
import yaml

from helm.binary import find
from helm.values import CHART
from tests.helm.chart import (
    CASES,
    NAMESPACE,
    RELEASE,
    Helm,
    Manifest,
    containers,
    of_kind,
    pod_specs,
)
from tests.real.cluster import Cluster, cluster
from tests.real.walk import every_pair, sampled, steps

pytestmark = [pytest.mark.real, pytest.mark.filterwarnings("ignore:Unverified HTTPS")]

ROUNDS = 2
MONITORS = "servicemonitors.monitoring.coreos.com"
NAMESPACES = (NAMESPACE, "grafana", "gateways")
PRIORITIES = ("high",)
"""What objects of the use cases name."""
MAY_CHANGE = {
    *("replicas", "template", "updateStrategy", "minReadySeconds", "ordinals"),
    "persistentVolumeClaimRetentionPolicy",
}
"""Of a StatefulSet's spec; the rest is as it was made."""
OBJECT_BYTES = 1024 * 1024
"""Of a ConfigMap or Secret."""
APPLIED_BYTES = 256 * 1024
"""Of all annotations together: what client-side `kubectl apply` keeps of an object goes there."""
BARE_POD = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "bare"},
    "spec": {"containers": [{"name": "a", "image": "a"}]},
}


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    tools = [find(name) for name in ("kubectl", "helm")]
    kubectl, helm = tools
    if kubectl is None or helm is None:
        pytest.skip("no kubectl or helm, and the wheel with them cannot be had")
    with cluster(tmp_path_factory.mktemp("cluster"), kubectl, helm) as found:
        for name in NAMESPACES:
            found.do("kubectl", "create", "namespace", name)
        for name in PRIORITIES:
            found.do("kubectl", "create", "priorityclass", name, "--value=1000")
        yield found


@pytest.fixture(autouse=True)
def _no_release(real: Cluster) -> Iterator[None]:
    yield
    real.do("helm", *_in("uninstall", RELEASE, "--ignore-not-found"))


@pytest.fixture(scope="module")
def helm(real: Cluster) -> Helm:
    return Helm(real.helm)


def _values(case: str) -> tuple[str, str]:
    return "-f", str(CHART / "ci" / f"{case}-values.yaml")


def _in(*arguments: str) -> tuple[str, ...]:
    return (*arguments, "-n", NAMESPACE)


def _upgrade(real: Cluster, case: str) -> str:
    """What is wrong with it; empty where nothing is."""
    # Without, Helm gives no values, as of `default`, the meaning of those of the last release.
    given = ("--install", "--reset-values", RELEASE, str(CHART), *_values(case))
    done = real.run("helm", *_in("upgrade", *given))
    return done.stderr if done.returncode else ""


def _orphan(real: Cluster, deletion: Sequence[str]) -> None:
    """Delete a StatefulSet and leave its pods; does the part of the controller that is not here."""
    real.do("kubectl", *deletion, "--wait=false")
    (name,) = real.do("kubectl", *_in("get", "statefulsets", "-o", "name")).split()
    freed = json.dumps({"metadata": {"finalizers": None}})
    real.do("kubectl", *_in("patch", name, "--type=merge", "--patch", freed))


def _fixed(objects: list[Manifest]) -> dict[str, Any]:
    """What no upgrade can change of a StatefulSet, by its name."""
    return {
        o["metadata"]["name"]: {k: v for k, v in o["spec"].items() if k not in MAY_CHANGE}
        for o in of_kind(objects, "StatefulSet")
    }


@pytest.mark.parametrize("case", CASES)
def test_the_server_takes_every_object_strictly(real: Cluster, helm: Helm, case: str) -> None:
    objects = [_placed(o) for o in helm.case(case)]
    given = yaml.safe_dump_all(objects)
    arguments = ("apply", "--server-side", "--dry-run=server", "--validate=strict", "-f", "-")
    told = real.do("kubectl", *arguments, given=given)
    assert told.count("serverside-applied") == len(objects)


def _placed(o: Manifest) -> Manifest:
    return {**o, "metadata": {"namespace": NAMESPACE, **o["metadata"]}}


@pytest.mark.parametrize("case", CASES)
def test_no_object_is_too_large(helm: Helm, case: str) -> None:
    sizes = {o["metadata"]["name"]: len(json.dumps(o)) for o in helm.case(case)}
    assert {name: size for name, size in sizes.items() if size > APPLIED_BYTES} == {}


def test_the_operators_endpoints_have_the_members_that_values_take(real: Cluster) -> None:
    told = json.loads(real.do("kubectl", "get", "crd", MONITORS, "-o", "json"))
    spec = told["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]
    endpoint = spec["properties"]["endpoints"]["items"]["properties"]
    taken = json.loads((CHART / "values.schema.json").read_text())
    values = taken["properties"]["serviceMonitor"]["properties"]
    for name in ("authorization", "basicAuth", "metricRelabelings", "relabelings", "tlsConfig"):
        assert _names(values[name], taken) == _names(endpoint[name], taken), name


def _names(schema: dict[str, Any], document: dict[str, Any]) -> Any:
    """Members of a schema, and theirs."""
    (place,) = schema.get("allOf", [schema])
    if "$ref" in place:
        return _names(document["definitions"][place["$ref"].rpartition("/")[2]], document)
    if "items" in place:
        return _names(place["items"], document)
    properties = place.get("properties", {})
    return {name: _names(member, document) for name, member in properties.items()}


def test_pods_keep_to_the_restricted_standard(real: Cluster, helm: Helm) -> None:
    real.do("kubectl", "create", "namespace", "strict")
    mark = "pod-security.kubernetes.io/enforce=restricted"
    real.do("kubectl", "label", "namespace", "strict", mark)
    into = ("create", "-n", "strict", "--dry-run=server", "-f", "-")
    refused = real.run("kubectl", *into, given=json.dumps(BARE_POD))
    assert refused.returncode and "restricted" in refused.stderr
    specs = {json.dumps(spec) for case in CASES for spec in pod_specs(helm.case(case))}
    for number, spec in enumerate(sorted(specs)):
        pod = {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": f"p{number}"},
            "spec": _with_claims(json.loads(spec)),
        }
        real.do("kubectl", *into, given=json.dumps(pod))


def _with_claims(spec: Manifest) -> Manifest:
    """A StatefulSet's pod with its volumes, which the claims' controller adds in life."""
    volumes = spec.get("volumes", [])
    mounted = {m["name"] for c in containers(spec) for m in c.get("volumeMounts", [])}
    lacking = sorted(mounted - {volume["name"] for volume in volumes})
    return {**spec, "volumes": [*volumes, *({"name": n, "emptyDir": {}} for n in lacking)]}


def test_upgrades_between_use_cases(real: Cluster, helm: Helm) -> None:
    walk = every_pair(CASES) if os.environ.get("LTE_REAL") == "all" else sampled(CASES, ROUNDS)
    assert _upgrade(real, walk[0]) == ""
    refused: list[tuple[str, str]] = []
    for before, after in steps(walk):
        wrong = _upgrade(real, after)
        now, then = _fixed(helm.case(after)), _fixed(helm.case(before))
        changed = [name for name in now.keys() & then.keys() if now[name] != then[name]]
        if not changed:
            assert wrong == "", (before, after)
            continue
        # What NOTES and UPGRADING.md say of it.
        assert "updates to statefulset spec" in wrong, (before, after)
        refused.append((before, after))
        for name in changed:
            _orphan(real, _in("delete", "statefulset", name, "--cascade=orphan"))
        assert _upgrade(real, after) == "", (before, after)
    assert {"persistence"} < {name for pair in refused for name in pair}
    _nothing_is_left(real)


def test_values_that_are_all_gone_stay_in_force_as_upgrading_tells(real: Cluster) -> None:
    assert _upgrade(real, "deployment") == ""
    real.do("helm", *_in("upgrade", RELEASE, str(CHART), *_values("default")))
    assert _kinds(real) == {"Deployment"}
    assert _upgrade(real, "default") == ""
    assert _kinds(real) == {"StatefulSet"}
    _nothing_is_left(real)


def test_a_rollback_brings_back_what_was(real: Cluster, helm: Helm) -> None:
    for case in ("default", "monitoring", "deployment"):
        assert _upgrade(real, case) == ""
    assert _kinds(real) == {"Deployment"}
    real.do("helm", *_in("rollback", RELEASE, "2"))
    assert _kinds(real) == {"StatefulSet"}
    found = real.do("kubectl", *_in("get", "prometheusrules", "-o", "name")).split()
    assert len(found) == len(of_kind(helm.case("monitoring"), "PrometheusRule"))
    real.do("helm", *_in("rollback", RELEASE, "1"))
    assert real.do("kubectl", *_in("get", "prometheusrules,servicemonitors", "-o", "name")) == ""
    _nothing_is_left(real)


def test_what_notes_advise_works_on_the_release_that_they_are_of(real: Cluster) -> None:
    chart = str(CHART)
    told = real.do("helm", *_in("install", RELEASE, chart))
    note = told[told.index("persistence.enabled=true") :].partition("\n\n")[0]
    assert (
        "updates to statefulset spec"
        in real.run(
            "helm", *_in("upgrade", RELEASE, chart, "--set", "persistence.enabled=true")
        ).stderr
    )
    (line,) = [line.strip() for line in note.splitlines() if line.strip().startswith("kubectl")]
    tool, *arguments = line.split()
    assert tool == "kubectl"
    _orphan(real, arguments)
    real.do("helm", *_in("upgrade", RELEASE, chart, "--set", "persistence.enabled=true"))
    claims = real.do(
        "kubectl", *_in("get", "statefulset", "-o", "jsonpath={..volumeClaimTemplates[*].kind}")
    )
    assert claims == "PersistentVolumeClaim"
    _nothing_is_left(real)


def test_a_releases_secret_has_room(real: Cluster) -> None:
    assert _upgrade(real, "monitoring") == ""
    rows = json.loads(real.do("kubectl", *_in("get", "secrets", "-o", "json")))["items"]
    sizes = [len(json.dumps(row)) for row in rows if row["type"] == "helm.sh/release.v1"]
    assert sizes and max(sizes) < 0.6 * OBJECT_BYTES
    _nothing_is_left(real)


def _kinds(real: Cluster) -> set[str]:
    told = real.do("kubectl", *_in("get", "statefulsets,deployments", "-o", "json"))
    return {row["kind"] for row in json.loads(told)["items"]}


def _nothing_is_left(real: Cluster) -> None:
    """Uninstalls the release."""
    real.do("helm", *_in("uninstall", RELEASE))
    kinds = (
        "statefulsets,deployments,services,configmaps,serviceaccounts,secrets,networkpolicies,"
        "poddisruptionbudgets,horizontalpodautoscalers,ingresses,servicemonitors,podmonitors,"
        "prometheusrules,alertmanagerconfigs,scaledobjects,httproutes,grpcroutes,grafanadashboards"
    )
    told = json.loads(real.do("kubectl", "get", kinds, "-A", "-o", "json"))["items"]
    ours = [
        (row["kind"], row["metadata"]["name"])
        for row in told
        if RELEASE in row["metadata"]["name"].split("-")
        and row["metadata"].get("deletionTimestamp") is None
    ]
    assert ours == []
