"""Whether a provider's output counts contain the reasoning tokens told beside them.

Nearly all contain them. Perplexity's are never in its output, nor in its total; xAI's chat
completions count them beside the output and in the total, while its Responses API does as others.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Literal

Place = Literal["inside", "beside", "beside_all"]
"""Of reasoning: in the output; beside it, in the total; beside it and the total."""

_PLACES: tuple[tuple[re.Pattern[str], Place], ...] = (
    (re.compile(r"(?<![a-z0-9])perplexity(?![a-z0-9])|(?:^|\s)sonar(?![a-z0-9])"), "beside_all"),
    (re.compile(r"(?<![a-z0-9])(?:x[-_.]?ai|grok\d*)(?![a-z0-9])"), "beside"),
)
"""Whole words in the names of who answers. Sources: `usage` in Perplexity's Sonar API reference
and in xAI's guide to reasoning, both read in November 2026."""


@lru_cache(maxsize=1_024)
def place_of_reasoning(names: str) -> Place:
    """Where whoever answers counts reasoning.

    Args:
        names: The provider's name, or the model's, lower case.
    """
    for words, place in _PLACES:
        if words.search(names):
            return place
    return "inside"
