"""The price of one call: precedence, unknowns, and the multiplication."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec.structs import astuple

from ..model import TOKEN_TYPES, LlmCall, Tokens
from ..operations import PRICED_PER_REQUEST
from ..settled import Assumption, CostLine, PricedCall, UnpricedReason
from .catalogue import Catalogue, bundled_catalogue
from .contracts import ContractBook
from .names import MAX_LENGTH
from .plan import Plan
from .policy import PricingPolicy
from .providers import normalize_provider
from .regions import normalize_region
from .reported import reported_lines, served_from_cache
from .resolve import Key, Resolved, resolve

_CACHE_SIZE = 4096

_Lines = tuple[CostLine, ...]
_Assumed = tuple[tuple[Assumption, float], ...]
_Outcome = tuple[_Lines, UnpricedReason | None, tuple[tuple[str, int], ...], _Assumed]

_UNEXPLAINED = "unexplained"
_WRITTEN = frozenset(("cache_write",))
_MAY_BE_CACHED = frozenset(("input", "cache_read", "cache_write"))
"""The types that share what an input holds, so that a wrong guess of one is one of the others."""
_MAY_BE_THOUGHT = frozenset(("output", "reasoning"))
"""The same of an output."""


class Pricing:
    """Prices calls; what a key resolves to is computed once and kept, at most 4096 keys.

    Not for two threads at once, except `replace_catalogue`, which any thread may call at any time.
    """

    def __init__(self, policy: PricingPolicy, catalogue: Catalogue | None = None) -> None:
        """Build from the operator's policy; without a catalogue, from the installed list prices."""
        self._policy = policy
        self._book = ContractBook(policy.contracts)
        self._local = frozenset(normalize_provider(name) for name in policy.local_providers)
        self._regions = {
            normalize_provider(provider): normalize_region(region)
            for provider, region in policy.default_regions.items()
        }
        # Catalogue and cache change together, in one assignment.
        self._prices = _Prices(bundled_catalogue() if catalogue is None else catalogue)

    @property
    def catalogue(self) -> Catalogue:
        """The list prices in use."""
        return self._prices.catalogue

    @property
    def catalogue_timestamp_s(self) -> float:
        """Unix time of the list prices in use."""
        return self._prices.catalogue.timestamp_s

    def replace_catalogue(self, catalogue: Catalogue) -> None:
        """Use other list prices from the next call on."""
        self._prices = _Prices(catalogue)

    def price(self, call: LlmCall) -> PricedCall:
        """Return the call with canonical labels, its dollars by type and source, and what is left.

        Never raises for what a call may hold.
        """
        resolved = self.resolved(
            call.provider,
            call.response_model,
            call.request_model,
            call.service_tier,
            call.region,
        )
        lines: _Lines = ()
        if call.reported_cost is not None:
            lines = reported_lines(call)
            if lines and self._policy.trusts(call.origin.dialect):
                return PricedCall(call, resolved.provider, resolved.model, lines)
        own, reason, missing, assumed = _own_price(call, resolved)
        if lines and not own:
            own, reason, missing, assumed = lines, None, (), ()
        return PricedCall(call, resolved.provider, resolved.model, own, reason, missing, assumed)

    def resolved(
        self, provider: str, response_model: str, request_model: str, tier: str, region: str = ""
    ) -> Resolved:
        """Return the labels and prices of names as an emitter wrote them."""
        if len(response_model) > MAX_LENGTH or len(request_model) > MAX_LENGTH:
            response_model, request_model = (
                response_model[:MAX_LENGTH],
                request_model[:MAX_LENGTH],
            )
        if len(provider) > MAX_LENGTH or len(tier) > MAX_LENGTH:
            provider, tier = provider[:MAX_LENGTH], tier[:MAX_LENGTH]
        if len(region) > MAX_LENGTH:
            region = region[:MAX_LENGTH]
        prices = self._prices
        key = (provider, response_model, request_model, tier, region)
        found = prices.cache.get(key)
        if found is None:
            found = resolve(prices.catalogue, self._book, self._local, self._regions, key)
            prices.keep(key, found)
        return found


class _Prices:
    """One catalogue and what was resolved from it."""

    __slots__ = ("cache", "catalogue")

    def __init__(self, catalogue: Catalogue) -> None:
        self.catalogue = catalogue
        self.cache: dict[Key, Resolved] = {}

    def keep(self, key: Key, resolved: Resolved) -> None:
        if len(self.cache) >= _CACHE_SIZE:
            # Oldest first, many at a time: cheaper on the hot path than keeping order of use.
            for old in list(self.cache)[: _CACHE_SIZE // 4]:
                del self.cache[old]
        self.cache[key] = resolved


def token_lines(plan: Plan, tokens: Tokens) -> tuple[list[CostLine], list[tuple[str, int]]]:
    """Return (dollars by token type, types without a price) of a plan; zero counts left out."""
    lines: list[CostLine] = []
    missing: list[tuple[str, int]] = []
    for token_type, priced, count in zip(TOKEN_TYPES, plan.rates, astuple(tokens), strict=False):
        if count <= 0:
            continue
        if priced is None:
            missing.append((token_type, count))
            continue
        name, rate, source = priced
        usd = rate.for_input(tokens.input_all) if rate.steps else rate.usd
        lines.append(CostLine(name, source, count * usd))
    if tokens.citations and plan.citation is not None:
        _, rate, source = plan.citation
        usd = rate.for_input(tokens.input_all)
        lines.append(CostLine("request", source, tokens.citations * usd))
    if tokens.cache_write_1h:
        lines = [part for line in lines for part in _with_hour_writes(line, plan, tokens)]
    return lines, missing


def hour_writes(tokens: Tokens) -> int:
    """Return how many tokens of `cache_write` are known to last an hour."""
    return min(tokens.cache_write, max(0, tokens.cache_write_1h or 0))


def assumed_costs(plan: Plan, tokens: Tokens, lines: Sequence[CostLine]) -> _Assumed:
    """Return (assumption, the dollars of these lines of tokens that rest on it)."""
    assumes_lifetime = (
        plan.needs_lifetime and tokens.cache_write > 0 and tokens.cache_write_1h is None
    )
    if not (
        assumes_lifetime or plan.assumes or tokens.inclusion_assumed or tokens.reasoning_assumed
    ):
        return ()
    found: list[tuple[Assumption, float]] = []
    if plan.assumes:
        listed = sum([line.usd for line in lines if line.source == "list"])
        found = [(assumed, listed) for assumed in plan.assumes] if listed > 0 else []
    if assumes_lifetime and (written := _usd_of(_WRITTEN, lines)) > 0:
        found.append(("cache_lifetime", written))
    if tokens.inclusion_assumed and (sent := _usd_of(_MAY_BE_CACHED, lines)) > 0:
        found.append(("cache_inclusion", sent))
    if tokens.reasoning_assumed and (written := _usd_of(_MAY_BE_THOUGHT, lines)) > 0:
        found.append(("reasoning_inclusion", written))
    return tuple(found)


def _usd_of(types: frozenset[str], lines: Sequence[CostLine]) -> float:
    return sum([line.usd for line in lines if line.type in types])


def search_line(plan: Plan, searches: int) -> CostLine | None:
    """Return the fee of so many searches of the web; None where a plan has no price of one."""
    fee = plan.web_search
    return fee and CostLine(fee.type, fee.source, searches * fee.usd)


def _with_hour_writes(line: CostLine, plan: Plan, tokens: Tokens) -> tuple[CostLine, ...]:
    """Return a line, with those of the cache writes that last an hour at their own price."""
    priced = plan.cache_write_1h
    if line.type != "cache_write" or priced is None:
        return (line,)
    _, rate, source = priced
    count = hour_writes(tokens)
    hour = CostLine(line.type, source, count * rate.for_input(tokens.input_all))
    usd = line.usd * (tokens.cache_write - count) / tokens.cache_write
    if source == line.source:
        return (CostLine(line.type, source, usd + hour.usd),)
    rest = CostLine(line.type, line.source, usd)
    return (rest, hour) if count < tokens.cache_write else (hour,)


def _own_price(call: LlmCall, resolved: Resolved) -> _Outcome:
    """Return the price by contract or list."""
    tokens = call.tokens
    plan = None if resolved.timeline is None else resolved.timeline.at(call.start_ns)
    used = tokens is not None and tokens.total > 0
    if call.gateway_events and served_from_cache(call):
        return _free_of_charge(tokens if used else None), None, (), ()
    if tokens is None or not used:
        outcome = _without_usage(call, plan)
    elif plan is None:
        missing = tuple((name, count) for name, count in tokens.by_type() if count > 0)
        outcome = (), "unknown_model" if resolved.model else "no_model", missing, ()
    elif plan.whole:
        outcome = ((plan.fee,) if plan.fee else ()), None, (), ()
    else:
        lines, left = token_lines(plan, tokens)
        assumed = assumed_costs(plan, tokens, lines)
        if plan.fee is not None:
            lines.append(plan.fee)
        outcome = tuple(lines), plan.missing if left else None, tuple(left), assumed
    if tokens is not None and tokens.unexplained > 0:
        outcome = _with_unexplained(outcome, tokens.unexplained, plan)
    if call.web_searches > 0 and plan is not None and (used or not call.error_type):
        outcome = _with_searches(outcome, call.web_searches, plan)
    return outcome


def _with_unexplained(outcome: _Outcome, count: int, plan: Plan | None) -> _Outcome:
    """Add the tokens of no type to those without a price, unless every token is paid for."""
    lines, reason, missing, assumed = outcome
    if plan is not None and (plan.whole or plan.free):
        return outcome
    if reason == "no_usage":
        reason = "unexplained"
    return lines, reason, (*missing, (_UNEXPLAINED, count)), assumed


def _with_searches(outcome: _Outcome, searches: int, plan: Plan) -> _Outcome:
    lines, reason, missing, assumed = outcome
    if fee := search_line(plan, searches):
        return (*lines, fee), reason, missing, assumed
    is_in_fee = plan.fee is not None and plan.fee.source == "list"
    if plan.whole or plan.free or is_in_fee:
        return outcome
    return lines, reason or "per_request", missing, assumed


def _without_usage(call: LlmCall, plan: Plan | None) -> _Outcome:
    """Return what is known of a call whose tokens are not: its fee, if it succeeded."""
    by_nature = call.operation in PRICED_PER_REQUEST
    unknown: UnpricedReason = "per_request" if by_nature else "no_usage"
    if plan is None or call.error_type:
        return (), unknown, (), ()
    if plan.fee is not None:
        return (plan.fee,), None if plan.whole or by_nature else unknown, (), ()
    if by_nature and plan.free:
        return (CostLine("request", "list", 0.0),), None, (), ()
    return (), unknown, (), ()


def _free_of_charge(tokens: Tokens | None) -> _Lines:
    if tokens is None:
        return (CostLine("request", "list", 0.0),)
    return tuple(CostLine(name, "list", 0.0) for name, count in tokens.by_type() if count > 0)
