"""What a real Prometheus stores of targets as the operator makes them of the chart's monitors."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any

import pytest

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


@pytest.mark.skipif(shutil.which("prometheus") is None, reason="prometheus is not on PATH")
def test_our_service_label_is_the_application(helm: Helm, tmp_path: Path) -> None:
    """A covered `service` would end every alert and dashboard; a filled one, targets for all."""
    (monitor,) = of_kind(helm.render("--set", "serviceMonitor.enabled=true"), "ServiceMonitor")
    (endpoint,) = monitor["spec"]["endpoints"]
    config = tmp_path / "config.yml"
    config.write_text("slos: [{slo: error_ratio, target: 0.02}]\n")
    arguments = (
        "--zero-hold=0s",
        "--settle=0s",
        "--replay=examples/traces",
        f"--config.file={config}",
    )
    with running(tmp_path / "exporter", *arguments) as exporter:
        target = exporter.web.removeprefix("http://")
        job = {
            "static_configs": [{"targets": [target], "labels": OPERATORS}],
            "honor_labels": endpoint["honorLabels"],
            "relabel_configs": [snake(r) for r in endpoint["relabelings"]],
        }
        with scraping(target, tmp_path / "prometheus", **job) as prometheus:
            known = 'count(llm_requests_total{service="shop-assistant", namespace="observability"})'
            wait_for(lambda: prometheus.value(known), "the application's service")
            assert prometheus.value('count({exported_service=~".+"})') is None
            assert prometheus.value('llm_slo_target{slo="error_ratio", service=""}') == 0.02
