"""Which contracts cover a call, found quickly among thousands.

Names come from outside and every new one is looked up, so a long list of contracts must not make an
unknown name expensive: exact names are found in a dict, and patterns are first tried all at once.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import translate

from ..service_tiers import normalize_tier
from .policy import Contract
from .providers import normalize_provider
from .regions import normalize_region


@dataclass(frozen=True, slots=True)
class _Entry:
    rank: int
    contract: Contract
    provider: str
    """Label; empty: every provider."""
    tier: str | None
    """Normalized; None: every tier."""
    region: re.Pattern[str] | None
    """None: every region."""
    pattern: re.Pattern[str]

    def fits(self, provider: str, tier: str, region: str) -> bool:
        """Tell whether it covers the models that it names there."""
        return (
            self.provider in {"", provider}
            and self.tier in {None, tier}
            and (self.region is None or self.region.match(region) is not None)
        )


class ContractBook:
    """All contracts, most specific first, then in the order given. Read only."""

    def __init__(self, contracts: Sequence[Contract]) -> None:
        # sorted() is stable, also in reverse: equal ones keep the order given.
        ranked = sorted(contracts, key=Contract.specificity, reverse=True)
        self._exact: defaultdict[str, list[_Entry]] = defaultdict(list)
        self._globs: list[_Entry] = []
        for rank, contract in enumerate(ranked):
            entry = _entry(rank, contract)
            if contract.exact:
                self._exact[contract.model.lower()].append(entry)
            else:
                self._globs.append(entry)
        self._any_glob = re.compile("|".join(entry.pattern.pattern for entry in self._globs))

    def covering(
        self, provider: str, names: Sequence[str], tier: str, region: str
    ) -> tuple[Contract, ...]:
        """Return the contracts for a provider label, any of a model's names, a tier, a region."""
        lowered = {name.lower() for name in names}
        found = [entry for name in lowered for entry in self._exact.get(name, ())]
        if self._globs and any(self._any_glob.match(name) for name in lowered):
            found += [
                entry for entry in self._globs if any(entry.pattern.match(n) for n in lowered)
            ]
        fitting = [entry for entry in found if entry.fits(provider, tier, region)]
        return tuple(entry.contract for entry in sorted(fitting, key=lambda entry: entry.rank))


def _entry(rank: int, contract: Contract) -> _Entry:
    pattern = re.compile(translate(contract.model.lower()))
    tier = normalize_tier(contract.tier) if contract.tier else None
    region = re.compile(translate(normalize_region(contract.region))) if contract.region else None
    return _Entry(rank, contract, normalize_provider(contract.provider), tier, region, pattern)
