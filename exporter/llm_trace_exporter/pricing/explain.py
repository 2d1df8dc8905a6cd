"""One price, line by line: what matched, which rate from where, what could not be priced."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from ..errors import ConfigError
from ..model import CostLine, Tokens, UnpricedReason
from .calculate import Pricing, token_lines
from .plan import Plan
from .policy import Contract
from .resolve import Resolved

_REASONS: dict[UnpricedReason, str] = {
    "no_model": "no model was named",
    "unknown_model": "neither a contract nor the list has a price for it",
    "no_usage": "no token counts",
    "per_request": "the list prices this model by something else than tokens",
}


@dataclass(frozen=True, slots=True)
class ExplainedLine:
    """Dollars of one token type, or of the fee per request."""

    type: str
    count: int
    usd_per_million: float | None
    """Dollars per million tokens at this input size; None for the fee."""
    usd: float
    source: str
    note: str = ""
    """Why the rate is not the plain one; empty when it is."""


@dataclass(frozen=True, slots=True)
class Explanation:
    """How one price came about."""

    provider: str
    """Label; empty when not known."""
    model: str
    """Label."""
    tier: str
    at: datetime
    matched: str
    """What priced the call, in words."""
    validity: tuple[datetime | None, datetime | None]
    """Period around `at` in which the prices hold: first moment, first moment after; None: open."""
    lines: tuple[ExplainedLine, ...]
    unpriced: UnpricedReason | None
    unpriced_tokens: tuple[tuple[str, int], ...]
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
    )


def explain(
    pricing: Pricing,
    provider: str,
    model: str,
    tokens: Tokens,
    *,
    tier: str = "",
    at: datetime | None = None,
) -> Explanation:
    """Return how these tokens of a model are priced at a moment (default: now).

    Names are taken as emitters write them. A naive `at` is UTC.
    """
    moment = datetime.now(UTC) if at is None else at
    moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    time_ns = int(moment.timestamp() * 1e9)
    resolved = pricing.resolved(provider, "", model, tier)
    timeline = resolved.timeline
    plan = None if timeline is None else timeline.at(time_ns)
    lines, missing = _lines(plan, tokens)
    validity = (None, None) if timeline is None else timeline.validity(time_ns)
    return Explanation(
        provider=resolved.provider,
        model=resolved.model,
        tier=resolved.tier,
        at=moment,
        matched=_matched(resolved, plan),
        validity=(_moment(validity[0]), _moment(validity[1])),
        lines=tuple(lines),
        unpriced=_reason(resolved, plan, missing, tokens),
        unpriced_tokens=tuple(missing),
        catalogue_day=datetime.fromtimestamp(pricing.catalogue_timestamp_s, UTC),
    )


def _lines(plan: Plan | None, tokens: Tokens) -> tuple[list[ExplainedLine], list[tuple[str, int]]]:
    if plan is None:
        return [], [(name, count) for name, count in tokens.by_type() if count > 0]
    if plan.whole:
        return ([_fee(plan.fee)] if plan.fee else []), []
    priced, missing = token_lines(plan, tokens)
    counts = dict(tokens.by_type())
    lines = [_token_line(plan, line, counts[line.type], tokens.input_all) for line in priced]
    if plan.fee is not None and tokens.total > 0:
        lines.append(_fee(plan.fee))
    return lines, missing


def _token_line(plan: Plan, line: CostLine, count: int, input_all: int) -> ExplainedLine:
    rate = next(entry[1] for entry in plan.rates if entry is not None and entry[0] == line.type)
    crossed = [threshold for threshold, _ in rate.steps if input_all > threshold]
    note = f"rate above {crossed[0]} input tokens" if crossed else ""
    per_million = rate.for_input(input_all) * 1e6
    return ExplainedLine(line.type, count, per_million, line.usd, line.source, note)


def _fee(fee: CostLine) -> ExplainedLine:
    return ExplainedLine("request", 1, None, fee.usd, fee.source)


def _matched(resolved: Resolved, plan: Plan | None) -> str:
    contract = None if plan is None else plan.contract
    said = [] if contract is None else [_contract_text(contract)]
    if resolved.local:
        said.append(f"provider {resolved.provider} bills nobody")
    elif resolved.match is not None:
        match = resolved.match
        text = f"list entry {match.model.id!r} of {match.provider_name} by the name {match.form!r}"
        if not match.variants:
            text += ", borrowed from the maker: no tier prices"
        said.append(text)
    return "; ".join(said) or "nothing"


def _contract_text(contract: Contract) -> str:
    parts = [f"contract for model {contract.model!r}"]
    if contract.provider:
        parts.append(f"provider {contract.provider}")
    if contract.tier:
        parts.append(f"tier {contract.tier}")
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
    if known.unpriced is not None:
        footing.append(f"unpriced     {known.unpriced}: {_REASONS[known.unpriced]}")
    return [*heading, *body, *footing]


def _line_text(line: ExplainedLine) -> str:
    if line.usd_per_million is None:
        text = f"{line.type:<13}{line.count:>12} call   {'':<24} = ${_usd(line.usd)}"
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
