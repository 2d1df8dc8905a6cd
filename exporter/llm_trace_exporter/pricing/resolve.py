"""From what an emitter wrote (provider, models, tier) to labels and prices, once a key."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

from ..service_tiers import normalize_tier
from .catalogue import Catalogue, Match
from .contracts import ContractBook
from .names import Spellings, signature, spellings, without_soft_ending
from .plan import Listing, Timeline, build_timeline
from .policy import Contract
from .providers import catalogue_id, label_of_catalogue_id, normalize_provider
from .regions import normalize_region, regional_price

Key: TypeAlias = tuple[str, str, str, str, str]
"""(provider, response model, request model, tier, region) as an emitter wrote them."""

_API_SHAPES = frozenset({"openai"})
"""Providers that emitters also name when only the API looks like theirs."""


@dataclass(frozen=True, slots=True)
class Resolved:
    """What is known of one (provider, response model, request model, tier, region)."""

    provider: str
    """Label."""
    model: str
    """Label; empty when no model was named."""
    tier: str
    region: str
    """As told, else the provider's default; empty when neither is."""
    timeline: Timeline | None
    """None: nothing prices it."""
    local: bool
    match: Match | None
    contracts: tuple[Contract, ...]


def resolve(
    catalogue: Catalogue,
    book: ContractBook,
    local_providers: frozenset[str],
    default_regions: Mapping[str, str],
    key: Key,
) -> Resolved:
    """Return labels and prices of names as written; regions by default are by provider label."""
    raw_provider, response_model, request_model, raw_tier, raw_region = key
    served = spellings(response_model or request_model)
    asked = spellings(request_model)
    tier = normalize_tier(raw_tier)
    provider = _provider(catalogue, normalize_provider(raw_provider), (served, asked))
    region = normalize_region(raw_region) or default_regions.get(provider, "")
    local = provider in local_providers
    match = None if local else _match(catalogue, provider, served)
    by_request = False
    if match is None and not local and served != asked:
        match = _match(catalogue, provider, asked)
        by_request = match is not None
    model = _label(catalogue, served.plain, None if by_request else match)
    names = (*served.forms, model)
    contracts = book.covering(provider, names, tier, region)
    if not contracts:
        contracts = book.covering(provider, asked.forms, tier, region)
    listing = None
    if match is not None:
        # Whose prices they are: a model that was only asked for is priced under its own name.
        priced = _label(catalogue, asked.plain, match) if by_request else model
        listing = Listing(
            match,
            _maker(catalogue, match, tier),
            catalogue_id(provider),
            tier,
            regional_price(provider, priced),
            region,
        )
    timeline = build_timeline(listing, contracts, local=local)
    return Resolved(provider, model, tier, region, timeline, local, match, contracts)


def _provider(catalogue: Catalogue, written: str, named: tuple[Spellings, ...]) -> str:
    """Return the provider label: as written, as the model's name states, or as it implies."""
    stated = next((names.provider for names in named if names.provider), "")
    if written and not (written in _API_SHAPES and stated):
        return written
    if stated:
        return stated
    for find in (catalogue.find_maker, catalogue.find_only):
        for names in named:
            if match := find(names.forms):
                return label_of_catalogue_id(match.provider_id)
    return ""


def _match(catalogue: Catalogue, provider: str, names: Spellings) -> Match | None:
    listed = catalogue.find(catalogue_id(provider), names.forms)
    return listed or catalogue.find_closed(names.forms)


def _maker(catalogue: Catalogue, match: Match, tier: str) -> Match | None:
    """Return the entry of who makes a model, where it may be needed for the price of a tier."""
    forms = (match.form, spellings(match.model.id).plain)
    return catalogue.find_closed(forms) if tier else None


def _label(catalogue: Catalogue, plain: str, match: Match | None) -> str:
    """Return the model's label: the catalogue's spelling of exactly that model, else its own.

    One catalogue entry prices several models (`gpt-5` also `gpt-5-codex`): its name is taken only
    where it is another spelling of the same words and digits.
    """
    entry = catalogue.find_maker((plain,)) or match
    if entry is None or not plain:
        return plain
    name = _without_soft(catalogue, entry, plain.lower())
    listed = _without_soft(catalogue, entry, spellings(entry.model.id).plain)
    return listed if signature(listed) == signature(name) else name


def _without_soft(catalogue: Catalogue, entry: Match, name: str) -> str:
    bare = without_soft_ending(name)
    return bare if bare and catalogue.same_model(entry, bare) else name
