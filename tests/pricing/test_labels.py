"""Provider and model labels: one name for every spelling, and never one for two models."""

from __future__ import annotations

import json
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest
from genai_prices import data_snapshot
from hypothesis import given
from hypothesis import strategies as st

from llm_trace_exporter.model import LlmCall
from llm_trace_exporter.pricing import Pricing, PricingPolicy, normalize_provider
from llm_trace_exporter.pricing.names import MAX_LENGTH, signature, spellings
from tests.draws import draws

CORPUS = Path(__file__).parents[1] / "corpus"
ARN = "arn:aws:bedrock:us-east-1:123456789012:"
CLAUDE = "us.anthropic.claude-sonnet-4-5-20250929-v1:0"
VERTEX = "projects/p/locations/us-central1/publishers/"

PROVIDERS = [
    (
        "openai",
        "openai OpenAI openai.chat openai.responses openai-chat text-completion-openai",
    ),
    ("anthropic", "anthropic Anthropic anthropic.messages claude"),
    (
        "aws.bedrock",
        "aws.bedrock bedrock amazon-bedrock AWS aws_bedrock bedrock_converse",
    ),
    (
        "azure.ai.openai",
        "azure azure_openai az.ai.openai azure.ai.openai azure-openai.chat Azure",
    ),
    ("azure.ai.inference", "az.ai.inference azure_ai azure.ai.inference"),
    ("gcp.gemini", "gemini google.generative-ai google_genai gcp.gemini google-gla"),
    (
        "gcp.vertex_ai",
        "vertex_ai vertexai VertexAI google.vertex.chat google-vertex gcp.vertex_ai",
    ),
    ("gcp.gen_ai", "google Google gcp.gen_ai"),
    ("mistral_ai", "mistral mistralai mistral_ai mistral.chat"),
    ("x_ai", "xai x_ai x-ai xai.chat"),
    ("together_ai", "together together_ai togetherai.chat"),
    ("fireworks_ai", "fireworks fireworks_ai fireworks-ai"),
    ("ibm.watsonx.ai", "watsonx ibm.watsonx.ai Watsonx"),
    ("moonshot_ai", "moonshot moonshot_ai moonshotai"),
    ("vllm", "vllm hosted_vllm"),
    ("llama_cpp", "llama.cpp llama_cpp llamacpp llama-cpp-python"),
    ("lm_studio", "lmstudio lm_studio LM-Studio"),
    (
        "",
        "langchain langgraph strands-agents microsoft.agent_framework litellm Chroma unknown",
    ),
    ("acme_inference", "acme_inference Acme_Inference"),
]

MODELS = [
    # (provider as written, model as written, provider label, model label)
    ("openai", "gpt-4o-2024-08-06", "openai", "gpt-4o"),
    ("openai", "gpt-4o-mini-2024-07-18", "openai", "gpt-4o-mini"),
    ("openai.chat", "gpt-4o-mini", "openai", "gpt-4o-mini"),
    ("langchain", "gpt-4o-mini-2024-07-18", "openai", "gpt-4o-mini"),
    ("strands-agents", "gpt-4o-mini", "openai", "gpt-4o-mini"),
    ("", "openai/gpt-4o", "openai", "gpt-4o"),
    ("", "openai:gpt-4o", "openai", "gpt-4o"),
    ("", "azure/gpt-4o", "azure.ai.openai", "gpt-4o"),
    ("openai", "azure/gpt-4o", "azure.ai.openai", "gpt-4o"),
    ("azure", "gpt-35-turbo", "azure.ai.openai", "gpt-3.5-turbo"),
    ("openai", "gpt-4-0613", "openai", "gpt-4"),
    ("openai", "gpt-4-turbo-2024-04-09", "openai", "gpt-4-turbo"),
    ("openai", "gpt-5-codex", "openai", "gpt-5-codex"),
    ("openai", "gpt-4o-audio-preview-2024-12-17", "openai", "gpt-4o-audio-preview"),
    ("openai", "gpt-4o-mini-search-preview", "openai", "gpt-4o-mini-search-preview"),
    ("openai", "o3-mini-high", "openai", "o3-mini-high"),
    ("openai", "GPT-4o", "openai", "gpt-4o"),
    ("openai", "ft:gpt-4o-mini-2024-07-18:org:name:id", "openai", "ft:gpt-4o-mini"),
    (
        "azure",
        "gpt-4o-mini-2024-07-18.ft-0e208cf33a6a466994a",
        "azure.ai.openai",
        "ft:gpt-4o-mini",
    ),
    ("", "text-embedding-3-small", "openai", "text-embedding-3-small"),
    ("", "text-embedding-ada-002", "openai", "text-embedding-ada-002"),
    ("", "o4-mini", "openai", "o4-mini"),
    ("anthropic", "claude-sonnet-4-5-20250929", "anthropic", "claude-sonnet-4-5"),
    ("", "anthropic/claude-sonnet-4-5-20250929", "anthropic", "claude-sonnet-4-5"),
    ("anthropic", "claude-3-5-haiku-20241022", "anthropic", "claude-3-5-haiku"),
    ("anthropic", "claude-3-7-sonnet-latest", "anthropic", "claude-3-7-sonnet"),
    ("anthropic", "claude-opus-4-20250514", "anthropic", "claude-opus-4"),
    ("anthropic", "claude-sonnet-4-0", "anthropic", "claude-sonnet-4"),
    ("openrouter", "anthropic/claude-3.5-sonnet", "openrouter", "claude-3-5-sonnet"),
    ("aws", CLAUDE, "aws.bedrock", "claude-sonnet-4-5"),
    ("", CLAUDE, "aws.bedrock", "claude-sonnet-4-5"),
    ("", f"bedrock/{CLAUDE}", "aws.bedrock", "claude-sonnet-4-5"),
    ("", f"{ARN}inference-profile/{CLAUDE}", "aws.bedrock", "claude-sonnet-4-5"),
    (
        "aws.bedrock",
        f"{ARN}foundation-model/{CLAUDE[3:]}",
        "aws.bedrock",
        "claude-sonnet-4-5",
    ),
    ("", f"{ARN}application-inference-profile/a1b2c3", "aws.bedrock", "a1b2c3"),
    (
        "aws",
        "anthropic.claude-3-5-sonnet-20241022-v2:0",
        "aws.bedrock",
        "claude-3-5-sonnet",
    ),
    ("aws", "amazon.titan-embed-text-v2:0", "aws.bedrock", "titan-embed-text-v2"),
    ("aws", "amazon.nova-lite-v1:0", "aws.bedrock", "nova-lite"),
    ("aws", "openai.gpt-oss-120b-1:0", "aws.bedrock", "gpt-oss-120b"),
    ("gcp.gemini", "models/gemini-2.5-flash", "gcp.gemini", "gemini-2.5-flash"),
    ("gemini", "gemini-embedding-001", "gcp.gemini", "gemini-embedding-001"),
    ("", "gemini-2.5-flash", "gcp.gen_ai", "gemini-2.5-flash"),
    (
        "",
        "publishers/google/models/gemini-2.0-flash",
        "gcp.vertex_ai",
        "gemini-2.0-flash",
    ),
    (
        "",
        f"{VERTEX}google/models/gemini-2.0-flash-001",
        "gcp.vertex_ai",
        "gemini-2.0-flash",
    ),
    ("vertexai", "claude-sonnet-4-5@20250929", "gcp.vertex_ai", "claude-sonnet-4-5"),
    ("mistral", "mistral-large-latest", "mistral_ai", "mistral-large"),
    ("xai", "grok-4-0709", "x_ai", "grok-4"),
    ("groq", "openai/gpt-oss-120b", "groq", "gpt-oss-120b"),
    ("ollama", "llama3.2:latest", "ollama", "llama3.2"),
    ("", "ollama/llama3:8b", "ollama", "llama3:8b"),
    ("together", "meta-llama/Llama-4-Nope", "together_ai", "Llama-4-Nope"),
    (
        "",
        f"bedrock/{ARN}inference-profile/{CLAUDE}",
        "aws.bedrock",
        "claude-sonnet-4-5",
    ),
    ("", "fireworks_ai/accounts/fireworks/models/glm-5p2", "fireworks_ai", "glm-5p2"),
    ("", "my-model", "", "my-model"),
    ("acme", " my\tmodel\x00\u202e ", "acme", "mymodel"),
    ("", "some-team/own-model", "", "some-team/own-model"),
    ("", "", "", ""),
]


@pytest.mark.parametrize(("label", "written"), PROVIDERS)
def test_provider_has_one_label(label: str, written: str) -> None:
    assert {normalize_provider(name) for name in written.split()} == {label}


@pytest.mark.parametrize(("provider", "model", "provider_label", "label"), MODELS)
def test_model_has_one_label(
    pricing: Pricing,
    make_call: Any,
    provider: str,
    model: str,
    provider_label: str,
    label: str,
) -> None:
    priced = pricing.price(make_call(provider, model))
    assert (priced.provider, priced.model) == (provider_label, label)


def test_labels_of_the_captures_are_already_plain(pricing: Pricing, make_call: Any) -> None:
    names = {
        name
        for path in CORPUS.glob("*/expected.json")
        for name in json.loads(path.read_text()).get("per_model", {})
    }
    assert names
    assert {pricing.price(make_call("", name)).model for name in names} == names


def test_response_model_is_the_label_and_request_model_its_stand_in(
    pricing: Pricing, make_call: Any
) -> None:
    both = make_call("azure", request_model="prod-chat", response_model="gpt-4o-2024-08-06")
    assert pricing.price(both).model == "gpt-4o"
    asked = make_call("openai", request_model="gpt-4o", response_model="")
    assert pricing.price(asked).model == "gpt-4o"


def test_an_alias_that_answers_keeps_its_name_and_takes_the_price_asked_for(
    pricing: Pricing, make_call: Any
) -> None:
    call = make_call("", request_model="openai/gpt-4o", response_model="our-alias")
    priced = pricing.price(call)
    assert (priced.provider, priced.model) == ("openai", "our-alias")
    assert priced.cost_usd == pytest.approx(0.004)


def test_a_local_model_is_no_entry_of_the_list_whatever_was_asked_for(pricing: Pricing) -> None:
    found = pricing.resolved("ollama", "our-alias", "gpt-4o", "")
    assert (found.local, found.match, found.model) == (True, None, "our-alias")


@pytest.mark.parametrize("provider", ["openai", "anthropic", "google", "mistral", "x-ai"])
def test_no_two_models_of_a_maker_share_a_label(
    pricing: Pricing, make_call: Any, provider: str
) -> None:
    found = next(p for p in data_snapshot.get_snapshot().providers if p.id == provider)
    sharing = defaultdict(set)
    for model in found.models:
        sharing[pricing.price(make_call(provider, model.id)).model].add(model.id)
    for label, ids in sharing.items():
        bare = {signature(spellings(name).plain) for name in ids}
        assert len(bare) == 1, (label, ids)


@draws(300)
@given(
    provider=st.text(max_size=80),
    model=st.text(max_size=300),
    tier=st.text(max_size=40),
)
def test_any_text_gives_bounded_stable_labels(
    pricing: Pricing, make_call: Any, provider: str, model: str, tier: str
) -> None:
    priced = pricing.price(make_call(provider, model, service_tier=tier))
    assert len(priced.model) <= MAX_LENGTH
    assert len(priced.provider) <= MAX_LENGTH
    assert normalize_provider(priced.provider) == priced.provider
    assert not set(priced.model) & set("\x00\n\r\t \u202e")


@draws(200)
@given(
    prefix=st.sampled_from(["", "openai/", "openai:", "openrouter/openai/", "litellm/openai/"]),
    suffix=st.sampled_from(["", "-2024-08-06", "-2024-11-20", "-20240806", ":latest"]),
    base=st.sampled_from(["gpt-4o", "gpt-4o-mini", "gpt-4.1", "o3", "gpt-4o-audio-preview"]),
)
def test_every_combination_of_prefix_and_date_is_one_model(
    pricing: Pricing, make_call: Any, prefix: str, suffix: str, base: str
) -> None:
    if prefix.startswith("litellm"):
        prefix = prefix.removeprefix("litellm/")
    assert pricing.price(make_call("", prefix + base + suffix)).model == base


def test_a_flood_of_names_is_forgotten_again(make_call: Any) -> None:
    pricing = Pricing(PricingPolicy())

    def call(number: int) -> LlmCall:
        made: LlmCall = make_call("acme", f"invented-{number}")
        return made

    for number in range(6000):
        pricing.price(call(number))
    assert len(pricing._prices.cache) <= 4096
    assert pricing.price(make_call()).cost_usd == pytest.approx(0.004)


def test_names_longer_than_any_model_are_cut(pricing: Pricing, make_call: Any) -> None:
    priced = pricing.price(make_call("p" * 10**6, "m" * 10**6, service_tier="t" * 10**6))
    assert len(priced.model) == MAX_LENGTH
    assert len(priced.provider) <= 64


@pytest.mark.parametrize("how", ["online", "nitro", "floor", "exacto"])
@pytest.mark.parametrize("model", ["openai/gpt-5", "openai/gpt-4o", "deepseek/deepseek-chat"])
def test_how_openrouter_is_to_choose_is_no_other_model(
    pricing: Pricing, make_call: Any, model: str, how: str
) -> None:
    plain, routed = (pricing.price(make_call("openrouter", m)) for m in (model, f"{model}:{how}"))
    assert plain.cost_usd
    assert (routed.model, routed.cost_usd) == (plain.model, plain.cost_usd)


def test_openrouters_free_models_are_free_where_the_list_says_so(
    pricing: Pricing, make_call: Any
) -> None:
    listed = pricing.price(make_call("openrouter", "deepseek/deepseek-chat:free"))
    assert (listed.model, listed.cost_usd) == ("deepseek-chat:free", 0)
    unlisted = pricing.price(make_call("openrouter", "openai/gpt-5:free"))
    assert (unlisted.cost_usd, unlisted.unpriced) == (None, "unknown_model")
