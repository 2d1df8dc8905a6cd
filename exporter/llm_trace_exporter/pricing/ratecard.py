"""Rate cards: what each disjoint token type costs at one moment, as plain numbers.

The catalogue counts inclusively (input holds the cached tokens) and takes the price of the most
specific unit that it lists; records count disjointly. So the rate of a type is the price of the
most specific listed unit that contains the type: reasoning has its own or the output's, cached
input its own or the input's. The sum over types then equals the catalogue's own arithmetic.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time
from decimal import Decimal

from genai_prices import units
from genai_prices.types import ModelInfo, ModelPrice, TieredPrices, TimeOfDateConstraint

from ..model import TOKEN_TYPES
from .catalogue import Match, constraints, price_changes
from .tiers import host_factor, lists_tier, price_context

_USAGE_KEYS = {
    "input": "input_tokens",
    "cache_read": "cache_read_tokens",
    "cache_write": "cache_write_tokens",
    "output": "output_tokens",
    "reasoning": "output_reasoning_tokens",
    "audio_input": "input_audio_tokens",
    "audio_output": "output_audio_tokens",
}
"""Token type to the catalogue's unit of the same meaning."""

_HOUR_WRITES = "cache_write_1h_tokens"
_CITATIONS = "output_citation_tokens"
_REQUESTS = ("requests", "rerank_searches")
"""Fees of one call. A re-ranker's is of a search unit: a query with up to a hundred documents."""
_WEB_SEARCHES = "web_searches"
_FREE = re.compile(r"\bfree\b|included in the subscription", re.IGNORECASE)
_FREE_ENTRIES = frozenset({("openai", "moderation")})
"""Entries without a price that are free though nothing in them says so."""


@dataclass(frozen=True, slots=True)
class Rate:
    """Dollars per token of one type."""

    usd: float
    steps: tuple[tuple[int, float], ...] = ()
    """(input size, dollars): with more input tokens in all, every token costs that; descending."""

    def for_input(self, input_all: int) -> float:
        """Return dollars per token in a call with that much input."""
        for threshold, usd in self.steps:
            if input_all > threshold:
                return usd
        return self.usd

    @property
    def free(self) -> bool:
        """True when nothing is ever charged."""
        return self.usd == 0 and not any(usd for _, usd in self.steps)

    def times(self, factor: float) -> Rate:
        """Return the rate with every price multiplied."""
        steps = tuple((threshold, usd * factor) for threshold, usd in self.steps)
        return Rate(self.usd * factor, steps)


@dataclass(frozen=True, slots=True)
class RateCard:
    """List prices of one model in one tier at one moment."""

    rates: tuple[Rate | None, ...]
    """One per token type, in catalogue order; None where the list has no price."""
    usd_per_request: float = 0.0
    """Fee per call besides its tokens."""
    otherwise: bool = False
    """True when the list prices no token of the model but something else: seconds, pages, ..."""
    cache_write_1h: Rate | None = None
    """Of cache writes that last an hour; the plain one where the list does not tell them apart."""
    usd_per_web_search: float | None = None
    """Fee per search of the web; None where the list has none."""
    citation: Rate | None = None
    """Of citation tokens; None where they cost nothing."""

    def times(self, factor: float) -> RateCard:
        """Return the card with every price of tokens multiplied; fees stay."""
        if factor == 1:
            return self
        rates = tuple(rate and rate.times(factor) for rate in self.rates)
        hour = self.cache_write_1h and self.cache_write_1h.times(factor)
        return replace(self, rates=rates, cache_write_1h=hour)


FREE_CARD = RateCard(
    rates=(Rate(0.0),) * len(TOKEN_TYPES), cache_write_1h=Rate(0.0), usd_per_web_search=0.0
)
"""Of providers that bill nobody."""


def card_of(price: ModelPrice) -> RateCard:
    """Return the rate card of one price of the catalogue."""
    registry = units._get_registry()
    listed = {
        unit.usage_key: value
        for unit in registry.units.values()
        if (value := price.__dict__.get(unit.price_key)) is not None
    }
    rates = tuple(_rate(registry, listed, _USAGE_KEYS[name]) for name in TOKEN_TYPES)
    fee = sum(_fee(registry, listed, key) or 0.0 for key in _REQUESTS)
    return RateCard(
        rates,
        fee,
        otherwise=bool(listed) and not any(rates),
        cache_write_1h=_rate(registry, listed, _HOUR_WRITES),
        usd_per_web_search=_fee(registry, listed, _WEB_SEARCHES),
        citation=_rate(registry, listed, _CITATIONS) if _CITATIONS in listed else None,
    )


def card_at(match: Match, tier: str, moment: datetime) -> RateCard:
    """Return the rate card of a catalogue entry for a normalized tier at a UTC moment."""
    context = price_context(tier) if match.variants else {}
    price = match.model.get_prices(moment, context or None)
    if not price._comparable_values() and _says_free(match):
        return FREE_CARD
    return card_of(price)


def tier_card_at(
    match: Match, maker: Match | None, host: str, tier: str, moment: datetime
) -> tuple[RateCard, bool]:
    """Return (rate card, whether it is assumed) of a tier at a UTC moment.

    The host's own price of the tier comes first, then the rule by which it prices the tier, both
    of which are known; then, assumed, the price of the tier at who makes the model, and the
    host's price of the default tier.

    Args:
        match: Entry of the host's list, or one that it borrows.
        maker: Entry of the model's maker, where that is known.
        host: Catalogue id of the provider that serves the call.
        tier: Normalized service tier.
        moment: UTC.
    """
    if not tier or (match.variants and lists_tier(match.model, tier, moment)):
        return card_at(match, tier, moment), False
    plain = card_at(match, "", moment)
    if (factor := host_factor(host, tier, match.model.id)) is not None:
        return plain.times(factor), False
    if maker is not None and lists_tier(maker.model, tier, moment):
        return card_of(maker.model.get_prices(moment, price_context(tier))), True
    return plain, True


def days_of_change(model: ModelInfo) -> list[datetime]:
    """Return the UTC midnights at which a price of the model changes, ascending."""
    return sorted(datetime(d.year, d.month, d.day, tzinfo=UTC) for d in price_changes(model))


def times_of_change(model: ModelInfo) -> list[time]:
    """Return the UTC times of day at which a price of the model changes, ascending."""
    times: set[time] = set()
    for constraint in constraints(model):
        if isinstance(constraint, TimeOfDateConstraint):
            times |= {_utc(constraint.start_time), _utc(constraint.end_time)}
    return sorted(times)


def _says_free(match: Match) -> bool:
    """Tell whether an entry without any price means "costs nothing" rather than "not known"."""
    model = match.model
    if (match.provider_id, model.id) in _FREE_ENTRIES:
        return True
    texts = (model.id, model.name or "", model.price_comments or "")
    return any(_FREE.search(text) for text in texts)


def _utc(moment: time) -> time:
    if moment.tzinfo is None:
        return moment
    return datetime.combine(date(2000, 1, 2), moment).astimezone(UTC).time()


def _rate(
    registry: units.UnitRegistry,
    listed: dict[str, Decimal | TieredPrices],
    usage_key: str,
) -> Rate | None:
    wanted = registry.units[usage_key]
    holding = [
        unit
        for key in listed
        if (unit := registry.units[key]).dimensions.items() <= wanted.dimensions.items()
    ]
    if not holding:
        return None
    unit = max(holding, key=lambda candidate: len(candidate.dimensions))
    value = listed[unit.usage_key]
    if not isinstance(value, TieredPrices):
        return Rate(float(value / unit.per))
    steps = tuple((tier.start, float(tier.price / unit.per)) for tier in reversed(value.tiers))
    return Rate(float(value.base / unit.per), steps)


def _fee(
    registry: units.UnitRegistry, listed: dict[str, Decimal | TieredPrices], key: str
) -> float | None:
    value = listed.get(key)
    return None if value is None else float(_plain_price(value) / registry.units[key].per)


def _plain_price(value: Decimal | TieredPrices) -> Decimal:
    return value.base if isinstance(value, TieredPrices) else value
