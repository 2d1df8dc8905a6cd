"""Renders of use cases, committed so that a review shows what a change does to clusters.

`LTE_GOLDEN=write` writes them anew.
"""

from __future__ import annotations

import os
import re

import pytest

from helm.values import CHART
from tests.helm.chart import Helm, of_kind, workload

GOLDEN = CHART / "golden"
USE_CASES = ("default", "persistence", "tokens", "tls", "network")
_VARYING = re.compile(
    r"^ +(helm\.sh/chart|checksum/\w+|app\.kubernetes\.io/version): .*\n", re.MULTILINE
)


@pytest.mark.parametrize("case", USE_CASES)
def test_use_case(helm: Helm, case: str) -> None:
    text = helm.text("-f", str(CHART / "ci" / f"{case}-values.yaml"))
    # Helm 3 and 4 differ in the blank lines between objects.
    rendered = re.sub(r"\n+---\n", "\n---\n", _VARYING.sub("", text)).strip() + "\n"
    path = GOLDEN / f"{case}.yaml"
    if os.environ.get("LTE_GOLDEN") == "write":
        path.parent.mkdir(exist_ok=True)
        path.write_text(rendered)
    assert rendered == path.read_text(), "LTE_GOLDEN=write pytest tests/helm/test_golden.py"


def test_an_upgrade_keeps_what_cannot_change(helm: Helm) -> None:
    """What a cluster refuses to change in place, as version 0.1.0 had it."""
    main = workload(helm.case("persistence"))
    assert main["metadata"]["name"] == "llm-llm-trace-exporter"
    assert main["spec"]["selector"]["matchLabels"] == {
        "app.kubernetes.io/name": "llm-trace-exporter",
        "app.kubernetes.io/instance": "llm",
    }
    assert main["spec"]["serviceName"] == "llm-llm-trace-exporter-headless"
    assert main["spec"]["podManagementPolicy"] == "Parallel"
    (claim,) = main["spec"]["volumeClaimTemplates"]
    assert claim["metadata"]["name"] == "state"
    names = {s["metadata"]["name"] for s in of_kind(helm.case("persistence"), "Service")}
    assert names == {"llm-llm-trace-exporter", "llm-llm-trace-exporter-headless"}
