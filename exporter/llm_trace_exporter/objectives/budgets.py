"""Money against limits by the calendar: what was spent, and where the period will end.

A budget adds up what is counted while it is configured, so it survives a restart with the state
file and ends with its period. Daily and weekly budgets are forecast from the same hours of last
week, longer ones at the pace of the last seven days. Before a week was seen nothing is forecast.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any
from zoneinfo import ZoneInfo

from ..settled import PricedCall
from . import usual
from .periods import Period, span_of
from .usual import HOUR_S

_CLOCK_SLACK_S = 60.0
_LIKE_LAST_WEEK: frozenset[Period] = frozenset({"daily", "weekly"})
"""Periods in which hours and weekdays do not even out."""


@dataclass(frozen=True, slots=True)
class Budget:
    """A limit on what may be spent in a period."""

    name: str
    limit_usd: float
    period: Period
    timezone: str = "UTC"
    match: tuple[tuple[str, str], ...] = ()
    """(label, pattern with `*` and `?`): all must match."""
    zone: ZoneInfo = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Find the time zone.

        Raises: ZoneInfoNotFoundError where there is none of this name.
        """
        object.__setattr__(self, "zone", ZoneInfo(self.timezone))


@dataclass(frozen=True, slots=True)
class Figures:
    """One budget now."""

    budget: Budget
    spent_usd: float
    forecast_usd: float | None
    """What the period will end with; None before a week was seen."""
    elapsed_ratio: float
    """How much of the period is over, 0-1."""
    usual_ratio: float | None
    """Share of a period's money that is usually spent by now, 0-1; None where nothing is usual."""

    @property
    def by_measure(self) -> dict[str, float]:
        """By the last words of the family that shows it; what is not known is left out."""
        known = {
            "limit_usd": self.budget.limit_usd,
            "spent_usd": self.spent_usd,
            "forecast_usd": self.forecast_usd,
            "elapsed_ratio": self.elapsed_ratio,
            "usual_ratio": self.usual_ratio,
        }
        return {measure: value for measure, value in known.items() if value is not None}


@dataclass(slots=True)
class _Account:
    budget: Budget
    start_s: float = 0.0
    end_s: float = 0.0
    spent_usd: float = 0.0
    since_s: float = 0.0
    """When it was first looked at; 0: never."""
    hours: dict[int, float] = field(default_factory=dict)
    """Hour since the epoch -> dollars, as far back as something is usual."""
    before: tuple[float, float, float] = (0.0, 0.0, 0.0)
    """Start, end and dollars of the period before this one."""

    def at(self, unix_s: float) -> None:
        """Go into the period of a moment.

        A clock that goes back a little stays in the later one. Where it goes back by more, it was
        wrong: what was spent meanwhile belongs to the period that it comes back to.
        """
        if not self.since_s:
            self.since_s = unix_s
        if unix_s >= self.end_s:
            self.before = (self.start_s, self.end_s, self.spent_usd)
            self.start_s, self.end_s = span_of(unix_s, self.budget.period, self.budget.zone)
            self.spent_usd = 0.0
        elif unix_s < self.start_s - _CLOCK_SLACK_S:
            self._go_back(unix_s)

    def _go_back(self, unix_s: float) -> None:
        start_s, end_s, usd = self.before
        if not start_s <= unix_s < end_s:
            start_s, end_s = span_of(unix_s, self.budget.period, self.budget.zone)
            usd = 0.0
        self.start_s, self.end_s = start_s, end_s
        self.spent_usd += usd
        self.before = (0.0, 0.0, 0.0)
        self.since_s = min(self.since_s, unix_s)
        now = int(unix_s // HOUR_S)
        ahead = sum(usd for hour, usd in self.hours.items() if hour > now)
        self.hours = {hour: usd for hour, usd in self.hours.items() if hour <= now}
        self.hours[now] = self.hours.get(now, 0.0) + ahead

    def spend(self, usd: float, unix_s: float) -> None:
        """Add what was spent."""
        self.at(unix_s)
        self.spent_usd += usd
        hour = int(unix_s // HOUR_S)
        self.hours[hour] = self.hours.get(hour, 0.0) + usd
        if len(self.hours) > usual.KEPT_H:
            oldest = hour - usual.KEPT_H
            self.hours = {at: spent for at, spent in self.hours.items() if at > oldest}

    def figures(self, unix_s: float) -> Figures:
        """The budget now."""
        self.at(unix_s)
        now_s = min(max(unix_s, self.start_s), self.end_s)
        elapsed = (now_s - self.start_s) / (self.end_s - self.start_s)
        is_known = now_s - self.since_s >= usual.WEEK_S
        return Figures(
            self.budget,
            self.spent_usd,
            self.spent_usd + self._rest(now_s) if is_known else None,
            elapsed,
            self._usual_ratio(now_s, elapsed) if is_known else None,
        )

    def _rest(self, now_s: float) -> float:
        if self.budget.period in _LIKE_LAST_WEEK:
            span = (now_s, self.end_s)
            return usual.rest(self.hours, span, self.since_s, self.budget.zone)
        return usual.pace(self.hours, now_s) * (self.end_s - now_s)

    def _usual_ratio(self, now_s: float, elapsed: float) -> float | None:
        if self.budget.period not in _LIKE_LAST_WEEK:
            return elapsed
        span = (self.start_s, self.end_s)
        return usual.share_by(self.hours, now_s, span, self.since_s, self.budget.zone)


class Budgets:
    """All budgets; not safe for threads."""

    def __init__(self, budgets: Iterable[Budget] = (), dimensions: Iterable[str] = ()) -> None:
        """Start with nothing spent."""
        self._accounts: dict[str, _Account] = {}
        self._dimensions: tuple[str, ...] = ()
        self._matching: dict[tuple[object, ...], tuple[_Account, ...]] = {}
        self.configure(budgets, dimensions)

    def configure(self, budgets: Iterable[Budget], dimensions: Iterable[str]) -> None:
        """Go on with other budgets; one that keeps name, period and zone keeps what was spent."""
        before, self._accounts = self._accounts, {}
        for budget in budgets:
            old = before.get(budget.name)
            if old is not None and _same_calendar(old.budget, budget):
                old.budget = budget
            else:
                old = _Account(budget)
            self._accounts[budget.name] = old
        self._dimensions = tuple(dimensions)
        self._matching.clear()

    def spend(self, priced: PricedCall, unix_s: float) -> None:
        """Add the cost of a counted call."""
        if not self._accounts:
            return
        usd = priced.cost_usd
        if not usd:
            return
        call, origin = priced.call, priced.call.origin
        key = (
            origin.service, origin.environment, priced.provider, priced.model, call.operation,
            call.purpose, origin.dimensions,
        )  # fmt: skip
        accounts = self._matching.get(key)
        if accounts is None:
            if len(self._matching) >= 8192:
                self._matching.clear()
            labels = dict(zip(_LABELS, key, strict=False))
            labels |= dict(zip(self._dimensions, origin.dimensions, strict=False))
            accounts = tuple(a for a in self._accounts.values() if _matches(a.budget, labels))
            self._matching[key] = accounts
        for account in accounts:
            account.spend(usd * call.weight, unix_s)

    def figures(self, unix_s: float) -> Iterator[Figures]:
        """Every budget now."""
        for account in self._accounts.values():
            yield account.figures(unix_s)

    def saved(self) -> list[dict[str, Any]]:
        """What must survive a restart, as plain values."""
        return [
            {
                "name": a.budget.name,
                "period": a.budget.period,
                "timezone": a.budget.timezone,
                "start_s": a.start_s,
                "end_s": a.end_s,
                "spent_usd": a.spent_usd,
                "since_s": a.since_s,
                "hours": sorted(a.hours.items()),
                "kept_h": usual.KEPT_H,
                "before": a.before,
            }
            for a in self._accounts.values()
        ]

    def restore(self, saved: Iterable[Mapping[str, Any]]) -> None:
        """Go on from what was saved; budgets that are not configured any more are left out.

        Raises: KeyError, TypeError or ValueError for what `saved` did not give.
        """
        for one in saved:
            account = self._accounts.get(one["name"])
            if account is None:
                continue
            budget = account.budget
            if (one["period"], one["timezone"]) != (budget.period, budget.timezone):
                continue
            account.start_s, account.end_s = float(one["start_s"]), float(one["end_s"])
            account.spent_usd, account.since_s = float(one["spent_usd"]), float(one["since_s"])
            account.hours = {int(hour): float(usd) for hour, usd in one["hours"]}
            if account.hours and int(one.get("kept_h", 0)) < usual.KEPT_H:
                # Who wrote it kept fewer hours: before the oldest, it is not known what was spent.
                account.since_s = max(account.since_s, float(min(account.hours) * HOUR_S))
            start_s, end_s, usd = map(float, one["before"])
            account.before = (start_s, end_s, usd)


_LABELS = ("service", "environment", "provider", "model", "operation", "purpose")


def _matches(budget: Budget, labels: Mapping[str, Any]) -> bool:
    return all(fnmatchcase(str(labels.get(name, "")), pattern) for name, pattern in budget.match)


def _same_calendar(one: Budget, other: Budget) -> bool:
    return (one.period, one.timezone) == (other.period, other.timezone)
