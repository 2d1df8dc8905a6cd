"""Calendar periods: days, weeks from Monday, months, quarters, in a time zone."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Literal, get_args
from zoneinfo import ZoneInfo

Period = Literal["daily", "weekly", "monthly", "quarterly"]
PERIODS: tuple[str, ...] = get_args(Period)


def span_of(unix_s: float, period: Period, zone: ZoneInfo) -> tuple[float, float]:
    """Start and end, in Unix seconds, of the period that a moment lies in.

    A day is from midnight to midnight on the clock of the zone: 23 to 25 hours.
    """
    day = datetime.fromtimestamp(unix_s, zone).date()
    if period == "daily":
        first, after = day, day + timedelta(days=1)
    elif period == "weekly":
        first = day - timedelta(days=day.weekday())
        after = first + timedelta(days=7)
    else:
        months = 1 if period == "monthly" else 3
        first = date(day.year, day.month - (day.month - 1) % months, 1)
        after = _month(first, months)
    return _midnight(first, zone), _midnight(after, zone)


def _month(first: date, later: int) -> date:
    months = first.year * 12 + first.month - 1 + later
    return date(months // 12, months % 12 + 1, 1)


def _midnight(day: date, zone: ZoneInfo) -> float:
    return datetime(day.year, day.month, day.day, tzinfo=zone).timestamp()
