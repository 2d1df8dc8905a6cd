"""SDKs of tracing products that write OTel's conventions with a kind attribute of their own.

Laminar: lmnr-ai/lmnr-python 0.8, `lmnr/opentelemetry_lib`. traceAI: future-agi/traceAI 0.1.
Netra: netra-sdk 1.2. LangWatch: langwatch/langwatch. HoneyHive:
honeyhiveai/python-sdk. Datadog: DataDog/dd-trace-py 4.16 with
`DD_TRACE_OTEL_ENABLED`, `ddtrace/llmobs`.
"""

from __future__ import annotations

from ..schema import EMBEDDINGS, OTHER, STRUCTURE, Dialect, Kind, RecordView, key, keys


def _embeds(view: RecordView, kind: Kind) -> Kind:
    """Laminar calls every request `LLM`, embeddings too."""
    if kind.role == "call" and view.span_name().rpartition(".")[2].startswith("embed"):
        return EMBEDDINGS
    return kind


LAMINAR = Dialect(
    name="laminar",
    detect_by=("lmnr.span.type",),
    kind_keys=("lmnr.span.type", "gen_ai.operation.name"),
    kinds={"default": OTHER, "executor": OTHER, "pipeline": OTHER, "event": STRUCTURE},
    fields={"session": keys("lmnr.association.properties.session_id")},
    first_token_events=("llm.content.completion.chunk",),
    refine=_embeds,
)

TRACE_AI = Dialect(
    name="traceai",
    detect_by=("gen_ai.span.kind",),
    scopes=("traceai_",),
    kind_keys=("gen_ai.span.kind", "gen_ai.operation.name"),
    kinds={"unknown": STRUCTURE},
    fields={
        "fallback_model": keys(key("gen_ai.request.parameters", "model")),
        "response_model": keys("gen_ai.response.model", "embedding.model_name"),
    },
    first_token_events=("First Token Stream Event",),
)

NETRA = Dialect(
    name="netra",
    detect_by=("netra.span.type", "netra.instrumentation.name"),
    scopes=("netra.",),
    kind_keys=("gen_ai.operation.name", "llm.request.type", "netra.span.type"),
    kinds={"span": OTHER},
    fields={
        "tool": keys("gen_ai.tool.name", "netra.task.name"),
        "ttft_if_streaming": keys("gen_ai.performance.time_to_first_token"),
    },
)

LANGWATCH = Dialect(
    name="langwatch",
    detect_by=("langwatch.span.type",),
    kind_keys=("langwatch.span.type", "gen_ai.operation.name"),
    kinds={"span": OTHER, "module": OTHER, "server": STRUCTURE, "client": STRUCTURE},
)

HONEYHIVE = Dialect(
    name="honeyhive",
    detect_by=("honeyhive_event_type",),
    kind_keys=("honeyhive_event_type", "gen_ai.operation.name"),
    kinds={"session": STRUCTURE},
)

DATADOG = Dialect(
    name="datadog",
    detect_by=("_dd.llmobs.span_kind", "_dd.ml_obs.span_kind", "dd.ml_obs.span_kind"),
    scopes=("ddtrace", "datadog"),
    kind_keys=(
        "_dd.llmobs.span_kind",
        "_dd.ml_obs.span_kind",
        "dd.ml_obs.span_kind",
        "gen_ai.operation.name",
    ),
    kinds={"task": OTHER},
    fields={
        "provider": keys(
            "gen_ai.provider.name", "_dd.llmobs.model_provider", "openai.request.provider"
        ),
        "request_model": keys(
            "openai.request.model",
            "anthropic.request.model",
            "gen_ai.request.model",
        ),
        "response_model": keys("gen_ai.response.model", "_dd.llmobs.model_name"),
        "cache_write": keys("_dd.llmobs.cache_write_input_tokens"),
    },
)
