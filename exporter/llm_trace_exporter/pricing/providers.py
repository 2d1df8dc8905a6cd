"""Providers: one label for every spelling, and what the catalogue calls each.

Emitters write `bedrock`, `amazon-bedrock`, `aws.bedrock`, `AWS` for one thing. Labels use the
well-known values of `gen_ai.provider.name` (OpenTelemetry GenAI semantic conventions 1.37) and, for
the rest, one short lowercase name.
"""

from __future__ import annotations

import re
from functools import lru_cache

_MAX_LENGTH = 64


def words(text: str) -> frozenset[str]:
    """Return the words of a text as a set; keeps long tables of names readable."""
    return frozenset(text.split())


_SPELLINGS: dict[str, str] = {
    # OpenTelemetry well-known values
    "openai": "open_ai openai_chat openai_responses text_completion_openai chatgpt codex",
    "anthropic": "claude claude_code anthropic_ai",
    "aws.bedrock": "bedrock aws amazon amazon_bedrock bedrock_converse bedrock_runtime "
    "amazon_bedrock_converse chatbedrock aws_bedrock_converse",
    "azure.ai.openai": "azure azure_openai azureopenai az.ai.openai azure_text azure_open_ai "
    "microsoft.azure.openai azure_openai_responses",
    "azure.ai.inference": "azure_ai azure_inference az.ai.inference azure_ai_inference "
    "azure_ai_foundry azure_foundry azure_ai_studio microsoft_foundry",
    "gcp.gemini": "gemini google_gemini google_gla google_genai google.generative_ai "
    "google_generative_ai google_ai_studio google_ai palm gemini_cli",
    "gcp.vertex_ai": "vertex vertexai vertex_ai google_vertex google_vertexai google.vertex "
    "google_vertex_ai vertex_ai_beta vertex.anthropic google_anthropic_vertex "
    "google.vertex.anthropic vertex_anthropic anthropic_vertex",
    "gcp.gen_ai": "google gcp google_cloud",
    "mistral_ai": "mistral mistralai",
    "x_ai": "xai x-ai grok",
    "deepseek": "deep_seek deepseek_ai",
    "cohere": "cohere_chat cohere_ai coherev2",
    "groq": "groqcloud",
    "perplexity": "perplexity_ai pplx",
    "ibm.watsonx.ai": "watsonx ibm watsonx_ai ibm_watsonx watsonx_text",
    "moonshot_ai": "moonshot moonshotai kimi",
    # others, as emitters write them
    "together_ai": "together togetherai together_computer",
    "fireworks_ai": "fireworks fireworksai",
    "openrouter": "open_router",
    "huggingface": "hugging_face hf huggingface_hub huggingface_inference hf_inference_api",
    "cerebras": "cerebras_ai",
    "cloudflare": "workers_ai cloudflare_workers_ai workersai",
    "databricks": "databricks_model_serving",
    "github_copilot": "copilot",
    "github": "github_models",
    "novita": "novita_ai",
    "baseten": "",
    "deepinfra": "deep_infra",
    "sambanova": "samba_nova sambanova_cloud",
    "hyperbolic": "",
    "nebius": "nebius_ai",
    "replicate": "",
    "nvidia": "nvidia_nim nvidia_ai_endpoints nim",
    "ai21": "ai21_labs ai21_chat",
    "aleph_alpha": "alephalpha",
    "writer": "",
    "sagemaker": "aws.sagemaker amazon_sagemaker sagemaker_chat",
    "voyage_ai": "voyage voyageai",
    "jina_ai": "jina jinaai",
    "zhipu_ai": "zhipu zhipuai bigmodel",
    "zai": "z_ai",
    "minimax": "minimaxi",
    "dashscope": "alibaba alibaba_cloud qwen tongyi",
    "volcengine": "doubao ark",
    "meta": "meta_llama_api llama_api",
    "elevenlabs": "eleven_labs",
    "ovhcloud": "ovh ovhcloud_ai_endpoints",
    "modal": "",
    "arcee": "arcee_ai",
    "avian": "",
    "cursor": "",
    "doubleword": "",
    "quicksilverpro": "",
    "typesafe": "",
    "snowflake": "snowflake_cortex cortex",
    "oci": "oracle oci_genai oci_generative_ai oraclecloud",
    "scaleway": "",
    "friendliai": "friendli",
    # run by whoever asks
    "ollama": "ollama_chat chatollama",
    "vllm": "hosted_vllm",
    "llama_cpp": "llamacpp llama.cpp llama_cpp_python llama_server",
    "lm_studio": "lmstudio",
    "localai": "local_ai",
    "tgi": "text_generation_inference",
    "tei": "text_embeddings_inference",
    "sglang": "",
    "llamafile": "",
    "gpt4all": "",
    "mlx": "mlx_lm",
    "xinference": "xorbits",
    "koboldcpp": "kobold",
    "triton": "triton_inference_server",
    "docker_model_runner": "docker",
    "transformers": "huggingface_local hf_local huggingface_pipeline",
    "local": "localhost self_hosted",
}

_CATALOGUE_IDS: dict[str, str] = {
    "aws.bedrock": "aws",
    "azure.ai.openai": "azure",
    "azure.ai.inference": "azure",
    "gcp.gemini": "google",
    "gcp.vertex_ai": "google",
    "gcp.gen_ai": "google",
    "mistral_ai": "mistral",
    "x_ai": "x-ai",
    "moonshot_ai": "moonshotai",
    "together_ai": "together",
    "fireworks_ai": "fireworks",
    "github_copilot": "github-copilot",
    "voyage_ai": "voyageai",
    "zhipu_ai": "zhipuai",
}
"""Provider label to catalogue provider, where the two differ."""

LOCAL_PROVIDERS: frozenset[str] = words(
    "ollama vllm llama_cpp lm_studio localai tgi tei sglang llamafile gpt4all mlx xinference "
    "koboldcpp triton docker_model_runner transformers local"
)
"""Providers that bill nobody: the hardware is the user's own."""

_NOT_PROVIDERS: frozenset[str] = words(
    "langchain langgraph langsmith langfuse llamaindex llama_index haystack crewai autogen ag2 "
    "strands_agents strands microsoft.agent_framework agent_framework semantic_kernel dspy "
    "pydantic_ai pydanticai openai_agents smolagents agno mastra google_adk gcp.vertex.agent adk "
    "instructor litellm litellm_proxy portkey portkey_ai helicone kong gateway ai_gateway "
    "vercel vercel_ai vercel_ai_gateway truefoundry bifrost tensorzero traceloop openlit "
    "openinference opentelemetry mlflow weave logfire promptflow vercel_ai_sdk ai_sdk "
    "chroma chromadb pinecone qdrant weaviate milvus faiss pgvector redis elasticsearch opensearch "
    "lancedb mongodb astra postgres chromavectorstore chromaretriever inmemoryvectorstore "
    "vectorstoreretriever vectorstore retriever qdrantvectorstore pineconevectorstore "
    "unknown none null undefined default custom other n_a"
)
"""Frameworks, gateways, vector stores and fillers that emitters write in the provider's place."""

_API_SUFFIX = re.compile(
    r"[.:/](chat|responses|messages|embeddings?|completions?|image|speech|transcription|"
    r"text_?embedding|generate|converse)$"
)
_NOT_NAME = re.compile(r"[^a-z0-9._-]+")


def _squash(text: str) -> str:
    return re.sub(r"[^a-z0-9]", "", text)


_BY_SPELLING: dict[str, str] = {
    _squash(spelling): label
    for label, spellings in _SPELLINGS.items()
    for spelling in (label, *spellings.split())
}
_NOT_PROVIDERS_SQUASHED = frozenset(_squash(name) for name in _NOT_PROVIDERS)


def normalize_provider(raw: str) -> str:
    """Return the label of a provider however it is spelled.

    Frameworks, gateways, vector stores and fillers (`unknown`) are no providers and give an empty
    string, as an empty string does. A provider that is not in the table keeps its own name in
    lowercase, at most 64 characters. Cached; cheap for what was seen before.
    """
    return _normalize(raw if len(raw) <= _MAX_LENGTH else raw[:_MAX_LENGTH])


@lru_cache(maxsize=4096)
def _normalize(raw: str) -> str:
    name = raw.strip().lower()
    bare = _API_SUFFIX.sub("", name)
    for candidate in (name, bare):
        squashed = _squash(candidate)
        if label := _BY_SPELLING.get(squashed):
            return label
        if squashed in _NOT_PROVIDERS_SQUASHED:
            return ""
    return _NOT_NAME.sub("_", bare).strip("._-")


def known_provider(raw: str) -> str:
    """Return the label when the table knows the spelling, else an empty string."""
    label = normalize_provider(raw)
    return label if label in _SPELLINGS else ""


def catalogue_id(provider: str) -> str:
    """Return what the catalogue calls a provider label."""
    return _CATALOGUE_IDS.get(provider, provider)


def label_of_catalogue_id(identifier: str) -> str:
    """Return the label of a catalogue provider; Google's is the one without a known backend."""
    return "gcp.gen_ai" if identifier == "google" else normalize_provider(identifier)
