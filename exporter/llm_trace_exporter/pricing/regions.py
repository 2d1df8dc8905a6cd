"""What a call costs more in one place than anywhere: a table beside the list, which has no places.

A price here is a factor on all token prices of the list, as providers state it. Places that the
list itself tells apart (Bedrock's `us.` and `global.` profiles) are no part of it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

GLOBAL = "global"
"""The region of providers that may serve a call anywhere, at the list price."""

_MAX_LENGTH = 64
_ANY = re.compile("")
_UNTOLD = frozenset(("", "not_available", "unknown", "none", "null", "default", "auto"))


@dataclass(frozen=True, slots=True)
class RegionalPrice:
    """One provider's uplift for serving some models within a region."""

    provider: str
    """Label."""
    models: re.Pattern[str]
    """Of the `model` label, from its beginning."""
    factor: float
    """On every token price, in the regions that have a price of their own."""
    valid_from: date | None
    """First UTC day; None: as long as there are such models."""
    is_opt_in: bool
    """True when a call that says nothing is served at the list price; else nobody knows."""
    regions: re.Pattern[str] = _ANY
    """Those with the price, from their beginning; `global` never has it."""

    def factor_at(self, region: str, day: date) -> float:
        """Return what token prices are multiplied by in a normalized region on a UTC day."""
        return self.factor if self._holds_on(day) and self._has_price(region) else 1.0

    def is_open(self, region: str, day: date) -> bool:
        """Tell whether the price could be another one, as the region does not tell."""
        is_known = self.is_opt_in or region == GLOBAL or self._has_price(region)
        return not is_known and self._holds_on(day)

    def _holds_on(self, day: date) -> bool:
        return self.valid_from is None or day >= self.valid_from

    def _has_price(self, region: str) -> bool:
        return region not in {"", GLOBAL} and self.regions.match(region) is not None


_CLAUDE_4_5_ON = re.compile(r"claude-[a-z]+-(?:4[-.][5-9]|[5-9]|\d\d)")
_CLAUDE_4_6_ON = re.compile(r"claude-[a-z]+-(?:4[-.][6-9]|[5-9]|\d\d)")
_GEMINI_3_5_ON = re.compile(r"gemini-(?:3\.[5-9]|[4-9]|\d\d)")
_GPT_5_4_ON = re.compile(r"gpt-(?:5\.[4-9]|[6-9]|\d\d)")
_GPT_4O_ON = re.compile(r"gpt-(?:4o|4\.1|[5-9]|\d\d)|o[1-9]")
# Where an Azure resource is says nothing: its deployments may still be global ones.
_DATA_ZONES = re.compile(r"(?:us|eu|data_?zone.*)$")

REGIONAL_PRICES: tuple[RegionalPrice, ...] = (
    RegionalPrice("gcp.vertex_ai", _CLAUDE_4_5_ON, 1.1, None, is_opt_in=False),
    RegionalPrice("gcp.vertex_ai", _GEMINI_3_5_ON, 1.1, date(2026, 7, 1), is_opt_in=False),
    RegionalPrice("azure.ai.openai", _GPT_4O_ON, 1.1, None, is_opt_in=False, regions=_DATA_ZONES),
    RegionalPrice("anthropic", _CLAUDE_4_6_ON, 1.1, None, is_opt_in=True),
    RegionalPrice("openai", _GPT_5_4_ON, 1.1, None, is_opt_in=True),
)
"""docs/pricing.md names the source of each, and when it was read."""

_BY_PROVIDER: Mapping[str, tuple[RegionalPrice, ...]] = {
    provider: tuple(price for price in REGIONAL_PRICES if price.provider == provider)
    for provider in {price.provider for price in REGIONAL_PRICES}
}


def normalize_region(raw: str) -> str:
    """Return the region in lowercase; empty for every word that tells none."""
    region = raw[:_MAX_LENGTH].strip().lower()
    return "" if region in _UNTOLD else region


def regional_price(provider: str, model: str) -> RegionalPrice | None:
    """Return the uplift of a model, by labels; None: it costs the same in all regions."""
    for price in _BY_PROVIDER.get(provider, ()):
        if price.models.match(model):
            return price
    return None
