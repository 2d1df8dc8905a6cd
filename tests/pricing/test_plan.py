"""Plans over time: which price holds on which day and at which time of it."""

from __future__ import annotations

from datetime import UTC, date, datetime, time
from decimal import Decimal

import pytest
from genai_prices.types import (
    ClauseEquals,
    ConditionalPrice,
    ModelInfo,
    ModelPrice,
    StartDateConstraint,
    TimeOfDateConstraint,
)

from llm_trace_exporter.pricing.catalogue import Match
from llm_trace_exporter.pricing.plan import Listing, Timeline, build_timeline

SECOND_NS = 10**9
NIGHT = TimeOfDateConstraint(time(16, 30, 15, tzinfo=UTC), time(20, 0, 0, 250, tzinfo=UTC))
IN_JUNE = StartDateConstraint(date(2026, 6, 1))


def listed(*prices: ConditionalPrice) -> Timeline:
    model = ModelInfo(id="m", match=ClauseEquals("m"), prices=list(prices))
    listing = Listing(Match("p", "P", model, "m", variants=True))
    timeline = build_timeline(listing, (), local=False)
    assert timeline is not None
    return timeline


def usd(
    per_million: int, constraint: StartDateConstraint | TimeOfDateConstraint | None = None
) -> ConditionalPrice:
    return ConditionalPrice(constraint, prices=ModelPrice(input_mtok=Decimal(per_million)))


def input_usd(timeline: Timeline, at: datetime, more_ns: int = 0) -> float:
    """Dollars per million input tokens."""
    rate = timeline.at(int(at.timestamp()) * SECOND_NS + more_ns).rates[0]
    assert rate is not None
    return round(rate[1].usd * 1e6, 9)


def test_a_price_of_the_night_holds_from_its_nanosecond_to_its_nanosecond() -> None:
    timeline = listed(usd(4), usd(1, NIGHT))
    begin, end = (datetime(2026, 5, 3, *at, tzinfo=UTC) for at in ((16, 30, 15), (20, 0, 0)))
    assert [input_usd(timeline, begin, ns) for ns in (-1, 0)] == [4, 1]
    assert [input_usd(timeline, end, ns) for ns in (249_999, 250_000)] == [1, 4]
    assert input_usd(timeline, datetime(2026, 5, 3, tzinfo=UTC)) == 4


@pytest.mark.parametrize("hour", [0, 12, 17, 23])
def test_a_price_that_is_one_all_day_changes_on_its_day(hour: int) -> None:
    """What was cheap at night is not any more, and was as dear as the day before."""
    timeline = listed(usd(1), usd(1, NIGHT), usd(2, IN_JUNE))
    assert input_usd(timeline, datetime(2026, 5, 31, hour, tzinfo=UTC)) == 1
    assert input_usd(timeline, datetime(2026, 6, 1, hour, tzinfo=UTC)) == 2


def test_days_and_times_go_together() -> None:
    timeline = listed(usd(4), usd(5, IN_JUNE), usd(1, NIGHT))
    found = [
        input_usd(timeline, datetime(2026, month, day, hour, tzinfo=UTC))
        for month, day in ((5, 31), (6, 1))
        for hour in (3, 17, 22)
    ]
    assert found == [4, 1, 4, 5, 1, 5]


def test_a_price_is_valid_until_the_next_one() -> None:
    timeline = listed(usd(4), usd(5, IN_JUNE), usd(6, StartDateConstraint(date(2026, 7, 1))))
    june, july = (
        int(datetime(2026, month, 1, tzinfo=UTC).timestamp()) * SECOND_NS for month in (6, 7)
    )
    assert timeline.validity(june - 1) == (None, june)
    assert timeline.validity(june) == timeline.validity(july - 1) == (june, july)
    assert timeline.validity(july) == (july, None)
