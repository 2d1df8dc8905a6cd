"""Pricing: what a call costs, and the canonical names of its provider and model."""

from llm_trace_exporter.pricing.calculate import Pricing
from llm_trace_exporter.pricing.policy import Contract, PricingPolicy
from llm_trace_exporter.pricing.providers import LOCAL_PROVIDERS, normalize_provider

__all__ = [
    "LOCAL_PROVIDERS",
    "Contract",
    "Pricing",
    "PricingPolicy",
    "normalize_provider",
]
