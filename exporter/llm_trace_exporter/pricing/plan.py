"""Plans: contract and list prices of one key laid over each other, for each period of validity."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Literal, TypeAlias

from ..model import TOKEN_TYPES
from ..settled import Assumption, CostLine, UnpricedReason
from .catalogue import Match
from .policy import CITATIONS, HOUR_WRITES, Contract
from .ratecard import FREE_CARD, Rate, RateCard, days_of_change, tier_card_at, times_of_change
from .regions import RegionalPrice

Source = Literal["contract", "list"]
PricedType: TypeAlias = tuple[str, Rate, Source]
"""(token type, rate, where the rate is from)."""

_DAY_NS = 86_400 * 10**9
_LONG_AGO = datetime(1990, 1, 1, tzinfo=UTC)
_CACHE_WRITE = TOKEN_TYPES.index("cache_write")


@dataclass(frozen=True, slots=True)
class Listing:
    """What is to be known of a call to find its list price."""

    match: Match
    maker: Match | None = None
    """Entry of who makes the model; its tiers are taken where the host has no price of its own."""
    host: str = ""
    """Catalogue id of who serves the call."""
    tier: str = ""
    """Normalized service tier."""
    regional: RegionalPrice | None = None
    """None: the model costs the same in all regions."""
    region: str = ""
    """Normalized; empty: not told."""


@dataclass(frozen=True, slots=True)
class Plan:
    """How to price a call of one key during one period."""

    rates: tuple[PricedType | None, ...]
    """(token type, rate, source) per token type; None where there is no price."""
    fee: CostLine | None
    """Per call, on top of its tokens."""
    whole: bool
    """True when the fee is all there is to pay."""
    missing: UnpricedReason
    """Why the types without a rate have none."""
    contract: Contract | None
    card: RateCard | None
    cache_write_1h: PricedType | None = None
    """As in `rates`, of cache writes that last an hour."""
    web_search: CostLine | None = None
    """Per search; None where there is no price."""
    assumes: tuple[Assumption, ...] = ()
    """What its list prices of tokens rest on without being told: tier, region."""
    needs_lifetime: bool = False
    """True when cache writes have two prices."""
    citation: PricedType | None = None
    """As in `rates`, of citation tokens; None where they cost nothing."""

    @property
    def free(self) -> bool:
        """True when no use of the model costs anything."""
        return self.fee is None and all(rate is not None and rate[1].free for rate in self.rates)


@dataclass(frozen=True, slots=True)
class Timeline:
    """The plans of one key over all time."""

    days: tuple[int, ...]
    """Unix nanoseconds at which a period ends and the next begins, ascending."""
    times: tuple[int, ...]
    """Nanoseconds into the UTC day at which each part of a day begins; the first is 0."""
    plans: tuple[Plan, ...]
    """Period by period, within it part by part of the day."""

    def at(self, time_ns: int) -> Plan:
        """Return the plan in force at a Unix time in nanoseconds."""
        plans = self.plans
        if len(plans) == 1:
            return plans[0]
        period = bisect_right(self.days, time_ns)
        times = self.times
        if len(times) == 1:
            return plans[period]
        part = bisect_right(times, time_ns % _DAY_NS) - 1
        return plans[period * len(times) + part]

    def validity(self, time_ns: int) -> tuple[int | None, int | None]:
        """Return (begin, end) in Unix nanoseconds of the period around a time; None: open."""
        period = bisect_right(self.days, time_ns)
        begin = self.days[period - 1] if period else None
        end = self.days[period] if period < len(self.days) else None
        return begin, end


def build_timeline(
    listing: Listing | None, contracts: Sequence[Contract], *, local: bool
) -> Timeline | None:
    """Return the plans of a key; None when neither a contract nor the catalogue prices it.

    Args:
        listing: Where its list price is, None when there is none.
        contracts: Those that cover the key, most specific first.
        local: Whether the provider bills nobody; list prices then do not count.
    """
    if listing is None and not contracts and not local:
        return None
    if local:
        listing = None
    model = None if listing is None else listing.match.model
    edges = {_midnight(day) for contract in contracts for day in contract.edges()}
    edges.update(_edges(listing) if listing else ())
    days = sorted(edges)
    times = [
        time(0),
        *(t for t in (times_of_change(model) if model else ()) if t != time(0)),
    ]
    rows: list[tuple[Plan, ...]] = []
    kept: list[datetime] = []
    for day in [_before(days), *days]:
        moments = [datetime.combine(day.date(), part, tzinfo=UTC) for part in times]
        row = tuple(_plan(listing, contracts, moment, local=local) for moment in moments)
        # Another tier's or model feature's change is no change of these prices.
        if not rows or row != rows[-1]:
            rows.append(row)
            kept.append(day)
    if all(plan == row[0] for row in rows for plan in row):
        times, rows = times[:1], [row[:1] for row in rows]
    return Timeline(
        tuple(_unix_ns(day) for day in kept[1:]),
        tuple(_ns_of_day(part) for part in times),
        tuple(plan for row in rows for plan in row),
    )


def _edges(listing: Listing) -> Iterator[datetime]:
    """Yield the UTC midnights at which a list price may change."""
    yield from days_of_change(listing.match.model)
    if listing.tier and listing.maker is not None:
        yield from days_of_change(listing.maker.model)
    if listing.regional is not None and listing.regional.valid_from is not None:
        yield _midnight(listing.regional.valid_from)


def _plan(
    listing: Listing | None, contracts: Sequence[Contract], moment: datetime, *, local: bool
) -> Plan:
    contract = next((c for c in contracts if c.valid_on(moment.date())), None)
    if local or listing is None:
        return _overlay(contract, FREE_CARD if local else None, ())
    return _overlay(contract, *_listed(listing, moment))


def _listed(listing: Listing, moment: datetime) -> tuple[RateCard, tuple[Assumption, ...]]:
    """Return the list prices at a moment, and what they rest on without being told."""
    card, tier_is_assumed = tier_card_at(
        listing.match, listing.maker, listing.host, listing.tier, moment
    )
    assumes: list[Assumption] = ["tier"] if tier_is_assumed else []
    if (regional := listing.regional) is not None:
        card = card.times(regional.factor_at(listing.region, moment.date()))
        if regional.is_open(listing.region, moment.date()):
            assumes.append("region")
    return card, tuple(assumes)


def _before(days: Sequence[datetime]) -> datetime:
    """Return a day that stands for all time before the first change."""
    return days[0] - timedelta(days=1) if days else _LONG_AGO


def _overlay(
    contract: Contract | None, card: RateCard | None, assumes: tuple[Assumption, ...]
) -> Plan:
    """Return the plan of a contract over list prices: what it does not name is at list price."""
    search = _search_fee(contract, card)
    if contract is not None and contract.flat:
        whole = CostLine("request", "contract", contract.usd_per_request or 0.0)
        none = (None,) * len(TOKEN_TYPES)
        return Plan(none, whole, True, "unknown_model", contract, card, web_search=search)
    rates = tuple(
        _priced(token_type, contract, card.rates[position] if card else None)
        for position, token_type in enumerate(TOKEN_TYPES)
    )
    priced_otherwise = card is not None and contract is None and card.otherwise
    missing: UnpricedReason = "per_request" if priced_otherwise else "unknown_model"
    hour = _priced(HOUR_WRITES, contract, card.cache_write_1h if card else None)
    write = rates[_CACHE_WRITE]
    two_prices = write is not None and hour is not None and write[1] != hour[1]
    fee = _fee(contract, card)
    cited = _priced(CITATIONS, contract, card.citation if card else None)
    return Plan(
        *(rates, fee, False, missing, contract, card, hour, search, assumes, two_prices, cited)
    )


def _priced(token_type: str, contract: Contract | None, listed: Rate | None) -> PricedType | None:
    if contract is not None and (usd := contract.rate(token_type)) is not None:
        return token_type, Rate(usd), "contract"
    return None if listed is None else (token_type, listed, "list")


def _fee(contract: Contract | None, card: RateCard | None) -> CostLine | None:
    if contract is not None and contract.usd_per_request is not None:
        return CostLine("request", "contract", contract.usd_per_request)
    if card is not None and card.usd_per_request:
        return CostLine("request", "list", card.usd_per_request)
    return None


def _search_fee(contract: Contract | None, card: RateCard | None) -> CostLine | None:
    if contract is not None and contract.usd_per_web_search is not None:
        return CostLine("request", "contract", contract.usd_per_web_search)
    # What a flat fee covers is the contract's to say.
    if card is None or card.usd_per_web_search is None or (contract and contract.flat):
        return None
    return CostLine("request", "list", card.usd_per_web_search)


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(0), tzinfo=UTC)


def _unix_ns(moment: datetime) -> int:
    return int(moment.timestamp()) * 10**9


def _ns_of_day(moment: time) -> int:
    seconds = moment.hour * 3600 + moment.minute * 60 + moment.second
    return seconds * 10**9 + moment.microsecond * 1000
