"""Plans: contract and list prices of one key laid over each other, for each period of validity."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Literal

from ..model import TOKEN_TYPES, CostLine, UnpricedReason
from .catalogue import Match
from .policy import Contract
from .ratecard import FREE_CARD, Rate, RateCard, card_at, days_of_change, times_of_change

Source = Literal["contract", "list"]

_DAY_NS = 86_400 * 10**9
_LONG_AGO = datetime(1990, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Plan:
    """How to price a call of one key during one period."""

    rates: tuple[tuple[str, Rate, Source] | None, ...]
    """(token type, rate, source) per token type; None where there is no price."""
    fee: CostLine | None
    """Per call, on top of its tokens."""
    whole: bool
    """True when the fee is all there is to pay."""
    missing: UnpricedReason
    """Why the types without a rate have none."""
    contract: Contract | None
    card: RateCard | None

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
    match: Match | None, tier: str, contracts: Sequence[Contract], *, local: bool
) -> Timeline | None:
    """Return the plans of a key; None when neither a contract nor the catalogue prices it.

    Args:
        match: Catalogue entry, None when there is none.
        tier: Normalized service tier.
        contracts: Those that cover the key, most specific first.
        local: Whether the provider bills nobody; the catalogue entry then does not count.
    """
    if match is None and not contracts and not local:
        return None
    model = None if local or match is None else match.model
    edges = {_midnight(day) for contract in contracts for day in contract.edges()}
    edges.update(days_of_change(model) if model else ())
    days = sorted(edges)
    times = [
        time(0),
        *(t for t in (times_of_change(model) if model else ()) if t != time(0)),
    ]
    rows: list[tuple[Plan, ...]] = []
    kept: list[datetime] = []
    for day in [_before(days), *days]:
        moments = [datetime.combine(day.date(), part, tzinfo=UTC) for part in times]
        row = tuple(_plan(match, tier, contracts, moment, local=local) for moment in moments)
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


def _plan(
    match: Match | None,
    tier: str,
    contracts: Sequence[Contract],
    moment: datetime,
    *,
    local: bool,
) -> Plan:
    card = FREE_CARD if local else (card_at(match, tier, moment) if match else None)
    contract = next((c for c in contracts if c.valid_on(moment.date())), None)
    return _overlay(contract, card)


def _before(days: Sequence[datetime]) -> datetime:
    """Return a day that stands for all time before the first change."""
    return days[0] - timedelta(days=1) if days else _LONG_AGO


def _overlay(contract: Contract | None, card: RateCard | None) -> Plan:
    """Return the plan of a contract over list prices: what it does not name is at list price."""
    if contract is not None and contract.flat:
        fee = CostLine("request", "contract", contract.usd_per_request or 0.0)
        return Plan((None,) * len(TOKEN_TYPES), fee, True, "unknown_model", contract, card)
    rates = tuple(
        _priced(token_type, contract, card.rates[position] if card else None)
        for position, token_type in enumerate(TOKEN_TYPES)
    )
    priced_otherwise = card is not None and contract is None and card.otherwise
    missing: UnpricedReason = "per_request" if priced_otherwise else "unknown_model"
    return Plan(rates, _fee(contract, card), False, missing, contract, card)


def _priced(
    token_type: str, contract: Contract | None, listed: Rate | None
) -> tuple[str, Rate, Source] | None:
    if contract is not None and (usd := contract.rate(token_type)) is not None:
        return token_type, Rate(usd), "contract"
    return None if listed is None else (token_type, listed, "list")


def _fee(contract: Contract | None, card: RateCard | None) -> CostLine | None:
    if contract is not None and contract.usd_per_request is not None:
        return CostLine("request", "contract", contract.usd_per_request)
    if card is not None and card.usd_per_request:
        return CostLine("request", "list", card.usd_per_request)
    return None


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(0), tzinfo=UTC)


def _unix_ns(moment: datetime) -> int:
    return int(moment.timestamp()) * 10**9


def _ns_of_day(moment: time) -> int:
    seconds = moment.hour * 3600 + moment.minute * 60 + moment.second
    return seconds * 10**9 + moment.microsecond * 1000
