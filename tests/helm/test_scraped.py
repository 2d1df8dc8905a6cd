"""What a real Prometheus stores of targets as the operator makes them of the chart's monitors."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from llm_trace_exporter.metrics.catalogue import FAMILIES
from tests.e2e.process import running, wait_for
from tests.e2e.prometheus import scraping
from tests.helm.chart import Helm, of_kind

OPERATORS = {
    "namespace": "observability",
    "service": "llm-llm-trace-exporter",
    "pod": "llm-llm-trace-exporter-0",
    "container": "exporter",
    "endpoint": "http-metrics",
}
"""Labels that the operator gives the targets of a ServiceMonitor."""


def snake(relabeling: dict[str, Any]) -> dict[str, Any]:
    return {re.sub("([A-Z])", r"_\1", key).lower(): v for key, v in relabeling.items()}


def job(helm: Helm, target: str) -> dict[str, Any]:
    """What the operator writes into Prometheus's configuration."""
    (monitor,) = of_kind(helm.render("--set", "serviceMonitor.enabled=true"), "ServiceMonitor")
    (endpoint,) = monitor["spec"]["endpoints"]
    return {
        "static_configs": [{"targets": [target], "labels": OPERATORS}],
        "honor_labels": endpoint["honorLabels"],
        "relabel_configs": [snake(r) for r in endpoint["relabelings"]],
    }


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is not on PATH")
def test_targets_have_no_label_of_ours(helm: Helm, tmp_path: Path) -> None:
    path = tmp_path / "prometheus.yml"
    path.write_text(yaml.safe_dump({"scrape_configs": [{"job_name": "a", **job(helm, "a:1")}]}))
    command = ["promtool", "check", "service-discovery", "--timeout=200ms", str(path), "a"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    (target,) = json.loads(done.stdout)
    assert OPERATORS.items() <= target["discoveredLabels"].items()
    assert OPERATORS.keys() - target["labels"].keys() == {"service"}
    ours = {label for family in FAMILIES for label in family.labels}
    assert "service" in ours
    assert not ours & target["labels"].keys()


@pytest.mark.long
@pytest.mark.skipif(shutil.which("prometheus") is None, reason="prometheus is not on PATH")
def test_our_service_label_is_the_application(helm: Helm, tmp_path: Path) -> None:
    """A covered `service` would end every alert and dashboard; a filled one, targets for all."""
    config = tmp_path / "config.yml"
    config.write_text("slos: [{slo: error_ratio, target: 0.02}]\n")
    arguments = (
        "--zero-hold=0s",
        "--decision-wait=0s",
        "--replay=examples/traces",
        f"--config.file={config}",
    )
    with running(tmp_path / "exporter", *arguments) as exporter:
        target = exporter.web.removeprefix("http://")
        with scraping(target, tmp_path / "prometheus", **job(helm, target)) as prometheus:
            known = 'count(llm_requests_total{service="shop-assistant", namespace="observability"})'
            wait_for(lambda: prometheus.value(known), "the application's service")
            assert prometheus.value('count({exported_service=~".+"})') is None
            assert prometheus.value('llm_slo_target{slo="error_ratio", service=""}') == 0.02
