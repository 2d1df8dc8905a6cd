"""What `helm install` tells people at its end."""

from __future__ import annotations

import pytest

from helm.values import CHART
from tests.helm.chart import CASES, NAMESPACE, RELEASE, Helm

WHAT_IS_MISSING = {
    "nothing tells your Prometheus": "serviceMonitor.enabled=true",
    "no alerts are installed": "prometheusRule.enabled=true",
    "counters start from 0": "persistence.enabled=true",
    "everybody in the cluster may send": "networkPolicy.enabled=true",
}


def notes(helm: Helm, *arguments: str) -> str:
    chart = str(CHART)
    done = helm.run("install", RELEASE, chart, "-n", NAMESPACE, "--dry-run=client", *arguments)
    if "cluster unreachable" in done.stderr:
        pytest.skip("Helm 3 prints notes only with a cluster")
    assert done.returncode == 0, done.stderr
    return done.stdout.rpartition("NOTES:\n")[2]


@pytest.mark.parametrize("case", ["default", "tls", "monitoring", "autoscaling", "config"])
def test_nothing_is_left_open(helm: Helm, case: str) -> None:
    assert case in CASES
    text = notes(helm, "-f", str(CHART / "ci" / f"{case}-values.yaml"))
    assert f"http{'s' * (case == 'tls')}://llm-llm-trace-exporter.observability.svc:4318" in text
    assert "helm test llm -n observability" in text
    assert "no value" not in text and "%!" not in text
    assert max(map(len, text.splitlines())) < 125


def test_each_note_goes_with_what_it_asks_for(helm: Helm) -> None:
    before = notes(helm)
    after = notes(helm, "--set", ",".join(WHAT_IS_MISSING.values()))
    for words in WHAT_IS_MISSING:
        assert words in before
        assert words not in after
