"""Where a request was served, from what is said of it or from the server's address."""

from __future__ import annotations

import pytest

from llm_trace_exporter.dialects import Context
from tests.spans import call_of, chat, raw_span, read_span


@pytest.mark.parametrize(
    ("attrs", "region"),
    [
        ({"server.address": "us-east5-aiplatform.googleapis.com"}, "us-east5"),
        ({"server.address": "https://europe-west1-aiplatform.googleapis.com:443"}, "europe-west1"),
        ({"server.address": "aiplatform.googleapis.com"}, "global"),
        ({"server.address": "aiplatform.eu.rep.googleapis.com"}, "eu"),
        ({"server.address": "eu.api.openai.com"}, "eu"),
        ({"server.address": "api.openai.com"}, ""),
        ({"server.address": "bedrock-runtime.eu-central-1.amazonaws.com"}, "eu-central-1"),
        ({"server.address": "us-east5-aiplatform.googleapis.com.example.org"}, ""),
        ({"server.address": "127.0.0.1"}, ""),
        ({"anthropic.usage.inference_geo": "US"}, "us"),
        ({"gen_ai.response.inference_geo": "us", "server.address": "api.anthropic.com"}, "us"),
        ({"cloud.region": "us-east-1"}, ""),  # that of the application
        ({}, ""),
    ],
)  # fmt: skip
def test_the_region_of_a_call(attrs: dict[str, str], region: str) -> None:
    assert call_of(read_span(raw_span(chat((10, 5)) | attrs), Context())).region == region


@pytest.mark.parametrize(
    ("text", "event"),
    [
        ("No deployments available for selected model, Try again in 60 seconds", "circuit_open"),
        ("CircuitBreakerOpenException", "circuit_open"),
        ("circuit is open for gpt-4o", "circuit_open"),
        ("Exceeds maximum queue size", "queue_full"),
        ("request queue is full", "queue_full"),
        ("Rate limit reached for requests", ""),
    ],
)
def test_what_a_gateway_did_instead_of_asking(text: str, event: str) -> None:
    span = raw_span(chat() | {"error.message": text}, status=2)
    events = [name for name, _ in call_of(read_span(span, Context())).gateway_events]
    assert events == ([event] if event else [])
