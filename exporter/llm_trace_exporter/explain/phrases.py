"""What is said of a record and of a trace, in words."""

from __future__ import annotations

from collections import Counter

from ..model import Tokens
from .log import Trace
from .records import Charge, Explained, State, totals_of

_STYLES: dict[State, str] = {
    "counted": "green",
    "merged": "cyan",
    "discarded": "yellow",
    "resent": "yellow",
    "structure": "dim",
    "results": "green",
    "waiting": "magenta",
}
_INPUT = ("cache_read", "cache_write", "audio_input")
_OUTPUT = ("reasoning", "audio_output")

Phrase = tuple[str, str]
"""(text, style)."""


def styled_state(one: Explained) -> Phrase:
    """What became of a record, in a word of nine letters at most."""
    word = "verdict" if one.state == "results" else one.state
    return word, _STYLES[one.state]


def headline(trace: Trace) -> list[Phrase]:
    """What a trace comes to."""
    found = totals_of(trace.records)
    said = [_several(found.records, "record"), _several(found.calls, "call")]
    if found.steps:
        said.append(_several(found.steps, "step"))
    tokens = f"{_number(found.tokens)} tokens"
    if found.written and found.written != found.tokens:
        tokens = f"{_number(found.tokens)} of {_number(found.written)} reported tokens"
    said.append(tokens)
    phrases = [(text, "") for text in said]
    if found.cost_usd is not None:
        phrases.append((dollars(found.cost_usd), "bold"))
    if found.unpriced:
        phrases.append((f"{_number(found.unpriced)} unpriced", "red"))
    if found.discarded:
        reasons = ", ".join(f"{n} {reason}" for reason, n in sorted(found.discarded.items()))
        phrases.append((f"not counted: {reasons}", "yellow"))
    if trace.forgotten:
        phrases.append((f"{trace.forgotten} older records are not held any more", "red"))
    return phrases


def phrases_of(one: Explained) -> list[Phrase]:
    """What is said of one record behind its state."""
    arrival, charge = one.arrival, one.charge
    phrases: list[Phrase] = []
    if one.state == "counted" and charge is not None:
        is_call = one.is_call
        named = " ".join(filter(None, (charge.kind, charge.model)))
        kind = "" if charge.kind == "other" else f"{charge.kind} "
        phrases.append((named if is_call else f"{kind}step", ""))
    elif one.state == "merged":
        phrases.append((f"into {_where(one)} ({one.reason})", "cyan"))
    elif one.reason:
        phrases.append((one.reason, "yellow"))
    if one.state == "waiting":
        phrases.append((arrival.kind, ""))
    if arrival.detail:
        phrases.append((arrival.detail, "yellow"))
    if charge is not None:
        phrases += _charged(charge, is_call=one.is_call or one.state == "merged")
    elif arrival.written:
        phrases.append((f"reports {_number(arrival.written)} tokens", "dim"))
    if one.results_counted:
        phrases.append((_several(one.results_counted, "verdict"), "green"))
    for reason, n in sorted(Counter(one.results_discarded).items()):
        phrases.append((f"{_several(n, 'verdict')} {reason}", "yellow"))
    return [phrase for phrase in phrases if phrase[0]]


def _where(one: Explained) -> str:
    trace_id, span_id = one.into
    said = span_id.hex()[:8] or "a log record"
    return said if trace_id == one.arrival.trace_id else f"{said} of trace {trace_id.hex()[:8]}…"


def _charged(charge: Charge, *, is_call: bool) -> list[Phrase]:
    phrases: list[Phrase] = []
    if charge.purpose:
        phrases.append((f"for a {charge.purpose}", ""))
    if charge.error_type:
        phrases.append((f"failed: {charge.error_type}", "red"))
    if is_call:
        phrases.append((_tokens(charge.tokens), "" if charge.tokens else "red"))
        phrases += _priced(charge)
    if charge.weight != 1:
        phrases.append((f"stands for {_number(charge.weight)}", ""))
    if charge.capped:
        phrases.append((f"shown as other: {', '.join(charge.capped)}", "yellow"))
    return phrases


def _tokens(tokens: Tokens | None) -> str:
    if tokens is None:
        return "tokens unknown"
    parts = [
        f"in {_number(tokens.input_all)}{_of_which(tokens, _INPUT)}",
        f"out {_number(tokens.output_all)}{_of_which(tokens, _OUTPUT)}",
    ]
    if tokens.unexplained:
        parts.append(f"unexplained {_number(tokens.unexplained)}")
    return " ".join(parts)


def _of_which(tokens: Tokens, types: tuple[str, ...]) -> str:
    counts = ((name, getattr(tokens, name)) for name in types)
    said = ", ".join(f"{name} {_number(count)}" for name, count in counts if count)
    return f" ({said})" if said else ""


def _priced(charge: Charge) -> list[Phrase]:
    phrases: list[Phrase] = []
    if charge.cost_usd is not None:
        phrases.append((f"{dollars(charge.cost_usd)} {'+'.join(charge.sources)}", "bold"))
    if charge.unpriced:
        left = ", ".join(f"{name} {_number(count)}" for name, count in charge.unpriced_tokens)
        phrases.append((f"unpriced: {charge.unpriced}{f' ({left})' if left else ''}", "red"))
    if charge.assumptions:
        phrases.append((f"assumed: {', '.join(charge.assumptions)}", "yellow"))
    return phrases


def dollars(usd: float) -> str:
    """Plain digits, as many as the figure needs up to eight decimals, at least cents."""
    whole, _, decimals = f"{usd:,.8f}".rstrip("0").partition(".")
    return f"${whole}.{decimals:0<2}"


def _several(n: float, noun: str) -> str:
    return f"{_number(n)} {noun}{'' if n == 1 else 's'}"


def _number(n: float) -> str:
    return f"{n:,.0f}" if n == int(n) else f"{n:,.1f}"
