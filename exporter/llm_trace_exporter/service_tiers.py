"""Service tiers as emitters write them, and the one way in which everybody here does."""

from __future__ import annotations

_MAX_LENGTH = 32

_DEFAULT_TIERS = frozenset(
    (
        "default",
        "standard",
        "auto",
        "standard_only",
        "on_demand",
        "ondemand",
        "none",
        "null",
        "unspecified",
        "service_tier_unspecified",
        "traffic_type_unspecified",
        "normal",
        "regular",
    )
)
_ALIASES = {
    "batched": "batch",
    "batch_api": "batch",
    "service_tier_priority": "priority",
    # Vertex AI's traffic types.
    "on_demand_priority": "priority",
    "on_demand_flex": "flex",
}


def normalize_tier(raw: str) -> str:
    """Return the tier in lowercase; empty for every name of the default tier."""
    tier = raw[:_MAX_LENGTH].strip().lower().replace("-", "_")
    tier = _ALIASES.get(tier, tier)
    return "" if tier in _DEFAULT_TIERS else tier
