"""What is usual by now, and what is to come, of the ways in which applications spend money."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from zoneinfo import ZoneInfo

import pytest
from msgspec.structs import replace

from llm_trace_exporter.model import LlmCall, Origin
from llm_trace_exporter.objectives import Budget, Budgets, Figures, Period
from llm_trace_exporter.settled import CostLine, PricedCall

BERLIN = "Europe/Berlin"
START = datetime(2026, 10, 5, tzinfo=ZoneInfo(BERLIN))
"""A Monday; the clocks change on the 25th."""
ORIGIN = Origin(b"t" * 16, b"s" * 8, b"", "span", "semconv", "test", "shop", "", ())
CALL = PricedCall(LlmCall(ORIGIN, 0, 1, "chat"), "openai", "gpt-4o", ())

Spends = Callable[[datetime], float]
"""Dollars of the hour that begins at a local time."""


def office(at: datetime) -> float:
    return 8.0 if at.weekday() < 5 and 9 <= at.hour < 18 else 0.0


def nightly(at: datetime) -> float:
    return 40.0 if at.hour in (4, 5) else 0.2


def weekly(at: datetime) -> float:
    return 300.0 if (at.weekday(), at.hour) == (0, 3) else 0.0


def evening(at: datetime) -> float:
    return (1, 1, 1, 1, 1, 2, 3, 4, 4, 4, 5, 6, 6, 5, 5, 6, 8, 9, 12, 15, 15, 12, 6, 3)[at.hour] / 2


def growing(at: datetime) -> float:
    return 2.0 * float(1.03 ** ((at - START) / timedelta(days=1)))


def after_holiday(at: datetime) -> float:
    """A whole week off, and a Monday."""
    return office(at) * ((at - START).days // 7 != 1 and (at - START).days != 21)


PATTERNS: dict[str, tuple[Spends, float]] = {
    "office": (office, 0.01),
    "nightly": (nightly, 0.01),
    "weekly": (weekly, 0.01),
    "evening": (evening, 0.03),
    "growing": (growing, 0.06),
}
"""With the error that a forecast may have, as a share of the truth."""


def hours(spends: Spends, days: int) -> list[tuple[datetime, float]]:
    first = START.astimezone(UTC)
    zone = ZoneInfo(BERLIN)
    times = ((first + timedelta(hours=n)).astimezone(zone) for n in range(days * 24))
    return [(at, spends(at)) for at in times]


@dataclass(frozen=True, slots=True)
class Look:
    """A budget at a local time, and what its period came to."""

    at: datetime
    seen: Figures
    whole_usd: float


@cache
def looks(spends: Spends, period: Period, days: int = 42) -> tuple[Look, ...]:
    """A budget that lives through some weeks, at the end of each hour."""
    budgets = Budgets([Budget("b", 1, period, BERLIN)])
    seen: list[tuple[datetime, Figures]] = []
    for at, usd in hours(spends, days):
        call = replace(CALL, cost=(CostLine("input", "list", usd),))
        budgets.spend(call, at.timestamp())
        (now,) = budgets.figures(at.timestamp() + 3_599)
        seen.append((at, now))
    whole: dict[tuple[int, ...], float] = {}
    for at, now in seen:
        whole[of_period(at, period)] = now.spent_usd
    return tuple(Look(at, now, whole[of_period(at, period)]) for at, now in seen)


def of_period(at: datetime, period: Period) -> tuple[int, ...]:
    return (at.year, at.month, at.day) if period == "daily" else at.isocalendar()[:2]


@pytest.mark.parametrize("period", ["daily", "weekly"])
@pytest.mark.parametrize("name", PATTERNS)
def test_what_comes_each_week_is_forecast(name: str, period: Period) -> None:
    spends, error = PATTERNS[name]
    for look in looks(spends, period):
        if look.at >= START + timedelta(days=15):
            assert look.seen.forecast_usd == pytest.approx(look.whole_usd, rel=error), look


@pytest.mark.parametrize("period", ["daily", "weekly"])
@pytest.mark.parametrize("spends", [office, nightly, weekly, evening, after_holiday])
def test_who_spends_as_usual_is_not_ahead(spends: Spends, period: Period) -> None:
    """With a limit a quarter above what is spent, neither alert has anything to say."""
    all_looks = looks(spends, period)
    limit_usd = 1.25 * max(look.whole_usd for look in all_looks)
    for look in all_looks:
        spent_ratio = look.seen.spent_usd / limit_usd
        assert look.seen.forecast_usd is None or look.seen.forecast_usd <= limit_usd, look
        if look.seen.usual_ratio is not None:
            assert spent_ratio <= max(0.1, 2 * look.seen.usual_ratio), look


def test_a_day_of_three_times_the_money_is_forecast_by_noon() -> None:
    """And is ahead of what is usual."""
    bad = START + timedelta(days=21)

    def worse(at: datetime) -> float:
        return office(at) * (3 if at.date() == bad.date() else 1)

    (noon,) = [look for look in looks(worse, "daily") if look.at == bad + timedelta(hours=12)]
    usual = 8.0 * 9
    assert noon.seen.forecast_usd is not None and noon.seen.usual_ratio is not None
    assert noon.seen.forecast_usd > 1.25 * usual
    assert noon.seen.spent_usd / (1.25 * usual) > 1.3 * noon.seen.usual_ratio


def test_months_go_on_at_the_pace_of_the_last_seven_days() -> None:
    budgets = Budgets([Budget("b", 1, "monthly")])
    first = datetime(2026, 10, 1, tzinfo=UTC).timestamp()
    for hour in range(10 * 24):
        call = replace(CALL, cost=(CostLine("input", "list", 1.0),))
        budgets.spend(call, first + hour * 3_600)
    (now,) = budgets.figures(first + 10 * 86_400)
    assert now.forecast_usd == pytest.approx(31 * 24)
    assert now.usual_ratio == now.elapsed_ratio == pytest.approx(10 / 31)
