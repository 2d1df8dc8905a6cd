"""OpenLIT. Source: openlit/openlit, `sdk/python/src/openlit/semcov`.

Input counts are the provider's raw numbers, so Anthropic's exclude cached tokens. OpenAI streams
carry estimated counts that nothing on the wire tells from real ones. Cost comes from a price
file without cached-token prices. Error spans carry no attribute: model and operation stand only
in the span's name.
"""

from __future__ import annotations

from ..kinds import kind_of
from ..schema import IGNORE, Dialect, Kind, RecordView, keys


def _refine(view: RecordView, kind: Kind) -> Kind:
    """A bare error span says in its name what it was: `chat gpt-4o-mini`."""
    if kind is not IGNORE or not view.record_failed():
        return kind
    words = view.span_name().split()
    return kind_of(words[0]) if len(words) == 2 else IGNORE


DIALECT = Dialect(
    name="openlit",
    scopes=("openlit",),
    kind_keys=("gen_ai.operation.name",),
    kinds={"vectordb": Kind("step", "retrieval"), "framework": Kind("structure")},
    fields={
        "streaming": keys("gen_ai.request.is_stream"),
        "ttft_if_streaming": keys("gen_ai.server.time_to_first_token"),
    },
    exclusive_cache_for=("anthropic",),
    untrusted_cost=True,
    model_in_name=True,
    refine=_refine,
)
