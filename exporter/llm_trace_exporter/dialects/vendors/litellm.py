"""LiteLLM, SDK callback and proxy.

Source: BerriAI/litellm, `litellm/integrations/opentelemetry.py`.

The response model behind a proxy is the proxy's alias, which differs from the model it asked for;
then the provider's own name is what served. Without a proxy that name is the first of a fallback
chain, and the response model is right.
The cached split is only in a Python repr. Ids that LiteLLM invents are UUIDs.
"""

from __future__ import annotations

from ..schema import STRUCTURE, Dialect, Kind, RecordView, key, keys

_USAGE = "metadata.usage_object"


def _refine(view: RecordView, kind: Kind) -> Kind:
    """Only `litellm_request` is a call; a proxy's other spans only enclose or dump it."""
    return STRUCTURE if view.span_name() == "raw_gen_ai_request" else kind


DIALECT = Dialect(
    name="litellm",
    scopes=("litellm",),
    kind_keys=("gen_ai.operation.name", "llm.request.type"),
    fields={
        "served_model": keys("litellm.provider.model"),
        "routed_from": keys("litellm.model_group", "gen_ai.request.model"),
        "usage_object": keys(_USAGE),
        "cost_input": keys("gen_ai.cost.input_cost"),
        "cost_output": keys("gen_ai.cost.output_cost"),
        "cost_cache_read": keys("gen_ai.cost.cache_read_cost"),
        "cost_cache_write": keys("gen_ai.cost.cache_creation_cost"),
        "retries": keys(key("hidden_params", "additional_headers", "x-litellm-attempted-retries")),
        "fallbacks": keys(
            key("hidden_params", "additional_headers", "x-litellm-attempted-fallbacks")
        ),
        "cache_hit": keys("metadata.cache_hit", key("hidden_params", "cache_hit")),
    },
    refine=_refine,
)
