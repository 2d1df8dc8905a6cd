"""A call to price, and the pricing of an operator who configured nothing."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from llm_trace_exporter.model import LlmCall, Origin, ReportedCost, Tokens
from llm_trace_exporter.pricing import Pricing, PricingPolicy

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)
TOKENS = Tokens(input=600, cache_read=400, output=200)

MakeCall = Callable[..., LlmCall]


def _make_call(
    provider: str = "openai",
    model: str = "gpt-4o",
    tokens: Tokens | None = TOKENS,
    *,
    at: datetime = NOON,
    dialect: str = "semconv",
    reported: float | None = None,
    parts: tuple[tuple[str, float], ...] = (),
    **fields: Any,
) -> LlmCall:
    start_ns = int(at.timestamp()) * 10**9
    cost = None if reported is None else ReportedCost(reported, parts)
    return LlmCall(
        origin=Origin(b"t" * 16, b"s" * 8, b"", "span", dialect, "scope", "shop", "prod", ()),
        start_ns=start_ns,
        end_ns=start_ns + 10**9,
        operation=fields.pop("operation", "chat"),
        provider=provider,
        request_model=fields.pop("request_model", model),
        response_model=fields.pop("response_model", model),
        tokens=tokens,
        reported_cost=cost,
        **fields,
    )


@pytest.fixture(scope="session")
def make_call() -> MakeCall:
    """Build a call: 600 + 400 cached in, 200 out, to gpt-4o, on 2026-06-01."""
    return _make_call


@pytest.fixture(scope="session")
def pricing() -> Pricing:
    """Prices of the installed list alone."""
    return Pricing(PricingPolicy())
