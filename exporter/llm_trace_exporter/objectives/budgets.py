"""Money against limits by the calendar: what was spent, and where the period will end.

A budget adds up what is counted while it is configured, so it survives a restart with the state
file and ends with its period. The forecast goes on at the pace of the last day (daily budgets) or
week, in which nights and week-ends even out.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any
from zoneinfo import ZoneInfo

from ..settled import PricedCall
from .periods import Period, span_of

_HOUR_S = 3600
_CLOCK_SLACK_S = 60.0
_PACE_S: Mapping[Period, int] = {
    "daily": 24 * _HOUR_S,
    "weekly": 7 * 24 * _HOUR_S,
    "monthly": 7 * 24 * _HOUR_S,
    "quarterly": 7 * 24 * _HOUR_S,
}


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
    forecast_usd: float
    """What the period will end with."""
    elapsed_ratio: float
    """How much of the period is over, 0-1."""

    @property
    def by_measure(self) -> dict[str, float]:
        """By the last words of the family that shows it."""
        return {
            "limit_usd": self.budget.limit_usd,
            "spent_usd": self.spent_usd,
            "forecast_usd": self.forecast_usd,
            "elapsed_ratio": self.elapsed_ratio,
        }


@dataclass(slots=True)
class _Account:
    budget: Budget
    start_s: float = 0.0
    end_s: float = 0.0
    spent_usd: float = 0.0
    since_s: float = 0.0
    """When it was first looked at; 0: never."""
    hours: dict[int, float] = field(default_factory=dict)
    """Hour since the epoch -> dollars, as far back as the pace is taken from."""
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
        now = int(unix_s // _HOUR_S)
        ahead = sum(usd for hour, usd in self.hours.items() if hour > now)
        self.hours = {hour: usd for hour, usd in self.hours.items() if hour <= now}
        self.hours[now] = self.hours.get(now, 0.0) + ahead

    def spend(self, usd: float, unix_s: float) -> None:
        """Add what was spent."""
        self.at(unix_s)
        self.spent_usd += usd
        hour = int(unix_s // _HOUR_S)
        self.hours[hour] = self.hours.get(hour, 0.0) + usd
        oldest = hour - _PACE_S[self.budget.period] // _HOUR_S
        if len(self.hours) > _PACE_S[self.budget.period] // _HOUR_S + 1:
            self.hours = {at: told for at, told in self.hours.items() if at >= oldest}

    def figures(self, unix_s: float) -> Figures:
        """The budget now."""
        self.at(unix_s)
        now_s = min(max(unix_s, self.start_s), self.end_s)
        pace_s = min(_PACE_S[self.budget.period], max(_HOUR_S, now_s - self.since_s))
        recent = sum(u for at, u in self.hours.items() if (at + 1) * _HOUR_S > now_s - pace_s)
        return Figures(
            self.budget,
            self.spent_usd,
            self.spent_usd + recent / pace_s * (self.end_s - now_s),
            (now_s - self.start_s) / (self.end_s - self.start_s),
        )


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
            start_s, end_s, usd = map(float, one["before"])
            account.before = (start_s, end_s, usd)


_LABELS = ("service", "environment", "provider", "model", "operation", "purpose")


def _matches(budget: Budget, labels: Mapping[str, Any]) -> bool:
    return all(fnmatchcase(str(labels.get(name, "")), pattern) for name, pattern in budget.match)


def _same_calendar(one: Budget, other: Budget) -> bool:
    return (one.period, one.timezone) == (other.period, other.timezone)
