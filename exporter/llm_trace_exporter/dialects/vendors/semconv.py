"""OpenTelemetry GenAI semantic conventions, every generation of them.

Source: open-telemetry/semantic-conventions 1.26-1.41 and open-telemetry/semantic-conventions-genai.
Other dialects fall back to the keys here, because most emitters write some of them too.
"""

from __future__ import annotations

from ..schema import TOLD_ELSEWHERE, TOOL, VERDICT, Dialect, Fields, Kind, keys

FIELDS: Fields = {
    "provider": keys("gen_ai.provider.name", "gen_ai.system"),
    "request_model": keys("gen_ai.request.model"),
    "response_model": keys("gen_ai.response.model"),
    "response_id": keys("gen_ai.response.id"),
    "service_tier": keys(
        "openai.response.service_tier",
        "gen_ai.openai.response.service_tier",
        "gen_ai.response.service_tier",
        "anthropic.response.service_tier",
        "openai.request.service_tier",
        "gen_ai.openai.request.service_tier",
        "gen_ai.request.service_tier",
    ),
    "input": keys(
        "gen_ai.usage.input_tokens", "gen_ai.usage.prompt_tokens", "llm.usage.prompt_tokens"
    ),
    "output": keys(
        "gen_ai.usage.output_tokens",
        "gen_ai.usage.completion_tokens",
        "llm.usage.completion_tokens",
    ),
    "total": keys("gen_ai.usage.total_tokens", "llm.usage.total_tokens"),
    "cache_read": keys(
        "gen_ai.usage.cache_read.input_tokens",
        "gen_ai.usage.cache_read_input_tokens",
        "gen_ai.usage.details.cache_read_tokens",
        "gen_ai.usage.cached_tokens",
    ),
    "cache_write": keys(
        "gen_ai.usage.cache_write.input_tokens",
        "gen_ai.usage.cache_creation.input_tokens",
        "gen_ai.usage.cache_creation_input_tokens",
        "gen_ai.usage.cache_write_input_tokens",
        "gen_ai.usage.details.cache_write_tokens",
    ),
    "cache_write_5m": keys("anthropic.usage.cache_creation.ephemeral_5m_input_tokens"),
    "cache_write_1h": keys("anthropic.usage.cache_creation.ephemeral_1h_input_tokens"),
    "reasoning": keys(
        "gen_ai.usage.reasoning.output_tokens",
        "gen_ai.usage.reasoning_tokens",
        "gen_ai.usage.details.reasoning_tokens",
    ),
    "audio_input": keys(
        "gen_ai.usage.audio.input_tokens",
    ),
    "audio_output": keys(
        "gen_ai.usage.audio.output_tokens",
    ),
    "usage_object": keys("gen_ai.usage.raw"),
    # Anthropic answers with the place where it ran, `us` or `global` (`usage.inference_geo`).
    "region": keys(
        "gen_ai.response.inference_geo",
        "anthropic.usage.inference_geo",
        "anthropic.request.inference_geo",
        "gen_ai.request.inference_geo",
    ),
    "server": keys("server.address", "gen_ai.request.base_url", "url.full"),
    "cost": keys("gen_ai.cost.total_cost", "operation.cost", "gen_ai.usage.cost"),
    "streaming": keys("gen_ai.request.stream", "gen_ai.is_streaming", "llm.is_streaming"),
    "ttft": keys(
        "gen_ai.response.time_to_first_chunk", "gen_ai.client.operation.time_to_first_chunk"
    ),
    "finish": keys(
        "gen_ai.response.finish_reasons",
        "anthropic.message.stop_reason",
        "gen_ai.completion.0.finish_reason",
        "llm.response.finish_reason",
    ),
    "http_status": keys(
        "http.response.status_code", "http.status_code", "error.code", "rpc.response.status_code"
    ),
    "error_type": keys("error.type", "exception.type"),
    "error_text": keys("error.message", "exception.message"),
    "retries": keys("http.request.resend_count", "gen_ai.request.retry_count"),
    "fallbacks": keys("gen_ai.request.fallback_count"),
    "cache_hit": keys("gen_ai.response.cache_hit", "gen_ai.cache.hit"),
    "tool": keys("gen_ai.tool.name"),
    "agent": keys("gen_ai.agent.name"),
    "workflow": keys("gen_ai.workflow.name"),
    "retriever": keys("gen_ai.data_source.id"),
    "documents": keys("gen_ai.retrieval.documents"),
    "guardrail": keys("gen_ai.guardrail.name", "gen_ai.guardrail.policy.id"),
    "guardrail_status": keys("gen_ai.guardrail.status", "gen_ai.guardrail.result.type"),
    "guardrail_error": keys("gen_ai.guardrail.error.type"),
}

DIALECT = Dialect(
    name="semconv",
    detect_by=(
        "gen_ai.operation.name",
        "gen_ai.system",
        "gen_ai.provider.name",
        "gen_ai.request.model",
        "llm.request.type",
        "mcp.method.name",
    ),
    kind_keys=("gen_ai.operation.name", "llm.request.type", "mcp.method.name"),
    kinds={"tools/call": TOOL},
    # Quarkus ends spans of failed calls and tools without a status (LangChain4j 1.10).
    exceptions_fail=("io.quarkus",),
    logs={
        "gen_ai.client.inference.operation.details": Kind("supplement"),
        "gen_ai.evaluation.result": VERDICT,
        "gen_ai.evaluation.results": TOLD_ELSEWHERE,
    },
)
