"""What the configuration names is what there is."""

from __future__ import annotations

from llm_trace_exporter.config.bind import load_schema
from llm_trace_exporter.config.token_checks import PLACES, SYSTEMS_WITH_CALLS
from llm_trace_exporter.sources.registry import SYSTEMS


def test_the_configuration_knows_every_system() -> None:
    items = load_schema()["properties"]["sources"]["items"]["properties"]
    assert set(items["system"]["enum"]) == SYSTEMS.keys()
    assert PLACES.keys() <= SYSTEMS.keys()
    assert SYSTEMS.keys() >= SYSTEMS_WITH_CALLS
