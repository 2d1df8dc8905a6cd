"""Whether a provider's output counts contain the reasoning tokens told beside them.

Nearly all contain them. Perplexity's are never in its output, nor in its total; xAI's chat
completions count them beside the output and in the total, while its Responses API does as others.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Literal

Place = Literal["inside", "beside", "beside_all"]
"""Of reasoning: in the output; beside it, in the total; beside it and the total."""

_PLACES: tuple[tuple[tuple[str, ...], Place], ...] = (
    (("perplexity", "sonar"), "beside_all"),
    (("xai", "x-ai", "x_ai", "grok"), "beside"),
)
"""Words in the names of who answers. Sources: `usage` in Perplexity's Sonar API reference and in
xAI's guide to reasoning, both read in November 2026."""


@lru_cache(maxsize=1_024)
def place_of_reasoning(names: str) -> Place:
    """Where whoever answers counts reasoning.

    Args:
        names: The provider's name, or the model's, lower case.
    """
    for words, place in _PLACES:
        if any(word in names for word in words):
            return place
    return "inside"
