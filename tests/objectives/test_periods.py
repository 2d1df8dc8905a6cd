"""Calendar periods, over the hours that clocks skip and repeat."""

from __future__ import annotations

from datetime import datetime
from typing import get_args
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_trace_exporter.objectives import Period, span_of

BERLIN = ZoneInfo("Europe/Berlin")
ZONES = [ZoneInfo(z) for z in ("UTC", "Europe/Berlin", "America/New_York", "Asia/Kathmandu")]


def at(text: str, zone: ZoneInfo = BERLIN) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=zone).timestamp()


@pytest.mark.parametrize(
    ("moment", "period", "start", "end"),
    [
        ("2026-11-21T10:00", "daily", "2026-11-21", "2026-11-22"),
        ("2026-11-22T23:59:59", "weekly", "2026-11-16", "2026-11-23"),
        ("2026-11-23T00:00", "weekly", "2026-11-23", "2026-11-30"),
        ("2026-12-31T23:00", "monthly", "2026-12-01", "2027-01-01"),
        ("2028-02-29T00:00", "monthly", "2028-02-01", "2028-03-01"),
        ("2026-12-31T23:00", "quarterly", "2026-10-01", "2027-01-01"),
        ("2026-04-01T00:00", "quarterly", "2026-04-01", "2026-07-01"),
    ],
)
def test_periods(moment: str, period: Period, start: str, end: str) -> None:
    assert span_of(at(moment), period, BERLIN) == (at(start), at(end))


@pytest.mark.parametrize(("day", "hours"), [("2026-03-29", 23), ("2026-10-25", 25)])
def test_days_on_which_the_clock_is_set(day: str, hours: int) -> None:
    start, end = span_of(at(f"{day}T12:00"), "daily", BERLIN)
    assert end - start == hours * 3600


@given(st.floats(0, 4e9), st.sampled_from(get_args(Period)), st.sampled_from(ZONES))
def test_every_moment_lies_in_its_period_and_periods_meet(
    unix_s: float, period: Period, zone: ZoneInfo
) -> None:
    start, end = span_of(unix_s, period, zone)
    assert start <= unix_s < end
    assert span_of(end, period, zone)[0] == end
    assert span_of(start, period, zone) == (start, end)
