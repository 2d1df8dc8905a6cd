"""What kubectl tells, rendered from the chart and spoilt in one place at a time."""

from __future__ import annotations

import copy
import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from llm_trace_exporter.cli.main import main
from llm_trace_exporter.doctor import kubernetes, shipped
from llm_trace_exporter.doctor.asking import CannotAsk
from llm_trace_exporter.doctor.cluster import RESOURCES, ask_cluster
from llm_trace_exporter.doctor.facts import Missing
from llm_trace_exporter.doctor.findings import Finding
from tests.doctor.facts import facts
from tests.doctor.worlds import ask
from tests.e2e.prometheus import Prometheus, started
from tests.helm.chart import Helm, of_kind
from tests.helm.conftest import helm

__all__ = ["helm"]

Objects = dict[str, list[dict[str, Any]]]
KPS = {"matchLabels": {"release": "kube-prometheus-stack"}}
SELECTORS = ("serviceMonitorSelector", "podMonitorSelector", "ruleSelector")
NAMESPACES = tuple(name.replace("Selector", "NamespaceSelector") for name in SELECTORS)


@pytest.fixture
def objects(helm: Helm) -> Objects:
    """A cluster with the chart as docs/install.md sets it up, and kube-prometheus-stack."""
    rendered = copy.deepcopy(
        helm.render(
            "--set=serviceMonitor.enabled=true",
            "--set=serviceMonitor.labels.release=kube-prometheus-stack",
            "--set=prometheusRule.enabled=true",
            "--set=prometheusRule.labels.release=kube-prometheus-stack",
        )
    )
    (service,) = [s for s in of_kind(rendered, "Service") if "receiver" in str(s["metadata"])]
    place = service["metadata"]["namespace"]
    server = {
        "kind": "Prometheus",
        "metadata": {"name": "kps", "namespace": "monitoring"},
        "spec": {**dict.fromkeys(SELECTORS, KPS), **{name: {} for name in NAMESPACES}},
    }
    part = {
        "metadata": {
            "name": "x",
            "namespace": place,
            "labels": {"kubernetes.io/service-name": service["metadata"]["name"]},
        },
        "endpoints": [{"addresses": ["10.0.0.1"], "conditions": {"ready": True}}],
    }
    return {
        "servicemonitors": of_kind(rendered, "ServiceMonitor"),
        "podmonitors": [],
        "prometheusrules": of_kind(rendered, "PrometheusRule"),
        "prometheuses": [server],
        "agents": [],
        "services": of_kind(rendered, "Service"),
        "slices": [part],
        "pods": [],
        "namespaces": [{"metadata": {"name": n}} for n in ("monitoring", place)],
    }


def told(objects: Objects) -> list[Finding]:
    found = facts(
        objects={name: tuple(all_of) for name, all_of in objects.items()},
        shipped=shipped.load_rules(shipped.RULES),
    )
    return [*kubernetes.monitors(found), *kubernetes.rules(found)]


def test_all_is_well(objects: Objects) -> None:
    found = told(objects)
    assert [f.level for f in found] == ["ok", "ok", "ok"], found
    assert "monitoring/kps" in found[0].what


def spec(objects: Objects, kind: str) -> dict[str, Any]:
    found: dict[str, Any] = objects[kind][0]["spec"]
    return found


def unlabel(objects: Objects, kind: str) -> None:
    del objects[kind][0]["metadata"]["labels"]["release"]


SPOILT: dict[str, tuple[Callable[[Objects], Any], str, str]] = {
    "no release label": (
        lambda o: unlabel(o, "servicemonitors"),
        "is selected by no Prometheus",
        "label servicemonitor llm-llm-trace-exporter release=kube-prometheus-stack",
    ),
    "no release label of rules": (
        lambda o: unlabel(o, "prometheusrules"),
        "PrometheusRule observability/llm-llm-trace-exporter is selected by no Prometheus",
        "label prometheusrule",
    ),
    "another namespace": (
        lambda o: spec(o, "prometheuses").pop("serviceMonitorNamespaceSelector"),
        "is selected by no Prometheus",
        "",
    ),
    "a namespace label": (
        lambda o: spec(o, "prometheuses").update(
            serviceMonitorNamespaceSelector={"matchLabels": {"watched": "yes"}}
        ),
        "is selected by no Prometheus",
        "",
    ),
    "no selector": (
        lambda o: spec(o, "prometheuses").pop("serviceMonitorSelector"),
        "is selected by no Prometheus",
        "",
    ),
    "wrong port": (
        lambda o: spec(o, "servicemonitors")["endpoints"][0].update(port="metrics"),
        "does not have: metrics",
        "http-metrics",
    ),
    "a label over the exporter's": (
        lambda o: spec(o, "servicemonitors")["endpoints"][0].update(
            honorLabels=False, relabelings=[]
        ),
        "leaves the target's label service on",
        "labeldrop",
    ),
    "a label where the exporter has none": (
        lambda o: spec(o, "servicemonitors")["endpoints"][0].update(
            honorLabels=True, relabelings=[]
        ),
        "leaves the target's label service on",
        "labeldrop",
    ),
    "wrong selector": (
        lambda o: spec(o, "servicemonitors")["selector"]["matchLabels"].update(tier="x"),
        "selects nothing",
        "selector",
    ),
    "both services": (
        lambda o: spec(o, "servicemonitors")["selector"]["matchLabels"].pop(
            "app.kubernetes.io/component"
        ),
        "Services of the same pods",
        "receiver",
    ),
    "nothing ready": (
        lambda o: o["slices"][0]["endpoints"][0]["conditions"].update(ready=False),
        "has no ready endpoint",
        "get pods",
    ),
    "no monitor": (
        lambda o: o["servicemonitors"].clear(),
        "no ServiceMonitor and no PodMonitor selects the exporter",
        "serviceMonitor.enabled=true",
    ),
    "no rules": (
        lambda o: o["prometheusrules"].clear(),
        "no PrometheusRule holds the exporter's alerts",
        "prometheusRule.enabled=true",
    ),
    "not installed": (
        lambda o: o["services"].clear(),
        "has no Service or pod of the exporter",
        "install",
    ),
}


@pytest.mark.parametrize("name", SPOILT)
def test_what_is_spoilt(name: str, objects: Objects) -> None:
    spoil, what, do = SPOILT[name]
    spoil(objects)
    bad = [f for f in told(objects) if f.level in ("warning", "problem")]
    assert any(what in f.what and do in f.do for f in bad), bad


def test_a_replica_that_is_not_seen(objects: Objects) -> None:
    objects["slices"][0]["endpoints"] *= 3
    (found,) = [f for f in told(objects) if f.level == "warning"]
    assert found.what == "3 endpoints ready, and 1 exporter seen"


@pytest.mark.parametrize(
    ("selector", "matches"),
    [
        ({}, True),
        ({"matchLabels": {"a": "1"}}, True),
        ({"matchLabels": {"a": "2"}}, False),
        ({"matchExpressions": [{"key": "a", "operator": "In", "values": ["1", "2"]}]}, True),
        ({"matchExpressions": [{"key": "a", "operator": "NotIn", "values": ["1"]}]}, False),
        ({"matchExpressions": [{"key": "b", "operator": "NotIn", "values": ["1"]}]}, True),
        ({"matchExpressions": [{"key": "a", "operator": "Exists"}]}, True),
        ({"matchExpressions": [{"key": "a", "operator": "DoesNotExist"}]}, False),
        ({"matchExpressions": [{"key": "a", "operator": "Bogus"}]}, False),
    ],
)
def test_label_selectors(selector: dict[str, Any], matches: bool) -> None:
    assert kubernetes.matches(selector, {"a": "1"}) is matches


@pytest.mark.parametrize("kind", sorted(RESOURCES))
def test_objects_of_any_shape(kind: str, objects: Objects) -> None:
    for odd in ({}, {"metadata": 1, "spec": 2}, {"metadata": {"labels": []}, "spec": {"x": 1}}):
        told({**objects, kind: [odd]})


def fake_kubectl(folder: Path, objects: Objects) -> Path:
    """A command that answers as kubectl does; kinds that are not given it does not know."""
    for name, resource in RESOURCES.items():
        if name in objects:
            listed = json.dumps({"kind": "List", "items": objects[name]})
            (folder / resource[0]).write_text(listed)
    command = folder / "kubectl"
    command.write_text(
        f'#!/bin/sh\n[ "$1" = get ] || exit 9\ncd "{folder}" || exit 9\n'
        'if [ -f "$2" ]; then cat "$2"; else\n'
        '  echo "error: the server doesn\'t have a resource type \\"$2\\"" >&2; exit 1; fi\n'
    )
    command.chmod(0o755)
    return command


@pytest.fixture(scope="module")
def prometheus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    """A real one that watches nothing."""
    if shutil.which("prometheus") is None:
        pytest.skip("prometheus is not on PATH (`apt-get install prometheus`; `make test` does)")
    folder = tmp_path_factory.mktemp("kubernetes")
    with started({}, folder / "data", folder / "prometheus") as watch:
        yield watch


def test_a_cluster_is_asked(
    prometheus: Prometheus, objects: Objects, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    unlabel(objects, "servicemonitors")
    del objects["agents"]
    fake_kubectl(tmp_path, objects)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    found = ask(prometheus.base, "--kubectl", code=1)
    assert "selected by no Prometheus" in found.one("monitors", "problem", "")["what"]
    assert "agents not available" in found.one("monitors", "note", "")["what"]


def test_a_cluster_that_does_not_answer(
    prometheus: Prometheus, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = fake_kubectl(tmp_path, {})
    url = f"--prometheus={prometheus.base}"
    assert main(["doctor", url, "--kubectl", str(command)]) == 2
    assert "no such kind" in capsys.readouterr().err
    assert main(["doctor", url, "--kubectl", f"{tmp_path}/none"]) == 2
    assert "no such command" in capsys.readouterr().err


def test_answers_that_are_none(tmp_path: Path) -> None:
    command = tmp_path / "kubectl"
    command.write_text('#!/bin/sh\ncase $2 in pods) echo "{";; *) echo "{}";; esac\n')
    command.chmod(0o755)
    found = ask_cluster(str(command), 10.0)
    assert found["pods"] == Missing("its answer is no JSON")
    assert found["services"] == ()
    with pytest.raises(CannotAsk, match="cannot be understood"):
        ask_cluster("kubectl 'x", 1.0)
