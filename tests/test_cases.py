"""Single requests with right tokens and dollars: each stands for a whole kind of bill."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from llm_trace_exporter.config import Settings
from llm_trace_exporter.engine.engine import Engine
from llm_trace_exporter.otlp.files import iter_requests
from tests.facts import Samples

CASES = Path(__file__).parent / "cases"
EXPECTED: dict[str, dict[str, Any]] = json.loads((CASES / "expected.json").read_text())


@pytest.mark.parametrize("name", EXPECTED)
def test_a_request_gives_its_tokens_and_dollars(name: str) -> None:
    engine = Engine(Settings(zero_hold_s=0))
    for request in iter_requests(CASES / name, lambda _: None):
        engine.ingester.ingest_request(request.signal, request.encoding, request.body, "file")
    engine.ingester.settle_all()
    at = Samples(engine.exposition.render().body.decode())
    expected = EXPECTED[name]
    for token_type, count in expected.get("tokens", {}).items():
        assert at.total("llm_tokens_total", type=token_type) == count, token_type
    if "cost_usd" in expected:
        cost = at.total("llm_cost_usd_total")
        assert cost == pytest.approx(expected["cost_usd"], rel=0.002)
