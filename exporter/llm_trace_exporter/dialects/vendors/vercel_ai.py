"""Vercel AI SDK, `experimental_telemetry` of versions 4-6 and the legacy integration of 7.

Source: vercel/ai, `packages/ai/src/telemetry`. The outer `ai.generateText` repeats what its
`.doGenerate` attempts say; each attempt is a call. Version 7's own OTel spans are semconv.
"""

from __future__ import annotations

from ..schema import (
    CHAT,
    EMBEDDINGS,
    RERANK,
    STRUCTURE,
    TOOL,
    Dialect,
    Kind,
    RecordView,
    key,
    keys,
)

_METADATA = "ai.response.providerMetadata"
_ATTEMPTS: tuple[tuple[str, Kind], ...] = (
    (".dogenerate", CHAT),
    (".dostream", CHAT),
    (".doembed", EMBEDDINGS),
    (".dorerank", RERANK),
    (".dogenerateimage", Kind("call", "image")),
)


def _refine(view: RecordView, kind: Kind) -> Kind:
    """`ai.<function>.do<Attempt>` is a request; `ai.<function>` encloses its attempts."""
    operation = view.text("operation").lower()
    for ending, found in _ATTEMPTS:
        if operation.endswith(ending):
            return found
    return kind if kind is TOOL else STRUCTURE


DIALECT = Dialect(
    name="vercel_ai",
    detect_by=("ai.operationId",),
    kind_keys=("ai.operationId",),
    kinds={"ai.toolcall": TOOL},
    fields={
        "operation": keys("ai.operationId"),
        "provider": keys("ai.model.provider"),
        "request_model": keys("ai.model.id"),
        "response_model": keys("ai.response.model"),
        "response_id": keys("ai.response.id"),
        "input": keys("ai.usage.inputTokens", "ai.usage.promptTokens", "ai.usage.tokens"),
        "output": keys("ai.usage.outputTokens", "ai.usage.completionTokens"),
        "total": keys("ai.usage.totalTokens"),
        "cache_read": keys(
            "ai.usage.inputTokenDetails.cacheReadTokens", "ai.usage.cachedInputTokens"
        ),
        "cache_write": keys("ai.usage.inputTokenDetails.cacheWriteTokens"),
        "reasoning": keys(
            "ai.usage.outputTokenDetails.reasoningTokens", "ai.usage.reasoningTokens"
        ),
        # Version 5 tells what was written into the cache nowhere else.
        "usage_object": keys(
            key(_METADATA, "anthropic", additive=True), key(_METADATA, "bedrock", additive=True)
        ),
        "ttft": keys(key("ai.response.msToFirstChunk", scale=1e-3)),
        "finish": keys("ai.response.finishReason"),
        "tool": keys("ai.toolCall.name"),
    },
    first_token_events=("ai.stream.firstChunk",),
    # Version 4 writes NaN where the provider sent no usage.
    nan_is_unknown=True,
    refine=_refine,
)
