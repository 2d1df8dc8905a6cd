"""Confident AI / DeepEval. Source: confident-ai/deepeval, `deepeval/tracing/otel`.

It decorates the spans of the host instrumentation; only spans that say nothing in another
convention are read through this table. Metrics run on its server, so no verdict is on the wire.
"""

from __future__ import annotations

from ..schema import AGENT, CHAT, OTHER, RETRIEVAL, TOOL, Dialect, keys

DIALECT = Dialect(
    name="confident",
    detect_by=("confident.span.type",),
    kind_keys=("gen_ai.operation.name", "confident.span.type"),
    kinds={
        "llm": CHAT,
        "agent": AGENT,
        "tool": TOOL,
        "retriever": RETRIEVAL,
        "base": OTHER,
    },
    fields={
        "provider": keys("gen_ai.provider.name", "gen_ai.system", "confident.span.provider"),
        "request_model": keys("gen_ai.request.model", "confident.llm.model"),
        "input": keys("gen_ai.usage.input_tokens", "confident.llm.input_token_count"),
        "output": keys("gen_ai.usage.output_tokens", "confident.llm.output_token_count"),
        "tool": keys("gen_ai.tool.name", "confident.tool.name", "confident.span.name"),
        "agent": keys("gen_ai.agent.name", "confident.agent.name", "confident.span.name"),
        "retriever": keys("confident.span.name"),
    },
)
