"""From nothing to the first panel, by the commands of docs/install.md, on a real API server.

There is no kubelet and no operator: the test starts what the stored StatefulSet says, and gives
Prometheus what the stored ServiceMonitor and PrometheusRule say.
"""

from __future__ import annotations

import json
import shlex
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
import yaml

from helm.binary import find
from helm.values import CHART
from tests.dashboards.written import panels, substituted
from tests.docs.pages import examples
from tests.e2e.process import run, wait_for
from tests.e2e.prometheus import Prometheus, free_port
from tests.e2e.prometheus import started as prometheus
from tests.helm.chart import NAMESPACE, Manifest, of_kind
from tests.helm.test_started import started
from tests.real.cluster import Cluster, cluster
from tests.real.servers import PROMETHEUS_3, program

pytestmark = [pytest.mark.real, pytest.mark.filterwarnings("ignore:Unverified HTTPS")]

PAGE = "install.md"
LONGEST_S = 300.0
KINDS = "serviceaccounts,services,configmaps,statefulsets,servicemonitors,prometheusrules"


def _written(start: str) -> str:
    """The command of the page that begins so."""
    told = [e.text for e in examples() if e.page.name == PAGE and e.language == "sh"]
    (found,) = [line for text in told for line in text.splitlines() if line.startswith(start)]
    return found


@contextmanager
def _cluster(folder: Path) -> Iterator[Cluster]:
    kubectl, helm = find("kubectl"), find("helm")
    if kubectl is None or helm is None:
        pytest.skip("no kubectl or helm, and the wheel with them cannot be had")
    with cluster(folder, kubectl, helm) as found:
        found.do("kubectl", "create", "namespace", NAMESPACE)
        yield found


def _stored(real: Cluster) -> list[Manifest]:
    told = real.do("kubectl", "get", KINDS, "-n", NAMESPACE, "-o", "json")
    rows: list[Manifest] = json.loads(told)["items"]
    return rows


def test_the_first_panel_has_data_within_five_minutes(tmp_path: Path) -> None:
    values = next(
        e.text
        for e in examples()
        if e.page.name == PAGE and e.mark == "values" and "dashboards:" in e.text
    )
    (tmp_path / "values.yaml").write_text(values)
    install = shlex.split(_written("helm upgrade --install"))
    simulate = _written("kubectl --namespace observability exec").partition("simulate ")[2]
    address = next(word for word in install if word.startswith("oci://"))
    ports = {"metrics": free_port(), "otlpHttp.port": free_port(), "otlpGrpc.port": free_port()}
    chosen = ",".join(f"ports.{name}={port}" for name, port in ports.items())
    server = program(PROMETHEUS_3)
    with _cluster(tmp_path) as real, TemporaryDirectory() as root:
        Path(root).chmod(0o755)
        begun_s = time.monotonic()
        arguments = [str(CHART) if word == address else word for word in install[1:]]
        arguments[arguments.index("values.yaml")] = str(tmp_path / "values.yaml")
        real.do("helm", *arguments, "--set", chosen)
        objects = _stored(real)
        with (
            started(objects, Path(root)),
            _watching(objects, ports["metrics"], tmp_path, server) as watch,
        ):
            wait_for(lambda: watch.value("up") == 1, "the first scrape")
            endpoint = f"--endpoint=http://127.0.0.1:{ports['otlpHttp.port']}"
            # Its incident is for the first page, minutes later.
            rate = [word for word in shlex.split(simulate) if not word.startswith("--incident")]
            run("simulate", endpoint, "--duration=5s", *rate)
            board = _board(objects, "llm-overview")
            (panel,) = [one for one in panels(board) if one["title"] == "Requests now"]
            query = substituted(panel["targets"][0]["expr"])
            wait_for(lambda: (watch.value(query) or 0) > 0, "data on the panel", LONGEST_S)
        assert time.monotonic() - begun_s < LONGEST_S


@contextmanager
def _watching(
    objects: list[Manifest], port: int, folder: Path, server: Path
) -> Iterator[Prometheus]:
    (monitor,) = of_kind(objects, "ServiceMonitor")
    (endpoint,) = monitor["spec"]["endpoints"]
    (rules,) = of_kind(objects, "PrometheusRule")
    (folder / "rules.yml").write_text(yaml.safe_dump(rules["spec"]))
    settings = {
        "scrape_configs": [
            {
                "job_name": monitor["metadata"]["name"],
                "scrape_interval": endpoint["interval"],
                "metrics_path": endpoint["path"],
                "static_configs": [{"targets": [f"127.0.0.1:{port}"]}],
            }
        ],
        "rule_files": [str(folder / "rules.yml")],
    }
    at = folder / "prometheus"
    with prometheus(settings, at / "data", at, program=server) as watch:
        yield watch


def _board(objects: list[Manifest], uid: str) -> dict[str, Any]:
    boards = (
        json.loads(text)
        for o in of_kind(objects, "ConfigMap")
        for name, text in o["data"].items()
        if name.endswith(".json")
    )
    return next(board for board in boards if board["uid"] == uid)
