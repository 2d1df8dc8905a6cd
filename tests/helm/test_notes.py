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


@pytest.mark.parametrize(
    ("values", "told", "untold"),
    [
        ("kind=StatefulSet", "delete statefulset llm-llm-trace-exporter --cascade", "and budgets"),
        ("kind=Deployment", "It takes kind=StatefulSet, too.", "--cascade"),
        ("config.budgets[0].name=a", "counters and budgets start from 0", "kind=StatefulSet"),
    ],
)
def test_a_volume_is_told_with_the_way_to_it(
    helm: Helm, values: str, told: str, untold: str
) -> None:
    more = (
        ",config.budgets[0].limit_usd=5,config.budgets[0].period=daily" if "[0]" in values else ""
    )
    text = notes(helm, "--set", values + more)
    assert told in text and untold not in text
