"""Service tiers: how emitters write them and how the catalogue asks for them."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from .providers import words

_MAX_LENGTH = 32

_DEFAULT_TIERS = words(
    "default standard auto standard_only on_demand ondemand none null unspecified "
    "service_tier_unspecified traffic_type_unspecified normal regular"
)
_ALIASES = {
    "batched": "batch",
    "batch_api": "batch",
    "service_tier_priority": "priority",
}

_CONTEXTS: Mapping[str, Mapping[str, str]] = MappingProxyType(
    {
        "": {},
        "batch": {"processing": "batch"},
        # OpenAI's fast tier is a service tier, Anthropic's a speed.
        "fast": {"service_tier": "fast", "speed": "fast"},
    }
)


def normalize_tier(raw: str) -> str:
    """Return the tier in lowercase; empty for every name of the default tier."""
    tier = raw[:_MAX_LENGTH].strip().lower().replace("-", "_")
    tier = _ALIASES.get(tier, tier)
    return "" if tier in _DEFAULT_TIERS else tier


def price_context(tier: str) -> Mapping[str, str]:
    """Return the catalogue's request context of a normalized tier."""
    found = _CONTEXTS.get(tier)
    return {"service_tier": tier} if found is None else found
