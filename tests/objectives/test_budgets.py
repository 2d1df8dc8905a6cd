"""Budgets: whose money, in which period, at which pace, over reloads and restarts."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from llm_trace_exporter.model import LlmCall, Origin
from llm_trace_exporter.objectives import Budget, Budgets, Figures, Target, effective
from llm_trace_exporter.settled import CostLine, PricedCall

DAY_S = 86_400.0
MIDNIGHT_S = 1_795_219_200.0
"""2026-11-21, a Saturday, UTC."""

CALL = LlmCall(
    Origin(b"t" * 16, b"s" * 8, b"", "span", "semconv", "test", "shop", "prod", ("refunds",)),
    0, 1, "chat",
)  # fmt: skip


def spent(budgets: Budgets, usd: float, unix_s: float, **changes: Any) -> None:
    """Spend money on a call of the shop."""
    cost = (CostLine("input", "list", usd),)
    budgets.spend(PricedCall(replace(CALL, **changes), "openai", "gpt-4o", cost), unix_s)


def one(budgets: Budgets, unix_s: float) -> Figures:
    (figures,) = budgets.figures(unix_s)
    return figures


@pytest.mark.parametrize(
    ("match", "is_matched"),
    [
        ((), True),
        ((("service", "shop"),), True),
        ((("service", "sh?p"), ("model", "gpt-*")), True),
        ((("feature", "refunds"),), True),
        ((("feature", "refunds"), ("environment", "dev")), False),
        ((("model", "claude*"),), False),
        ((("purpose", "judge"),), False),
        ((("purpose", ""),), True),
    ],
)
def test_whose_money_it_is(match: tuple[tuple[str, str], ...], is_matched: bool) -> None:
    budgets = Budgets([Budget("b", 100, "monthly", match=match)], ["feature"])
    spent(budgets, 2.0, MIDNIGHT_S)
    spent(budgets, 1.0, MIDNIGHT_S, weight=4.0)
    assert one(budgets, MIDNIGHT_S).spent_usd == (6.0 if is_matched else 0.0)


def test_a_period_ends_with_the_calendar() -> None:
    budgets = Budgets([Budget("b", 100, "daily")])
    spent(budgets, 5.0, MIDNIGHT_S + 10)
    assert one(budgets, MIDNIGHT_S + DAY_S - 1).spent_usd == 5
    after = one(budgets, MIDNIGHT_S + DAY_S)
    assert (after.spent_usd, after.elapsed_ratio) == (0, 0)
    spent(budgets, 1.0, MIDNIGHT_S + DAY_S + 1)
    assert one(budgets, MIDNIGHT_S + DAY_S + 2).spent_usd == 1


def test_a_clock_that_goes_back_takes_nothing_back() -> None:
    budgets = Budgets([Budget("b", 100, "daily")])
    spent(budgets, 5.0, MIDNIGHT_S + 10)
    spent(budgets, 5.0, MIDNIGHT_S - 10)
    found = one(budgets, MIDNIGHT_S - 20)
    assert (found.spent_usd, found.elapsed_ratio) == (10, 0)


@pytest.mark.parametrize("period", ["daily", "weekly"])
def test_a_steady_pace_is_forecast_as_it_goes_on(period: Any) -> None:
    budgets = Budgets([Budget("b", 100, period)])
    for hour in range(24 * 9):
        spent(budgets, 1.0, MIDNIGHT_S + hour * 3600 + 1)
    now_s = MIDNIGHT_S + 9 * DAY_S
    whole = 24 if period == "daily" else 24 * 7
    assert one(budgets, now_s).forecast_usd == pytest.approx(whole, rel=0.06)


@pytest.mark.parametrize("period", ["daily", "weekly", "monthly", "quarterly"])
def test_nothing_is_forecast_before_a_week_was_seen(period: Any) -> None:
    budgets = Budgets([Budget("b", 100, period)])
    for hour in range(24 * 7):
        spent(budgets, 1.0, MIDNIGHT_S + hour * 3600)
    before = one(budgets, MIDNIGHT_S + 7 * DAY_S - 1)
    assert before.forecast_usd is before.usual_ratio is None
    assert {"forecast_usd", "usual_ratio"}.isdisjoint(before.by_measure)
    assert one(budgets, MIDNIGHT_S + 7 * DAY_S).forecast_usd is not None


def test_reloads_keep_what_was_spent_of_the_same_calendar() -> None:
    budgets = Budgets([Budget("kept", 100, "monthly"), Budget("moved", 100, "monthly")])
    spent(budgets, 3.0, MIDNIGHT_S)
    budgets.configure([Budget("kept", 50, "monthly"), Budget("moved", 100, "daily")], ())
    kept, moved = budgets.figures(MIDNIGHT_S)
    assert (kept.spent_usd, kept.budget.limit_usd) == (3, 50)
    assert moved.spent_usd == 0


def test_saved_budgets_come_back() -> None:
    same = [Budget("b", 100, "monthly", "Europe/Berlin"), Budget("c", 1, "daily")]
    budgets = Budgets(same)
    spent(budgets, 3.0, MIDNIGHT_S)
    saved = msgspec.msgpack.decode(msgspec.msgpack.encode(budgets.saved()))
    again = Budgets([*same[:1], Budget("c", 1, "weekly"), Budget("new", 1, "daily")])
    again.restore(saved)
    before, *_ = budgets.figures(MIDNIGHT_S + 60)
    after, other, new = again.figures(MIDNIGHT_S + 60)
    assert after == before
    assert (other.spent_usd, new.spent_usd) == (0, 0)


def as_written_before(budgets: Budgets, kept_h: int) -> list[dict[str, Any]]:
    """What a version saved that kept only the hours of its pace."""
    saved = budgets.saved()
    for one in saved:
        del one["kept_h"]
        one["hours"] = one["hours"][-kept_h:]
    return saved


@pytest.mark.parametrize(("period", "kept_h"), [("daily", 25), ("weekly", 169), ("monthly", 169)])
def test_what_older_versions_did_not_keep_is_not_taken_for_nothing(
    period: Any, kept_h: int
) -> None:
    budgets = Budgets([Budget("b", 100, period)])
    hours = 24 * 16
    for hour in range(hours):
        spent(budgets, 1.0, MIDNIGHT_S + hour * 3600 + 1)
    again = Budgets([Budget("b", 100, period)])
    again.restore(as_written_before(budgets, kept_h))
    loaded_s = MIDNIGHT_S + hours * 3600.0
    assert one(again, loaded_s).spent_usd == one(budgets, loaded_s).spent_usd
    shown = 0
    for hour in range(hours, hours + 24 * 16):
        spent(again, 1.0, MIDNIGHT_S + hour * 3600 + 1)
        spent(budgets, 1.0, MIDNIGHT_S + hour * 3600 + 1)
        if hour % 7:
            continue
        found, right = (one(b, MIDNIGHT_S + (hour + 1) * 3600 - 1) for b in (again, budgets))
        assert found.forecast_usd in (None, pytest.approx(right.forecast_usd, rel=0.01))
        assert found.usual_ratio in (None, pytest.approx(right.usual_ratio, rel=0.01))
        shown += found.forecast_usd is not None
        again.restore(msgspec.msgpack.decode(msgspec.msgpack.encode(again.saved())))
    assert shown > 24 * 9 // 7


def test_a_quiet_budget_keeps_since_when_it_is_known() -> None:
    budgets = Budgets([Budget("b", 100, "monthly")])
    one(budgets, MIDNIGHT_S)
    spent(budgets, 1.0, MIDNIGHT_S + 8 * DAY_S)
    again = Budgets([Budget("b", 100, "monthly")])
    again.restore(budgets.saved())
    assert one(again, MIDNIGHT_S + 9 * DAY_S).forecast_usd is not None


def test_targets_replace_only_their_own_default() -> None:
    given = [Target("error_ratio", 0.01), Target("ttft_p95_seconds", 1, (("service", "chat"),))]
    found = {(t.slo, t.labels): t.value for t in effective(given)}
    assert found["error_ratio", ()] == 0.01
    assert found["ttft_p95_seconds", ()] == 5.0
    assert found["ttft_p95_seconds", (("service", "chat"),)] == 1


@pytest.mark.parametrize("restarts", [True, False])
@pytest.mark.parametrize("ahead_s", [DAY_S, 40 * DAY_S])
def test_a_clock_that_was_wrong_takes_no_money_out_of_its_period(
    ahead_s: float, restarts: bool
) -> None:
    """Ahead for a while, past the period's end, then right again."""
    budgets = Budgets([Budget("b", 100, "daily")])
    spent(budgets, 10.0, MIDNIGHT_S + 100)
    spent(budgets, 10.0, MIDNIGHT_S + ahead_s + 200)
    if restarts:
        saved = msgspec.msgpack.decode(msgspec.msgpack.encode(budgets.saved()))
        budgets = Budgets([Budget("b", 100, "daily")])
        budgets.restore(saved)
    spent(budgets, 10.0, MIDNIGHT_S + 300)
    now = one(budgets, MIDNIGHT_S + DAY_S / 2)
    assert now.spent_usd == 30
    assert now.elapsed_ratio == 0.5
    assert one(budgets, MIDNIGHT_S + DAY_S + 1).spent_usd == 0
