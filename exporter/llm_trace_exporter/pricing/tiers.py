"""Service tiers: as the catalogue asks for them, and what hosts price by a rule of their own."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType

from genai_prices.types import ModelInfo

_CONTEXTS: Mapping[str, Mapping[str, str]] = MappingProxyType(
    {
        "": {},
        "batch": {"processing": "batch"},
        # OpenAI's fast tier is a service tier, Anthropic's a speed.
        "fast": {"service_tier": "fast", "speed": "fast"},
    }
)


@dataclass(frozen=True, slots=True)
class HostTier:
    """A tier that a host prices by a rule, so that the catalogue need not list it by model."""

    host: str
    """Catalogue id of the provider that serves the call."""
    tier: str
    """Normalized."""
    models: re.Pattern[str]
    """Of the catalogue's id of the model, from its beginning."""
    factor: float
    """On every token price of the default tier."""


_ANY = re.compile("")

HOST_TIERS: tuple[HostTier, ...] = (
    HostTier("azure", "batch", _ANY, 0.5),
    HostTier("aws", "batch", _ANY, 0.5),
    # Gemini's context cache is not discounted in batches; its batch prices are in the catalogue.
    HostTier("google", "batch", re.compile("claude-"), 0.5),
)
"""docs/pricing.md names the source of each, and when it was read."""


def price_context(tier: str) -> Mapping[str, str]:
    """Return the catalogue's request context of a normalized tier."""
    found = _CONTEXTS.get(tier)
    return {"service_tier": tier} if found is None else found


def lists_tier(model: ModelInfo, tier: str, moment: datetime) -> bool:
    """Tell whether the catalogue has a price of the model in a normalized tier at a UTC moment."""
    context = price_context(tier)
    return any(
        (variant.constraint is None or variant.constraint.active(moment))
        and all(context.get(key) == value for key, value in variant.when.items())
        for variant in model.price_variants or ()
    )


def host_factor(host: str, tier: str, model: str) -> float | None:
    """Return what a host multiplies its prices by in a tier; None where it states no rule."""
    for rule in HOST_TIERS:
        if rule.host == host and rule.tier == tier and rule.models.match(model):
            return rule.factor
    return None
