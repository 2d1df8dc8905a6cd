"""Service tiers as the catalogue asks for them."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

_CONTEXTS: Mapping[str, Mapping[str, str]] = MappingProxyType(
    {
        "": {},
        "batch": {"processing": "batch"},
        # OpenAI's fast tier is a service tier, Anthropic's a speed.
        "fast": {"service_tier": "fast", "speed": "fast"},
    }
)


def price_context(tier: str) -> Mapping[str, str]:
    """Return the catalogue's request context of a normalized tier."""
    found = _CONTEXTS.get(tier)
    return {"service_tier": tier} if found is None else found
