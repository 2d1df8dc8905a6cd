"""Pricing: what a call costs, and the canonical names of its provider and model."""

from llm_trace_exporter.pricing.calculate import Pricing
from llm_trace_exporter.pricing.catalogue import Catalogue
from llm_trace_exporter.pricing.explain import (
    Explanation,
    explain,
    render,
    tokens_from_totals,
)
from llm_trace_exporter.pricing.policy import Contract, PricingPolicy
from llm_trace_exporter.pricing.providers import LOCAL_PROVIDERS, normalize_provider
from llm_trace_exporter.pricing.update import PriceUpdater

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
