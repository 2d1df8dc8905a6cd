"""The real SDKs send calls to a running exporter; the numbers on /metrics are exactly theirs."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.e2e.process import Exporter, running
from tests.e2e.sdk import send_by_node, send_by_python
from tests.e2e.wire import Span, failed_call
from tests.facts import Samples
from tests.spans import chat

CONFIG = {
    "decision_wait": "200ms",
    "zero_hold": "0s",
    "pricing": {
        "contracts": [
            {
                "provider": "acme",
                "model": "acme-large",
                "usd_per_million_tokens": {"input": 1.0, "output": 2.0},
                "usd_per_request": 0.01,
            }
        ]
    },
}

AGENT = Span(
    {
        "gen_ai.operation.name": "invoke_agent",
        "gen_ai.agent.name": "helper",
        "gen_ai.usage.input_tokens": 1200,
        "gen_ai.usage.output_tokens": 300,
    },
    name="invoke_agent helper",
    end_ms=5000,
)
STREAM = Span(
    chat(
        (1200, 300),
        gen_ai__usage__cache_read__input_tokens=400,
        gen_ai__request__stream=True,
        gen_ai__response__time_to_first_chunk=0.5,
        gen_ai__response__finish_reasons=["stop"],
        feature="search",
    ),
    start_ms=1000,
    end_ms=3500,
    parent=0,
)
TOOL = Span(
    {"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": "lookup"},
    name="execute_tool lookup",
    start_ms=4000,
    end_ms=4250,
    parent=0,
)
EMBEDDING = Span(
    {
        "gen_ai.operation.name": "embeddings",
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": "text-embedding-3-small",
        "gen_ai.usage.input_tokens": 50,
    },
    name="embeddings text-embedding-3-small",
    end_ms=120,
)
CONTRACTED = Span(
    {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "acme",
        "gen_ai.request.model": "acme-large",
        "gen_ai.usage.input_tokens": 1000,
        "gen_ai.usage.output_tokens": 100,
    },
    end_ms=700,
)


SPANS = 6


def play(service: str) -> tuple[Span, ...]:
    """What one sender does; the answers of others have other ids."""
    answered = {**STREAM.attrs, "gen_ai.response.id": f"chatcmpl-{service}"}
    stream = replace(STREAM, attrs=answered)
    failed = failed_call("gpt-4o", "429", "slow down")
    return (AGENT, stream, TOOL, EMBEDDING, CONTRACTED, failed)


@pytest.fixture(scope="module")
def exporter(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Exporter]:
    """One exporter for all senders: each is a service of its own."""
    with running(tmp_path_factory.mktemp("sdks"), config=CONFIG) as started:
        yield started


@pytest.mark.parametrize("protocol", ["http", "grpc"])
def test_python(exporter: Exporter, caplog: pytest.LogCaptureFixture, protocol: str) -> None:
    before = exporter.metrics()
    send_by_python(exporter, protocol, f"python-{protocol}", play(f"python-{protocol}"))
    assert [r.getMessage() for r in caplog.records if r.levelno >= logging.WARNING] == []
    assert_exact(exporter, f"python-{protocol}", protocol, before)


@pytest.mark.parametrize("protocol", ["json", "proto", "grpc"])
def test_node(exporter: Exporter, node_folder: Path, protocol: str) -> None:
    before = exporter.metrics()
    send_by_node(exporter, protocol, f"node-{protocol}", play(f"node-{protocol}"), node_folder)
    assert_exact(exporter, f"node-{protocol}", "grpc" if protocol == "grpc" else "http", before)


def assert_exact(exporter: Exporter, service: str, way: str, before: Samples) -> None:
    """Every number that `play` makes, and no other call of this service."""
    at = exporter.wait_until_settled()
    of = {"service": service}

    assert at.by("llm_requests_total", "outcome", **of) == {"ok": 3, "error": 1}
    assert at.by("llm_requests_total", "error_type", outcome="error", **of) == {"rate_limited": 1}
    assert at.by("llm_requests_total", "operation", **of) == {"chat": 3, "embeddings": 1}
    assert at.by("llm_requests_total", "feature", **of) == {"": 3, "search": 1}
    assert at.by("llm_requests_total", "model", **of) == {
        "gpt-4o": 2,
        "text-embedding-3-small": 1,
        "acme-large": 1,
    }
    assert at.by("llm_tokens_total", "type", model="gpt-4o", **of) == {
        "input": 800,
        "cache_read": 400,
        "output": 300,
    }
    assert at.by("llm_tokens_total", "model", **of) == {
        "gpt-4o": 1500,
        "text-embedding-3-small": 50,
        "acme-large": 1100,
    }
    assert_dollars(at, of)
    assert at.by("llm_request_time_to_first_token_seconds_count", "model", **of) == {"gpt-4o": 1}
    assert at.total("llm_request_time_to_first_token_seconds_sum", **of) == 0.5
    buckets = "llm_request_time_to_first_token_seconds_bucket"
    assert at.by(buckets, "le", **of) == dict.fromkeys(
        ("0.75", "1.5", "3.0", "6.0", "12.0", "30.0", "60.0", "+Inf"), 1
    )
    per_token_s = (2.5 - 0.5) / 299
    assert at.total("llm_request_time_per_output_token_seconds_sum", **of) == pytest.approx(
        per_token_s
    )
    durations = at.by("llm_request_duration_seconds_sum", "outcome", **of)
    assert durations == pytest.approx({"ok": 2.5 + 0.12 + 0.7, "error": 0.2})
    assert at.by("llm_finish_reasons_total", "reason", **of) == {"stop": 1}
    assert at.by("llm_tool_calls_total", "tool", outcome="ok", **of) == {"lookup": 1}
    assert at.by("llm_step_duration_seconds_sum", "name", **of) == {"helper": 5, "lookup": 0.25}
    assert_own_numbers(at, before, way)


def assert_dollars(at: Samples, of: dict[str, str]) -> None:
    """List prices of gpt-4o ($2.50, $1.25, $10) and the contract, to the last digit."""
    cost = "llm_cost_usd_total"
    assert at.by(cost, "type", model="gpt-4o", cost_source="list", **of) == pytest.approx(
        {"input": 0.002, "cache_read": 0.0005, "output": 0.003}, rel=1e-12
    )
    assert at.by(cost, "type", cost_source="contract", **of) == pytest.approx(
        {"input": 0.001, "output": 0.0002, "request": 0.01}, rel=1e-12
    )
    assert at.by(cost, "model", **of) == pytest.approx(
        {"gpt-4o": 0.0055, "text-embedding-3-small": 0.000001, "acme-large": 0.0112}, rel=1e-12
    )
    assert at.total("llm_request_cost_usd_count", **of) == 3
    assert at.by("llm_unpriced_requests_total", "reason", **of) == {"no_usage": 1}
    assert at.by("llm_unpriced_tokens_total", "reason", **of) == {}


def assert_own_numbers(at: Samples, before: Samples, way: str) -> None:
    """What the exporter says about the same request."""

    def grown(name: str, **labels: str) -> float:
        return at.total(name, **labels) - before.total(name, **labels)

    source = f"otlp_{way}"
    assert grown("llm_exporter_spans_received_total") == SPANS
    assert grown("llm_exporter_spans_received_total", source=source) == SPANS
    assert grown("llm_exporter_ingest_duration_seconds_count", source=source) == 1
    assert grown("llm_exporter_requests_rejected_total") == 0
    # The agent repeats the sums of its calls.
    assert grown("llm_exporter_discarded_tokens_total", reason="rollup") == 1500
    assert grown("llm_exporter_discarded_tokens_total") == 1500
