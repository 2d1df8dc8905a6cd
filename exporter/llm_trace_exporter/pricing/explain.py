"""One price, line by line: what matched, which rate from where, what could not be priced."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime

from ..errors import ConfigError
from ..model import Tokens
from ..settled import Assumption, CostLine, UnpricedReason
from .calculate import Pricing, assumed_costs, hour_writes, search_line, token_lines
from .plan import Plan, PricedType
from .policy import Contract
from .regions import regional_price
from .resolve import Resolved

_REASONS: dict[UnpricedReason, str] = {
    "no_model": "no model was named",
    "unknown_model": "neither a contract nor the list has a price for it",
    "no_usage": "no token counts",
    "per_request": "the list prices it by something else than tokens, or has no price of a search",
    "unexplained": "nothing says what kind of tokens they are",
}
_ASSUMED: dict[Assumption, str] = {
    "tier": "there is no price of this tier, so a likely one is taken",
    "region": "it is not told, and dearer in some regions: the plain price is taken",
    "cache_lifetime": "how long cache writes last is not told: five minutes are taken",
    "cache_inclusion": "whether the input holds the cached tokens is not told",
    "reasoning_inclusion": "whether the output holds the reasoning is not told",
}

_HOUR = "for an hour"


@dataclass(frozen=True, slots=True)
class ExplainedLine:
    """Dollars of tokens of one price, or of one fee."""

    type: str
    count: int
    usd_per_million: float | None
    """Dollars per million tokens at this input size; None for a fee."""
    usd: float
    source: str
    note: str = ""
    """Why the rate is not the plain one; empty when it is."""
    unit: str = "tokens"
    """What is counted."""


@dataclass(frozen=True, slots=True)
class Explanation:
    """How one price came about."""

    provider: str
    """Label; empty when not known."""
    model: str
    """Label."""
    tier: str
    region: str
    """Empty when it is neither told nor configured."""
    at: datetime
    matched: str
    """What priced the call, in words."""
    validity: tuple[datetime | None, datetime | None]
    """Period around `at` in which the prices hold: first moment, first moment after; None: open."""
    lines: tuple[ExplainedLine, ...]
    unpriced: UnpricedReason | None
    unpriced_tokens: tuple[tuple[str, int], ...]
    assumptions: tuple[tuple[Assumption, float], ...]
    """(assumption, dollars that rest on it)."""
    catalogue_day: datetime
    """Of the list prices: the newest change they hold, or when they were fetched."""

    @property
    def total_usd(self) -> float | None:
        """Dollars of the call; None when nothing of it could be priced."""
        return sum(line.usd for line in self.lines) if self.lines else None


def tokens_from_totals(
    *,
    input_all: int,
    output_all: int,
    cached: int = 0,
    cache_write: int = 0,
    cache_write_1h: int | None = None,
    reasoning: int = 0,
    audio_input: int = 0,
    audio_output: int = 0,
) -> Tokens:
    """Return disjoint counts from totals as providers report them, which hold their parts.

    1000 input of which 400 cached are 600 `input` and 400 `cache_read`.

    Raises:
        ConfigError: A count is negative, or parts are more than their total.
    """
    counts = (
        input_all,
        output_all,
        cached,
        cache_write,
        cache_write_1h or 0,
        reasoning,
        audio_input,
        audio_output,
    )
    problems = ["a token count is negative"] if min(counts) < 0 else []
    plain_input = input_all - cached - cache_write - audio_input
    plain_output = output_all - reasoning - audio_output
    if plain_input < 0:
        parts = f"cached {cached} + cache write {cache_write} + audio {audio_input}"
        problems.append(f"input {input_all} is less than its parts: {parts}")
    if (cache_write_1h or 0) > cache_write:
        problems.append(f"cache write {cache_write} is less than its part of an hour")
    if plain_output < 0:
        parts = f"reasoning {reasoning} + audio {audio_output}"
        problems.append(f"output {output_all} is less than its parts: {parts}")
    if problems:
        raise ConfigError(problems)
    return Tokens(
        input=plain_input,
        cache_read=cached,
        cache_write=cache_write,
        output=plain_output,
        reasoning=reasoning,
        audio_input=audio_input,
        audio_output=audio_output,
        cache_write_1h=cache_write_1h,
    )


def explain(
    pricing: Pricing,
    provider: str,
    model: str,
    tokens: Tokens,
    *,
    tier: str = "",
    region: str = "",
    web_searches: int = 0,
    at: datetime | None = None,
) -> Explanation:
    """Return how these tokens of a model are priced at a moment (default: now).

    Names are taken as emitters write them. A naive `at` is UTC.

    Raises:
        ConfigError: A count is negative.
    """
    if web_searches < 0:
        raise ConfigError(["a count of web searches is negative"])
    moment = datetime.now(UTC) if at is None else at
    moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    time_ns = int(moment.timestamp() * 1e9)
    resolved = pricing.resolved(provider, "", model, tier, region)
    timeline = resolved.timeline
    plan = None if timeline is None else timeline.at(time_ns)
    priced, missing = ([], _counts(tokens)) if plan is None else _priced(plan, tokens)
    search = None if plan is None or not web_searches else search_line(plan, web_searches)
    lines = [] if plan is None else _lines(plan, tokens)
    if search is not None:
        lines.append(_fee(search, web_searches, "searches"))
    assumed = () if plan is None or plan.whole else assumed_costs(plan, tokens, priced)
    unpriced = _reason(resolved, plan, missing, tokens)
    if web_searches and plan is not None and search is None and not plan.whole:
        unpriced = unpriced or "per_request"
    validity = (None, None) if timeline is None else timeline.validity(time_ns)
    return Explanation(
        provider=resolved.provider,
        model=resolved.model,
        tier=resolved.tier,
        region=resolved.region,
        at=moment,
        matched=_matched(resolved, plan, moment.date()),
        validity=(_moment(validity[0]), _moment(validity[1])),
        lines=tuple(lines),
        unpriced=unpriced,
        unpriced_tokens=tuple(missing),
        assumptions=assumed,
        catalogue_day=datetime.fromtimestamp(pricing.catalogue_timestamp_s, UTC),
    )


def _counts(tokens: Tokens) -> list[tuple[str, int]]:
    return [(name, count) for name, count in tokens.by_type() if count > 0]


def _priced(plan: Plan, tokens: Tokens) -> tuple[list[CostLine], list[tuple[str, int]]]:
    return ([], []) if plan.whole else token_lines(plan, tokens)


def _lines(plan: Plan, tokens: Tokens) -> list[ExplainedLine]:
    if plan.whole:
        return [_fee(plan.fee)] if plan.fee else []
    lines = []
    for (name, count), priced in zip(tokens.by_type(), plan.rates, strict=True):
        hour = hour_writes(tokens) if name == "cache_write" and plan.cache_write_1h else 0
        for rate, some, note in ((priced, count - hour, ""), (plan.cache_write_1h, hour, _HOUR)):
            if rate is not None and some > 0:
                lines.append(_token_line(rate, name, some, tokens.input_all, note))
    if plan.fee is not None and tokens.total > 0:
        lines.append(_fee(plan.fee))
    return lines


def _token_line(
    priced: PricedType, name: str, count: int, input_all: int, note: str
) -> ExplainedLine:
    _, rate, source = priced
    crossed = [threshold for threshold, _ in rate.steps if input_all > threshold]
    notes = [note] if note else []
    if crossed:
        notes.append(f"rate above {crossed[0]} input tokens")
    usd = rate.for_input(input_all)
    return ExplainedLine(name, count, usd * 1e6, count * usd, source, ", ".join(notes))


def _fee(fee: CostLine, count: int = 1, unit: str = "call") -> ExplainedLine:
    return ExplainedLine("request", count, None, fee.usd, fee.source, unit=unit)


def _matched(resolved: Resolved, plan: Plan | None, day: date) -> str:
    contract = None if plan is None else plan.contract
    said = [] if contract is None else [_contract_text(contract)]
    if resolved.local:
        said.append(f"provider {resolved.provider} bills nobody")
    elif resolved.match is not None:
        match = resolved.match
        text = f"list entry {match.model.id!r} of {match.provider_name} by the name {match.form!r}"
        if not match.variants:
            text += ", borrowed from the maker"
        regional = regional_price(resolved.provider, resolved.model)
        if regional is not None and (factor := regional.factor_at(resolved.region, day)) != 1:
            text += f", x {factor:g} in region {resolved.region}"
        said.append(text)
    return "; ".join(said) or "nothing"


def _contract_text(contract: Contract) -> str:
    parts = [f"contract for model {contract.model!r}"]
    if contract.provider:
        parts.append(f"provider {contract.provider}")
    if contract.tier:
        parts.append(f"tier {contract.tier}")
    if contract.region:
        parts.append(f"region {contract.region}")
    return ", ".join(parts)


def _reason(
    resolved: Resolved,
    plan: Plan | None,
    missing: list[tuple[str, int]],
    tokens: Tokens,
) -> UnpricedReason | None:
    if tokens.total == 0 and (plan is None or not plan.whole):
        return "no_usage"
    if not missing:
        return None
    if plan is not None:
        return plan.missing
    return "unknown_model" if resolved.model else "no_model"


def _moment(time_ns: int | None) -> datetime | None:
    return None if time_ns is None else datetime.fromtimestamp(time_ns // 10**9, UTC)


def render(explanation: Explanation) -> list[str]:
    """Return the explanation as lines of text, for a terminal."""
    known = explanation
    heading = [
        f"provider   {known.provider or 'unknown'}",
        f"model      {known.model or 'unknown'}",
        f"tier       {known.tier or 'default'}",
        f"region     {known.region or 'not told'}",
        f"at         {known.at:%Y-%m-%d %H:%M:%S} UTC",
        f"matched    {known.matched}",
        f"valid      {_period(known.validity)}",
        f"list as of {known.catalogue_day:%Y-%m-%d}",
        "",
    ]
    body = [_line_text(line) for line in known.lines]
    for token_type, count in known.unpriced_tokens:
        body.append(f"{token_type:<13}{count:>12} tokens  no price")
    total = known.total_usd
    footing = [
        "",
        "total        unpriced" if total is None else f"total        ${_usd(total)}",
    ]
    for assumption, usd in known.assumptions:
        footing.append(f"assumed      {assumption}, ${_usd(usd)}: {_ASSUMED[assumption]}")
    if known.unpriced is not None:
        footing.append(f"unpriced     {known.unpriced}: {_REASONS[known.unpriced]}")
    return [*heading, *body, *footing]


def _line_text(line: ExplainedLine) -> str:
    if line.usd_per_million is None:
        unit = f"{line.unit:<6} {'':<24}"[:31]
        text = f"{line.type:<13}{line.count:>12} {unit} = ${_usd(line.usd)}"
    else:
        rate = f"x ${line.usd_per_million:.10g} / 1M"
        text = f"{line.type:<13}{line.count:>12} tokens {rate:<24} = ${_usd(line.usd)}"
    note = f", {line.note}" if line.note else ""
    return f"{text}  ({line.source}{note})"


def _period(validity: tuple[datetime | None, datetime | None]) -> str:
    begin, end = validity
    since = f"from {begin:%Y-%m-%d}" if begin else "since ever"
    return f"{since} until before {end:%Y-%m-%d}" if end else f"{since}, no end known"


def _usd(usd: float) -> str:
    """Return dollars in plain digits, as many as the figure needs, at least cents."""
    text = f"{usd:.12f}".rstrip("0")
    whole, _, decimals = text.partition(".")
    return f"{whole}.{decimals:0<2}"
