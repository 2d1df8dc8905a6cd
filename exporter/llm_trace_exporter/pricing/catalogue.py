"""The list prices: one snapshot of the `genai-prices` data, indexed for look-up.

The package's own look-up keeps every name it ever saw and tries every clause of every model; names
come from outside, so this one keeps nothing and finds exact names in a dict. What it finds is the
same (tests compare both over the whole catalogue).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path

import genai_prices.data
from genai_prices import data_snapshot, types
from genai_prices.types import ModelInfo, ModelPrice, Provider, StartDateConstraint

from .names import signature

_CLOSED_MAKERS = ("openai", "anthropic", "google", "x-ai")
"""Makers whose models nobody else serves at a price of their own."""
_OPEN_WEIGHTS = ("gpt-oss",)
_RESELLERS = frozenset({"openrouter", "github-copilot", "cursor", "quicksilverpro"})
_EPOCH_YEAR = 2020
"""A data file older than this has had its time stamp wiped by a reproducible build."""


@dataclass(frozen=True, slots=True)
class Match:
    """The catalogue entry that prices a call."""

    provider_id: str
    provider_name: str
    model: ModelInfo
    form: str
    """The spelling that matched."""
    variants: bool
    """False when the entry was borrowed from the maker: its tier prices do not apply."""


class Catalogue:
    """List prices of every provider. Read only after it is built: threads may share it."""

    def __init__(self, snapshot: data_snapshot.DataSnapshot, timestamp_s: float) -> None:
        self.timestamp_s = timestamp_s
        """Unix time of the data: the newest price change it holds, or when it was fetched."""
        self._providers: dict[str, Provider] = {p.id: p for p in snapshot.providers}
        self._indexes = {p.id: _Index(p.models) for p in snapshot.providers}

    @property
    def providers(self) -> tuple[Provider, ...]:
        """Every provider with its models, in the order of the data."""
        return tuple(self._providers.values())

    def find(self, provider_id: str, forms: Sequence[str]) -> Match | None:
        """Return the entry of the first form that the provider's list knows."""
        provider = self._providers.get(provider_id)
        if provider is None:
            return None
        for form in forms:
            if form and (match := self._find_one(provider, form)):
                return match
        return None

    def find_maker(self, forms: Sequence[str]) -> Match | None:
        """Return the entry of the provider that claims the name as its own make."""
        for form in forms:
            name = form.lower()
            for provider in self._providers.values():
                clause = provider.model_match
                if name and clause is not None and clause.is_match(name):
                    if match := self._find_one(provider, name):
                        return match
                    break
        return None

    def find_only(self, forms: Sequence[str]) -> Match | None:
        """Return the entry of a name that one provider, or one maker, alone lists."""
        for form in forms:
            if not form:
                continue
            matches = [
                Match(provider.id, provider.name, model, form, variants=True)
                for provider in self._providers.values()
                if provider.id not in _RESELLERS
                and (model := self._indexes[provider.id].find(form.lower()))
            ]
            makers = [match for match in matches if match.provider_id in _CLOSED_MAKERS]
            for only in (matches, makers):
                if len(only) == 1 and signature(only[0].model.id) == signature(form):
                    return only[0]
        return None

    def find_closed(self, forms: Sequence[str]) -> Match | None:
        """Return the entry of a maker whose models cost the same wherever they are served."""
        for provider_id in _CLOSED_MAKERS:
            if (
                provider := self._providers.get(provider_id)
            ) is None or provider.model_match is None:
                continue
            for form in forms:
                name = form.lower()
                if name.startswith(_OPEN_WEIGHTS) or not provider.model_match.is_match(name):
                    continue
                if match := self._find_one(provider, name):
                    return match
        return None

    def same_model(self, match: Match, other: str) -> bool:
        """Tell whether the list that a match came from gives the same entry to another name."""
        index = self._indexes.get(match.provider_id)
        return index is not None and index.find(other.lower()) is match.model

    def _find_one(self, provider: Provider, form: str) -> Match | None:
        name = form.lower()
        compact = types._normalize_compact_dated_ref(name)
        for candidate in dict.fromkeys((name, compact)):
            for owner in self._owners(provider):
                if model := self._indexes[owner.id].find(candidate):
                    own = any(model is listed for listed in provider.models)
                    return Match(owner.id, owner.name, model, form, own)
        return None

    def _owners(self, provider: Provider) -> Iterator[Provider]:
        yield provider
        for fallback in provider.fallback_model_providers or ():
            if found := self._providers.get(fallback):
                yield found


class _Index:
    """Models of one provider by exact name, and the clauses that are more than exact names."""

    def __init__(self, models: Iterable[ModelInfo]) -> None:
        self._models = tuple(models)
        self._exact: dict[str, int] = {}
        self._clauses: list[tuple[int, types.MatchLogic]] = []
        for position, model in enumerate(self._models):
            for clause in _alternatives(model.match):
                if isinstance(clause, types.ClauseEquals):
                    self._exact.setdefault(clause.equals.lower(), position)
                else:
                    self._clauses.append((position, clause))

    def find(self, name: str) -> ModelInfo | None:
        """Return the first model, in the order of the data, that a lowercase name matches."""
        best = self._exact.get(name, math.inf)
        for position, clause in self._clauses:
            if position >= best:
                break
            if clause.is_match(name):
                best = position
                break
        return None if best == math.inf else self._models[int(best)]


def _alternatives(clause: types.MatchLogic) -> Iterator[types.MatchLogic]:
    if isinstance(clause, types.ClauseOr):
        for inner in clause.or_:
            yield from _alternatives(inner)
    else:
        yield clause


def bundled_catalogue() -> Catalogue:
    """Return the list prices that the installed `genai-prices` ships."""
    snapshot = data_snapshot.DataSnapshot(
        providers=genai_prices.data.providers, from_auto_update=False
    )
    return Catalogue(snapshot, _newest_change(snapshot.providers, _installed_on()))


def fetched_catalogue(snapshot: data_snapshot.DataSnapshot) -> Catalogue:
    """Return the list prices of a snapshot that was fetched just now.

    Raises:
        ValueError: The snapshot has no provider or no model.
    """
    if not any(provider.models for provider in snapshot.providers):
        msg = "the fetched price list is empty"
        raise ValueError(msg)
    return Catalogue(snapshot, snapshot.timestamp.timestamp())


def _installed_on() -> date:
    """Return the day the data was installed, an upper bound of its age; else today."""
    written = datetime.fromtimestamp(Path(genai_prices.data.__file__).stat().st_mtime, UTC)
    return written.date() if written.year >= _EPOCH_YEAR else datetime.now(UTC).date()


def _newest_change(providers: Iterable[Provider], not_after: date) -> float:
    """Return the Unix time of the newest price change up to a day (some are announced ahead)."""
    days = {
        day
        for provider in providers
        for model in provider.models
        for day in price_changes(model)
        if day <= not_after
    }
    newest = max(days, default=not_after)
    return datetime(newest.year, newest.month, newest.day, tzinfo=UTC).timestamp()


def price_changes(model: ModelInfo) -> set[date]:
    """Return the UTC days from which a price of the model begins to hold."""
    return {
        constraint.start_date
        for constraint in constraints(model)
        if isinstance(constraint, StartDateConstraint)
    }


def constraints(
    model: ModelInfo,
) -> Iterator[StartDateConstraint | types.TimeOfDateConstraint]:
    """Yield every condition on time that a price of the model has."""
    prices = () if isinstance(model.prices, ModelPrice) else model.prices
    for conditional in (*prices, *(model.price_variants or ())):
        if conditional.constraint is not None:
            yield conditional.constraint
