"""Every family of the catalogue has numbers in a simulation, but for those listed with a reason."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from llm_trace_exporter.config import load_config
from llm_trace_exporter.metrics.catalogue import FAMILIES
from llm_trace_exporter.metrics.judge_families import JUDGE_FAMILIES
from llm_trace_exporter.metrics.source_families import PULLED_FAMILIES, SOURCE_FAMILIES
from llm_trace_exporter.simulate.history import VirtualClock, feed
from tests.simulate.world import START_S, samples, traffic

SECONDS = 900.0
CONFIG = """
compat: [semconv, openlit]
labels: {caps: {tool: 2}}
budgets: [{name: all, limit_usd: 100, period: quarterly}]
judges:
  by_name:
    faithfulness: {baseline_failure_ratio: 0.03}
"""
_LISTENERS = "counted where requests come in over the network, of which history has none"
CANNOT = {
    **{family.name: "the judge in the exporter needs a model" for family in JUDGE_FAMILIES},
    **{
        family.name: "the simulated applications do not write what was said"
        for family in FAMILIES
        if family.name.startswith("llm_content_")
    },
    **{family.name: "it reads no store" for family in (*PULLED_FAMILIES, *SOURCE_FAMILIES)},
    "llm_exporter_connections": _LISTENERS,
    "llm_exporter_connections_limit": _LISTENERS,
    "llm_exporter_connections_closed_total": _LISTENERS,
    "llm_budget_forecast_usd": "a quarter of an hour is no week",
    "llm_budget_usual_ratio": "a quarter of an hour is no week",
    "llm_exporter_clock_jumps_total": "its clocks are right",
    "llm_repriced_requests_total": "no usage comes late",
    "llm_exporter_token_requests_total": _LISTENERS,
    "llm_exporter_requests_in_flight": _LISTENERS,
    "llm_exporter_requests_in_flight_limit": _LISTENERS,
    "llm_exporter_request_bytes_in_flight": _LISTENERS,
    "llm_exporter_request_bytes_in_flight_limit": _LISTENERS,
    "llm_exporter_request_bytes_limit": _LISTENERS,
    "llm_exporter_security_last_reload_successful": _LISTENERS,
    "llm_exporter_background_failures_total": "nothing fails",
    "llm_exporter_state_errors_total": "the disk is fine",
    "llm_exporter_implausible_values_total": "its clocks are right",
    "llm_exporter_unreadable_numbers_total": "its numbers are numbers",
    "llm_exporter_trace_table_evicted_total": "memory is large enough",
}
INCIDENTS = (
    "stray-results",
    "unpriced-model",
    "label-flood",
    "malformed-requests",
    "duplicates",
    "ingest-lag",
)


@pytest.fixture(scope="module")
def alive(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    """Families with a sample above 0."""
    folder: Path = tmp_path_factory.mktemp("families")
    config = folder / "config.yml"
    config.write_text(CONFIG)
    settings = load_config(config)
    settings = replace(
        settings, zero_hold_s=0.0, state=replace(settings.state, path=str(folder / "state.db"))
    )
    virtual = VirtualClock(START_S)
    engine = virtual.engine(settings)
    engine.metrics.config_loaded(is_success=True, unix_s=START_S)
    feed(engine, traffic(SECONDS, *INCIDENTS, seed=2), virtual, START_S + SECONDS)
    engine.exposition.render()
    found = samples(engine)
    engine.close()
    return {
        family.name
        for family in FAMILIES
        if any(s.value for name in family.sample_names for s in found.by_name[name])
    }


def test_a_simulation_shows_every_family(alive: set[str]) -> None:
    assert {family.name for family in FAMILIES} - alive == CANNOT.keys()
