"""What is usual: the money of the hours and weeks before.

An application does at this hour of this weekday what it did a week ago. So what the rest of a day
or week will cost is what the same hours cost then, at this week's level, and not the pace of the
last hours: a nightly job has no pace. Over months nights and week-ends even out.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from math import ceil
from statistics import median
from zoneinfo import ZoneInfo

HOUR_S, DAY_S = 3_600, 86_400
WEEK_S = 7 * DAY_S
KEPT_H = 22 * 24
"""The last period of a week that began two weeks before this one."""
_LEVELS = (0.5, 2.0)
"""Weeks that differ by more are not alike: one had a holiday, or there was a launch."""

Hours = Mapping[int, float]
"""Hour since the epoch -> dollars; what was not spent is left out."""


def between(hours: Hours, start_s: float, end_s: float) -> float:
    """Dollars from a moment to another, Unix seconds; of an hour in part its share."""
    found = 0.0
    for hour in range(int(start_s // HOUR_S), ceil(end_s / HOUR_S)):
        if usd := hours.get(hour, 0.0):
            within_s = min(end_s, (hour + 1) * HOUR_S) - max(start_s, hour * HOUR_S)
            found += usd * within_s / HOUR_S
    return found


def weeks_before(unix_s: float, weeks: int, zone: ZoneInfo) -> float:
    """The same weekday and time on the clock of a zone, some weeks earlier."""
    return (datetime.fromtimestamp(unix_s, zone) - timedelta(weeks=weeks)).timestamp()


def pace(hours: Hours, now_s: float) -> float:
    """Dollars a second of the last seven days."""
    return between(hours, now_s - WEEK_S, _whole_hour(now_s)) / WEEK_S


def rest(hours: Hours, span: tuple[float, float], since_s: float, zone: ZoneInfo) -> float:
    """Dollars that some time to come will cost, by the same hours of last week.

    Args:
        hours: What was spent.
        span: From now until when.
        since_s: Since when it is known.
        zone: Of the clock.
    """
    start_s, end_s = (weeks_before(at_s, 1, zone) for at_s in span)
    level = _level(hours, _whole_hour(span[0])) if span[0] - since_s >= 2 * WEEK_S else 1.0
    return between(hours, start_s, end_s) * level


def share_by(
    hours: Hours, now_s: float, span: tuple[float, float], since_s: float, zone: ZoneInfo
) -> float | None:
    """Share of a period's money, 0-1, that was spent by this time and an hour one or two weeks ago.

    The larger one, as jobs are early and holidays are quiet.

    Args:
        hours: What was spent.
        now_s: A moment within `span`.
        span: Start and end of the period.
        since_s: Since when it is known.
        zone: Of the period.

    Returns: None where neither of the two was seen whole, or nothing was spent in them.
    """
    shares: list[float] = []
    for weeks in (1, 2):
        start_s, end_s = (weeks_before(at_s, weeks, zone) for at_s in span)
        whole = between(hours, start_s, end_s)
        if since_s <= start_s and whole > 0:
            by_s = min(end_s, weeks_before(now_s, weeks, zone) + HOUR_S)
            shares.append(between(hours, start_s, by_s) / whole)
    return max(shares, default=None)


def _level(hours: Hours, now_s: float) -> float:
    """This week beside the one before: the middle one of its days, so that a holiday has no say."""
    found = median([1.0, *days] if len(days := list(_days(hours, now_s))) % 2 == 0 else days)
    low, high = _LEVELS
    return found if low <= found <= high else 1.0


def _days(hours: Hours, now_s: float) -> Iterator[float]:
    for day in range(7):
        end_s = now_s - day * DAY_S
        now = between(hours, end_s - DAY_S, end_s)
        before = between(hours, end_s - DAY_S - WEEK_S, end_s - WEEK_S)
        if now > 0 and before > 0:
            yield now / before


def _whole_hour(unix_s: float) -> float:
    """What was spent in an hour was spent before now, however much of it is to come."""
    return ceil(unix_s / HOUR_S) * HOUR_S
