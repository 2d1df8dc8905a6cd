"""Agent frameworks, gateways and provider SDKs that write OTel's conventions with a twist or two.

Google ADK: google/adk-python, `telemetry/tracing.py`, and its JavaScript and Go editions. Genkit:
firebase/genkit, `js/core/src/tracing`. Mastra: mastra-ai/mastra. Mirascope: Mirascope/mirascope 2.
Spring AI: spring-projects/spring-ai 2.0. LlamaIndex: `llama-index-observability-otel` 0.7.
Strands: strands-agents/sdk-python, `telemetry/tracer.py`. Microsoft Agent Framework:
microsoft/agent-framework, `observability.py`. Anthropic SDK: anthropics/anthropic-sdk-python.
Weave, Portkey and Helicone take or relay OTel and OpenInference spans; where their own marks are on
a span it is named after them.
"""

from __future__ import annotations

from ..schema import (
    CHAT,
    COPY,
    EMBEDDINGS,
    IGNORE,
    OTHER,
    RERANK,
    RETRIEVAL,
    STRUCTURE,
    TOOL,
    Dialect,
    Kind,
    RecordView,
    key,
    keys,
)

ANTHROPIC_SDK = Dialect(
    name="anthropic_sdk",
    scopes=("com.anthropic.sdk",),
    kind_keys=("gen_ai.operation.name",),
)

STRANDS = Dialect(
    name="strands",
    scopes=("strands",),
    kind_keys=("gen_ai.operation.name",),
    # Strands always streams from the model, without saying so.
    always_streams=True,
    fields={"ttft": keys(key("gen_ai.server.time_to_first_token", scale=1e-3))},
)


def _merged_tools(view: RecordView, kind: Kind) -> Kind:
    """Tools that ran side by side are told once more together; the model's span has no kind."""
    if kind is TOOL and view.text("tool") == "(merged tools)":
        return COPY
    return CHAT if kind is IGNORE and view.span_name() == "call_llm" else kind


_ADK_ANSWER = "gcp.vertex.agent.llm_response"

# The Go edition's counts are of the response, as Vertex writes them; the JavaScript edition's
# output leaves out thoughts, which only the answer itself tells.
GOOGLE_ADK = Dialect(
    name="google_adk",
    scopes=("gcp.vertex.agent",),
    kind_keys=("gen_ai.operation.name",),
    kinds={"call_llm": CHAT, "send_data": STRUCTURE},
    fields={
        "usage_object": keys(
            key(_ADK_ANSWER, "usage_metadata"),
            key(_ADK_ANSWER, "usageMetadata"),
            key(_ADK_ANSWER, "UsageMetadata"),
        )
    },
    refine=_merged_tools,
)

GENKIT = Dialect(
    name="genkit",
    detect_by=("genkit:type", "genkit:name"),
    scopes=("genkit",),
    kind_keys=("genkit:metadata:subtype", "genkit:type"),
    kinds={"action": OTHER, "util": STRUCTURE, "prompt": STRUCTURE, "executable-prompt": STRUCTURE},
    fields={
        "request_model": keys("genkit:name"),
        "usage_object": keys(key("genkit:output", "usage")),
        # Genkit's own word for a call of tools is `stop`; OpenAI's answer is passed on beside it.
        "finish": keys(
            key("genkit:output", "raw", "choices", "0", "finish_reason"),
            key("genkit:output", "finishReason"),
        ),
        "tool": keys("genkit:name"),
        "retriever": keys("genkit:name"),
        "workflow": keys("genkit:name"),
        "session": keys("genkit:sessionId"),
    },
)

MASTRA = Dialect(
    name="mastra",
    detect_by=("mastra.span.type",),
    scopes=("@mastra/",),
    kind_keys=("gen_ai.operation.name", "mastra.span.type"),
    errors_finish=True,
)

MIRASCOPE = Dialect(
    name="mirascope",
    detect_by=("mirascope.type",),
    scopes=("mirascope.",),
    kind_keys=("gen_ai.operation.name", "mirascope.type"),
    kinds={"trace": STRUCTURE, "call": STRUCTURE, "response_resume": STRUCTURE},
    fields={"usage_object": keys("mirascope.response.usage")},
    wrapped_model=r"(?:\w+/)?(.+?)(?::(?:completions|responses))?",
)

SPRING_AI = Dialect(
    name="spring_ai",
    detect_by=("spring.ai.kind",),
    kind_keys=("spring.ai.kind", "gen_ai.operation.name"),
    fields={"tool": keys("gen_ai.tool.name", "spring.ai.tool.definition.name")},
)

_RAW = "response.raw.usage"

LLAMA_INDEX = Dialect(
    name="llama_index",
    scopes=("llamaindex.opentelemetry",),
    facts_in_events=True,
    kind_keys=("class_name",),
    kinds={
        "llmchatstartevent": CHAT,
        "llmchatendevent": CHAT,
        "llmcompletionstartevent": CHAT,
        "llmcompletionendevent": CHAT,
        "embeddingstartevent": EMBEDDINGS,
        "embeddingendevent": EMBEDDINGS,
        "rerankstartevent": RERANK,
        "rerankendevent": RERANK,
        "retrievalstartevent": RETRIEVAL,
        "retrievalendevent": RETRIEVAL,
    },
    fields={
        "request_model": keys("model_dict.model_name", "model_name"),
        "response_model": keys("response.raw.model"),
        "response_id": keys("response.raw.id"),
        "input": keys(f"{_RAW}.prompt_tokens", f"{_RAW}.input_tokens"),
        "output": keys(f"{_RAW}.completion_tokens", f"{_RAW}.output_tokens"),
        "total": keys(f"{_RAW}.total_tokens"),
    },
)

AGENT_FRAMEWORK = Dialect(
    name="agent_framework",
    scopes=("agent_framework", "Microsoft.Agents", "Experimental.Microsoft.Agents"),
    kind_keys=("gen_ai.operation.name",),
)

PORTKEY = Dialect(
    name="portkey",
    detect_by=("portkey.trace_id", "portkey.request_id", "portkey.config"),
    scopes=("portkey",),
    kind_keys=("gen_ai.operation.name",),
    fields={
        "cost": keys("gen_ai.usage.cost", "portkey.cost"),
        "retries": keys("portkey.retry_attempt_count", "portkey.retry.count"),
        "cache_hit": keys("portkey.cache_hit"),
    },
)

HELICONE = Dialect(
    name="helicone",
    detect_by=("helicone.request_id", "helicone.id"),
    scopes=("helicone",),
    kind_keys=("gen_ai.operation.name", "llm.request.type"),
    fields={
        "cost": keys("gen_ai.usage.cost", "helicone.cost"),
        "cache_hit": keys("helicone.cache_hit"),
    },
)

WEAVE = Dialect(
    name="weave",
    detect_by=("wandb.thread_id", "weave.op_name"),
    scopes=("weave",),
    resources=("wandb.project",),
    kind_keys=("gen_ai.operation.name",),
)
