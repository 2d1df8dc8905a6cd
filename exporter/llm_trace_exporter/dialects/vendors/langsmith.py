"""LangSmith SDK in OTel mode. Source: langchain-ai/langsmith-sdk, `langsmith/_internal/otel`.

`gen_ai.operation.name` says `embeddings` on retrievers: the span kind is read first. Details of
the usage come as a Python repr, or as JSON in the usage metadata.
"""

from __future__ import annotations

from ..schema import CHAT, EMBEDDINGS, OTHER, RETRIEVAL, STRUCTURE, TOOL, Dialect, key, keys

_USAGE = "langsmith.metadata.usage_metadata"

DIALECT = Dialect(
    name="langsmith",
    detect_by=("langsmith.span.kind",),
    kind_keys=("langsmith.span.kind",),
    # A dropped stream has status OK and an exception event.
    exceptions_fail=("",),
    kinds={
        "llm": CHAT,
        "chain": OTHER,
        "tool": TOOL,
        "retriever": RETRIEVAL,
        "embedding": EMBEDDINGS,
        "prompt": STRUCTURE,
        "parser": STRUCTURE,
    },
    fields={
        "provider": keys("langsmith.metadata.ls_provider"),
        "request_model": keys("gen_ai.request.model", "langsmith.metadata.ls_model_name"),
        "usage_object": keys(
            key("gen_ai.usage.input_token_details", named=True),
            key("gen_ai.usage.output_token_details", named=True),
            _USAGE,
        ),
        "streaming": keys("langsmith.request.streaming"),
        "cost": keys(key(_USAGE, "total_cost")),
        "cost_input": keys(key(_USAGE, "input_cost")),
        "cost_output": keys(key(_USAGE, "output_cost")),
    },
)
