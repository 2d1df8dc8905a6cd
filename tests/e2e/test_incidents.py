"""The alert that an incident is for reaches a webhook; on a good day none does."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.e2e.incidents import firing, history, watching
from tests.e2e.process import wait_for

pytestmark = pytest.mark.skipif(
    not shutil.which("promtool")
    or not (shutil.which("prometheus-alertmanager") or shutil.which("alertmanager")),
    reason="prometheus or alertmanager is not on PATH (`apt-get install prometheus-alertmanager`)",
)

EXPECTED: dict[str, set[str]] = {
    "provider-outage": {"LLMProviderErrorsHigh", "LLMTotalOutage", "LLMErrorBudgetBurn"},
    "rate-limit": {"LLMRateLimited"},
    "auth": {"LLMAuthenticationFailing"},
    "auth-quota": {"LLMQuotaExhausted"},
    "timeouts": {"LLMTimeouts"},
    "truncation": {"LLMTruncatedOutputs"},
    "retry-storm": {"LLMRetryStorm"},
    "fallback-storm": {"LLMFallbackStorm"},
    "unpriced-model": {"LLMUnpricedModel"},
    "context-length": {"LLMContextLengthExceeded"},
}
"""Incident -> alerts that must ring."""

EVERY_TIME = ("provider-outage", "truncation", "unpriced-model")
"""Together in one history, so that the quick test is quick."""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path


def test_alerts_of_several_incidents_reach_the_webhook(folder: Path) -> None:
    wanted = set().union(*(EXPECTED[name] for name in EVERY_TIME))
    blocks = history(folder, *(f"{name}@-1h+1h" for name in EVERY_TIME), hours=2)
    with watching(blocks, folder / "run") as (_, rung):
        wait_for(lambda: wanted <= rung.names, f"{wanted}")


def test_a_good_day_rings_nothing(folder: Path) -> None:
    blocks = history(folder, hours=2)
    with watching(blocks, folder / "run") as (base, rung):
        assert not firing(base)
        assert not rung.alerts


@pytest.mark.long
@pytest.mark.parametrize("name", EXPECTED)
def test_incident_rings_its_alerts(folder: Path, name: str) -> None:
    blocks = history(folder, f"{name}@-1h+1h", hours=2)
    with watching(blocks, folder / "run") as (_, rung):
        wait_for(lambda: EXPECTED[name] <= rung.names, f"{EXPECTED[name]}")
