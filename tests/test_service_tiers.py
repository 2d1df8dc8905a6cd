"""Which names of a tier are one, wherever they are read."""

from __future__ import annotations

import pytest

from llm_trace_exporter.dialects import Context
from llm_trace_exporter.model import LlmCall
from llm_trace_exporter.service_tiers import normalize_tier
from tests.spans import chat, raw_span, read_span


@pytest.mark.parametrize(
    ("written", "tier"),
    [
        ("", ""),
        *((name, "") for name in ("default", "Standard", "auto", "on_demand", "on-demand")),
        *((name, "") for name in ("standard_only", "SERVICE_TIER_UNSPECIFIED", "none", "normal")),
        ("priority", "priority"),
        ("SERVICE_TIER_PRIORITY", "priority"),
        ("ON_DEMAND_PRIORITY", "priority"),
        ("ON_DEMAND_FLEX", "flex"),
        ("batch-api", "batch"),
        (" Flex ", "flex"),
        ("x" * 100, "x" * 32),
    ],
)
def test_a_call_has_the_tier_that_pricing_knows(written: str, tier: str) -> None:
    reading = read_span(raw_span(chat(gen_ai__response__service_tier=written)), Context())
    (call,) = [r for r in reading.records if isinstance(r, LlmCall)]
    assert call.service_tier == normalize_tier(written) == tier
