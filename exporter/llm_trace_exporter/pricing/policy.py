"""What the operator decides about prices: contracts, free providers, trust in reported cost."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from types import MappingProxyType
from typing import Literal

from ..errors import ConfigError
from ..model import TOKEN_TYPES
from .providers import LOCAL_PROVIDERS, normalize_provider

Trust = Literal["trust", "ignore"]

REPORTED_COST_DEFAULTS: Mapping[str, Trust] = MappingProxyType(
    {"openlit": "ignore", "trulens": "ignore"}
)
"""Dialects whose own cost leaves out the discount of cached tokens; all others are trusted."""

HOUR_WRITES = "cache_write_1h"
"""The price of cache writes that last an hour; they are of the token type `cache_write`."""
CITATIONS = "citation"
"""The price of what a search put before the model; no token type, and seldom billed."""
PRICED_TYPES = (*TOKEN_TYPES, HOUR_WRITES, CITATIONS)
"""What a contract names prices of."""

_STANDS_IN = {
    HOUR_WRITES: "cache_write",
    "cache_read": "input",
    "cache_write": "input",
    "audio_input": "input",
    "reasoning": "output",
    "audio_output": "output",
}
_WILDCARDS = frozenset("*?[")


@dataclass(frozen=True)
class Contract:
    """Prices agreed with one provider for the models that a pattern names.

    Raises:
        ConfigError: A pattern is empty, a type unknown, a price negative or not finite, the dates
            are reversed, or there is no price at all.
    """

    model: str
    """Glob over model names (`gpt-4o*`), letter case ignored."""
    provider: str = ""
    """Any spelling; empty: every provider."""
    tier: str = ""
    """Service tier, `default` for the default one; empty: every tier."""
    region: str = ""
    """Glob over regions (`europe-*`); empty: every region, and where none is told."""
    valid_from: date | None = None
    """First UTC day; None: since ever."""
    valid_until: date | None = None
    """Last UTC day, itself included; None: for ever."""
    usd_per_million_tokens: Mapping[str, float] = field(default_factory=dict)
    """Token type, `cache_write_1h` or `citation`, to dollars per million tokens."""
    usd_per_request: float | None = None
    """Dollars per call, on top of its tokens; without token prices, it is the whole price."""
    usd_per_web_search: float | None = None
    """Dollars per search of the web that the provider makes."""

    def __post_init__(self) -> None:
        if problems := list(_problems(self)):
            raise ConfigError(problems)

    def rate(self, token_type: str) -> float | None:
        """Return dollars per token of a type, None when the contract does not say.

        Cached and audio input stand in at the input price, reasoning and audio output at the
        output price, cache writes of an hour at that of others, unless they have their own.
        """
        prices = self.usd_per_million_tokens
        while token_type and token_type not in prices:
            token_type = _STANDS_IN.get(token_type, "")
        return prices[token_type] / 1e6 if token_type else None

    @property
    def flat(self) -> bool:
        """True when the fee per request is the whole price."""
        return self.usd_per_request is not None and not self.usd_per_million_tokens

    def valid_on(self, day: date) -> bool:
        """Tell whether the contract is in force on a UTC day."""
        return (self.valid_from is None or self.valid_from <= day) and (
            self.valid_until is None or day <= self.valid_until
        )

    def edges(self) -> tuple[date, ...]:
        """Return the days on which its validity changes."""
        days = []
        if self.valid_from is not None and self.valid_from > date.min:
            days.append(self.valid_from)
        if self.valid_until is not None and self.valid_until < date.max:
            days.append(self.valid_until + timedelta(days=1))
        return tuple(days)

    @property
    def exact(self) -> bool:
        """True when the model is a name, not a pattern."""
        return not _WILDCARDS.intersection(self.model)

    def specificity(self) -> tuple[bool, int, bool, bool, bool, date]:
        """Return the rank among contracts that cover one call; the greatest one wins."""
        literal = sum(character not in "*?[]" for character in self.model)
        since = self.valid_from or date.min
        named = bool(self.provider), bool(self.tier), bool(self.region)
        return self.exact, literal, *named, since


@dataclass(frozen=True)
class PricingPolicy:
    """All that configuration says about prices.

    Raises:
        ConfigError: A region is given for what is no provider.
    """

    contracts: tuple[Contract, ...] = ()
    local_providers: frozenset[str] = LOCAL_PROVIDERS
    """Providers that cost nothing unless a contract prices them; any spelling."""
    reported_cost: Mapping[str, Trust] = field(default_factory=dict)
    """Dialect to trust, over `REPORTED_COST_DEFAULTS`."""
    default_regions: Mapping[str, str] = field(default_factory=dict)
    """Provider, in any spelling, to the region of its calls that tell none."""

    def __post_init__(self) -> None:
        if problems := [
            f"default region: {name!r} is no provider; name who serves the models"
            for name in self.default_regions
            if not normalize_provider(name)
        ]:
            raise ConfigError(problems)

    def trusts(self, dialect: str) -> bool:
        """Tell whether a dialect's reported cost comes before every other price."""
        choice = self.reported_cost.get(dialect) or REPORTED_COST_DEFAULTS.get(dialect, "trust")
        return choice == "trust"


def _problems(contract: Contract) -> list[str]:
    found = []
    if not contract.model.strip():
        found.append("contract: model is empty; write '*' for every model")
    if contract.provider and not normalize_provider(contract.provider):
        found.append(f"contract: {contract.provider!r} is no provider; name who serves the model")
    for token_type, usd in contract.usd_per_million_tokens.items():
        if token_type not in PRICED_TYPES:
            allowed = ", ".join(PRICED_TYPES)
            found.append(f"contract: unknown token type {token_type!r}; allowed: {allowed}")
        found.extend(_price_problem(f"usd_per_million_tokens.{token_type}", usd))
    fees = {
        "usd_per_request": contract.usd_per_request,
        "usd_per_web_search": contract.usd_per_web_search,
    }
    for key, fee in fees.items():
        found.extend(() if fee is None else _price_problem(key, fee))
    if not contract.usd_per_million_tokens and set(fees.values()) == {None}:
        found.append(f"contract: no price; give usd_per_million_tokens or one of {', '.join(fees)}")
    since, until = contract.valid_from, contract.valid_until
    if since is not None and until is not None and until < since:
        found.append(f"contract: until {until} is before from {since}")
    return found


def _price_problem(key: str, usd: float) -> list[str]:
    if math.isfinite(usd) and usd >= 0:
        return []
    return [f"contract: {key} is {usd}; a price is finite and not negative"]
