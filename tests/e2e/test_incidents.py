"""The alert that an incident is for reaches whom it concerns; on a good day nobody is called."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.e2e.incidents import History, needs_servers, watching, written
from tests.e2e.troubles import UNSHOWN

pytestmark = [needs_servers, pytest.mark.long, pytest.mark.alone]


def test_incidents_call_whom_they_concern_and_a_provider_that_is_down_explains_the_rest(
    tmp_path: Path,
) -> None:
    incidents = ("provider-outage", "prompt-injection", "tool-outage", "malformed-requests")
    bad = History(
        "production",
        tuple(f"{name}@-50m+1h" for name in incidents),
        "70m",
        services=("support-bot", "coding-agent"),
    )
    with watching(written(tmp_path, [bad]), tmp_path / "run") as watch:
        told = watch.heard.who()
        fires = watch.firing()
    assert told["LLMProviderErrorsHigh critical"] == {"pager"}
    assert told["LLMGuardrailBlocksHigh warning"] == {"security"}
    assert told["LLMExporterRequestsRejected warning"] == {"slack-platform"}
    silenced = {"LLMErrorBudgetBurn critical", "LLMErrorBudgetBurn warning",
                "LLMTotalOutage critical", "LLMModelErrorsHigh critical",
                "LLMToolFailuresHigh critical"}  # fmt: skip
    assert silenced <= fires
    assert not silenced & told.keys(), told


def test_on_a_good_day_nobody_is_called(tmp_path: Path) -> None:
    with watching(written(tmp_path, [History("production", (), "2h")]), tmp_path / "run") as watch:
        assert watch.firing() <= UNSHOWN.keys()
