"""LiteLLM's spend logs: calls, tokens and dollars of its proxy, once."""

from __future__ import annotations

import pytest

from tests.sources.conftest import Watching
from tests.sources.standin import LiteLLM, loaded


@pytest.mark.parametrize("crashes", [False, True])
def test_calls_are_those_of_the_proxy(watching: Watching, crashes: bool) -> None:
    source = watching("litellm", LiteLLM(), mode="calls+scores", is_kept=crashes)
    for _ in range(3):
        source.poll()
        if crashes:
            source.crash()
    at, truth = source.samples(), loaded("litellm", "expected")["totals"]
    assert at.total("llm_requests_total") == truth["calls"]
    assert at.total("llm_requests_total", outcome="error") == truth["failures"]
    assert at.total("llm_requests_total", error_type="server_error") == truth["failures"]
    tokens = at.by("llm_tokens_total", "type")
    assert tokens["input"] + tokens["cache_read"] == truth["prompt_tokens"]
    assert tokens["cache_read"] == 5
    assert tokens["output"] + tokens["reasoning"] == truth["completion_tokens"]
    assert tokens["reasoning"] == 12
    # The proxy's own price is a list price, and so is ours.
    assert at.total("llm_cost_usd_total") == pytest.approx(truth["spend_usd"])
    assert set(at.by("llm_cost_usd_total", "cost_source")) == {"list"}


def test_models_are_named_as_the_provider_does(watching: Watching) -> None:
    source = watching("litellm", LiteLLM(), mode="calls+scores")
    source.poll()
    before = source.samples().total("llm_requests_total", outcome="ok")
    models = {s.labels["model"] for s in source.samples().matching("llm_requests_total")}
    assert (before, models) == (4, {"gpt-4o", "gpt-4o-mini"})


def test_what_its_own_cache_answered_cost_nothing(watching: Watching) -> None:
    store = LiteLLM()
    store.rows[0]["cache_hit"] = "True"
    source = watching("litellm", store, mode="calls+scores")
    source.poll()
    assert source.samples().total("llm_requests_total", outcome="ok") == 3


def test_without_calls_there_is_nothing_to_read(watching: Watching) -> None:
    source = watching("litellm", LiteLLM())
    source.poll()
    assert source.samples().total("llm_requests_total") == 0
