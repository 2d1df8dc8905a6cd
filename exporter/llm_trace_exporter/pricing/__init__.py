"""Pricing: what a call costs, and the canonical names of its provider and model."""

from .calculate import Pricing
from .catalogue import Catalogue
from .explain import Explanation, explain, render, tokens_from_totals
from .policy import Contract, PricingPolicy
from .providers import LOCAL_PROVIDERS, normalize_provider
from .update import PriceUpdater

__all__ = [
    "LOCAL_PROVIDERS",
    "Catalogue",
    "Contract",
    "Explanation",
    "PriceUpdater",
    "Pricing",
    "PricingPolicy",
    "explain",
    "normalize_provider",
    "render",
    "tokens_from_totals",
]
