"""Every feature of the chart is rendered by a real Helm and held against real schemas."""

from __future__ import annotations

import jsonschema
import pytest

from helm.kustomize import FOLDER
from helm.values import CHART
from llm_trace_exporter.config import parse_config
from tests.helm.chart import (
    CASES,
    CUSTOM,
    KUSTOMIZATIONS,
    NEWEST,
    OLDEST,
    Helm,
    Kubectl,
    Manifest,
    config,
    containers,
    exporter,
    of_kind,
    pod_specs,
    validate,
    workload,
)


@pytest.fixture(params=[*CASES, *KUSTOMIZATIONS])
def objects(request: pytest.FixtureRequest) -> list[Manifest]:
    if request.param in KUSTOMIZATIONS:
        kubectl: Kubectl = request.getfixturevalue("kubectl")
        return kubectl.kustomize(FOLDER / request.param)
    helm: Helm = request.getfixturevalue("helm")
    return helm.case(request.param)


@pytest.mark.parametrize("cases", [CASES[:2], pytest.param(CASES[2:], marks=pytest.mark.long)])
def test_linted_strictly(helm: Helm, cases: list[str]) -> None:
    for case in cases:
        values = str(CHART / "ci" / f"{case}-values.yaml")
        done = helm.run("lint", "--strict", str(CHART), "-f", values)
        assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("version", [OLDEST, NEWEST])
def test_every_object_is_valid(objects: list[Manifest], version: str) -> None:
    for o in objects:
        validate(o, version)


def test_the_schemas_refuse_what_is_wrong(helm: Helm) -> None:
    (monitor,) = of_kind(helm.case("monitoring"), "ServiceMonitor")
    for broken in ({"jobLable": "x"}, {"endpoints": [{"port": "http"}]}):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate({**monitor["spec"], **broken}, CUSTOM["ServiceMonitor"])


def test_names_and_namespaces(objects: list[Manifest]) -> None:
    names = [(o["kind"], o["metadata"]["name"]) for o in objects]
    assert len(names) == len(set(names))
    for o in objects:
        assert len(o["metadata"]["name"]) <= 63


def test_the_exporter_takes_the_configuration(objects: list[Manifest]) -> None:
    text = config(objects)
    if text is None:
        (volume,) = [v for v in volumes_of(objects) if v["name"] == "config"]
        assert volume["configMap"] == {"name": "my-config"}
        return
    settings = parse_config(text, "config.yml")
    assert settings.state.path == "/var/lib/llm-trace-exporter/state.db"
    listeners = [*settings.web.listen_addresses]
    listeners += [settings.otlp.http.listen_address, settings.otlp.grpc.listen_address]
    asked = {f":{p['containerPort']}" for p in exporter(objects)["ports"]}
    assert {address for address in listeners if address} == asked


def volumes_of(objects: list[Manifest]) -> list[Manifest]:
    return workload(objects)["spec"]["template"]["spec"]["volumes"]  # type: ignore[no-any-return]


def test_pods_are_restricted(objects: list[Manifest]) -> None:
    """The `restricted` pod security standard, item by item."""
    volumes = {"configMap", "emptyDir", "secret", "persistentVolumeClaim", "projected"}
    for pod in pod_specs(objects):
        context = pod["securityContext"]
        assert context["runAsNonRoot"] is True
        assert context["runAsUser"] >= 10_000
        assert context["runAsGroup"] >= 10_000
        assert context["seccompProfile"] == {"type": "RuntimeDefault"}
        assert pod["automountServiceAccountToken"] is False
        assert not {"hostNetwork", "hostPID", "hostIPC"} & pod.keys()
        for volume in pod.get("volumes", []):
            assert volume.keys() - {"name"} <= volumes
        for container in containers(pod):
            own = container["securityContext"]
            assert own["allowPrivilegeEscalation"] is False
            assert own["capabilities"] == {"drop": ["ALL"]}
            assert not own.get("privileged")
            if container["name"] != "sidecar":
                assert own["readOnlyRootFilesystem"] is True


def test_what_is_referred_to_is_there(objects: list[Manifest]) -> None:
    main = workload(objects)
    template = main["spec"]["template"]
    pod = template["spec"]
    labels = template["metadata"]["labels"]
    assert main["spec"]["selector"]["matchLabels"].items() <= labels.items()
    volumes = {v["name"] for v in pod["volumes"]}
    volumes |= {c["metadata"]["name"] for c in main["spec"].get("volumeClaimTemplates", [])}
    ports = {p["name"]: p["containerPort"] for c in pod["containers"] for p in c.get("ports", [])}
    for container in containers(pod):
        assert {m["name"] for m in container.get("volumeMounts", [])} <= volumes
        for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
            if probe in container:
                check = container[probe].get("httpGet") or container[probe]["tcpSocket"]
                assert check["port"] in ports
    services = {s["metadata"]["name"]: s for s in of_kind(objects, "Service")}
    for service in services.values():
        assert service["spec"]["selector"].items() <= labels.items()
        for port in service["spec"]["ports"]:
            assert ports[port["targetPort"]] == port["port"]
    if main["kind"] == "StatefulSet":
        assert services[main["spec"]["serviceName"]]["spec"]["clusterIP"] == "None"
    maps = {o["metadata"]["name"] for o in of_kind(objects, "ConfigMap")} | {"my-config"}
    assert {v["configMap"]["name"] for v in pod["volumes"] if "configMap" in v} <= maps
    accounts = {a["metadata"]["name"] for a in of_kind(objects, "ServiceAccount")} | {"mine"}
    assert {p["serviceAccountName"] for p in pod_specs(objects)} <= accounts


def test_who_selects_selects_the_receiver_alone(objects: list[Manifest]) -> None:
    labels = workload(objects)["spec"]["template"]["metadata"]["labels"]
    services = of_kind(objects, "Service")
    for o in of_kind(objects, "PodDisruptionBudget", "PodMonitor"):
        assert o["spec"]["selector"]["matchLabels"].items() <= labels.items()
    for o in of_kind(objects, "NetworkPolicy"):
        assert o["spec"]["podSelector"]["matchLabels"].items() <= labels.items()
    for o in of_kind(objects, "ServiceMonitor"):
        wanted = o["spec"]["selector"]["matchLabels"].items()
        # Two would scrape every pod twice.
        assert len([s for s in services if wanted <= s["metadata"]["labels"].items()]) == 1
    for o in of_kind(objects, "HorizontalPodAutoscaler", "ScaledObject"):
        target = o["spec"]["scaleTargetRef"]
        main = workload(objects)
        assert (target["kind"], target["name"]) == (main["kind"], main["metadata"]["name"])
        assert "replicas" not in main["spec"]
    for o in of_kind(objects, "Pod"):
        selected = services[0]["spec"]["selector"].items()
        assert not selected <= o["metadata"]["labels"].items()
    for o in of_kind(objects, "HTTPRoute", "GRPCRoute"):
        for rule in o["spec"]["rules"]:
            for backend in rule["backendRefs"]:
                (service,) = [s for s in services if s["metadata"]["name"] == backend["name"]]
                assert backend["port"] in {p["port"] for p in service["spec"]["ports"]}
