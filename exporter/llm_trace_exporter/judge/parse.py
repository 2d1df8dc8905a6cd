"""What a judging model answered: read strictly, or not at all."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field

from ..model import ReportedCost, Tokens

_FENCE = re.compile(r"```(?:json)?\s*\n(.*)\n\s*```", re.DOTALL)
_THINKING = "</think>"
_MOST_TOKENS = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Answer:
    """TRUE or FALSE, and why."""

    verdict: bool
    evidence: str = field(default="", repr=False)
    """May quote the judged text: for the eyes of whoever asked, never kept."""


@dataclass(frozen=True, slots=True)
class Completion:
    """What a chat API returned."""

    content: str = field(repr=False)
    """The first choice's text; empty where there is none."""
    is_whole: bool
    """False where it was cut off or withheld."""
    model: str = ""
    """What answered, as the API says."""
    tokens: Tokens | None = None
    reported_cost: ReportedCost | None = None


def parse_answer(content: str) -> Answer | None:
    """The verdict; None unless the content is exactly one object of the form that was asked for.

    A code fence around it, and a model's thoughts in tags before it, are no part of the content.
    """
    text = content.strip()
    if text.startswith("<think>"):
        text = text.rpartition(_THINKING)[2].strip()
    fenced = _FENCE.fullmatch(text)
    text = fenced[1] if fenced else text
    try:
        pairs = json.loads(text, object_pairs_hook=_Pairs)
    except (ValueError, RecursionError):
        return None
    if not isinstance(pairs, _Pairs):
        return None
    given = dict(pairs)
    if len(given) != len(pairs) or not given.keys() <= {"verdict", "evidence"}:
        return None
    verdict, evidence = given.get("verdict"), given.get("evidence", "")
    if not isinstance(verdict, bool) or not isinstance(evidence, str):
        return None
    return Answer(verdict, evidence)


class _Pairs(list[tuple[str, object]]):
    """An object as it was written, keys given twice included."""


def parse_completion(body: bytes) -> Completion | None:
    """The body of a successful response; None where it is no chat completion.

    Source: OpenAI API, the chat completion object; `usage.cost` as OpenRouter writes it.
    """
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        return None
    if not isinstance(found, dict):
        return None
    choices = found.get("choices")
    choice = choices[0] if isinstance(choices, list) and choices else None
    message = choice.get("message") if isinstance(choice, dict) else None
    if not isinstance(choice, dict) or not isinstance(message, dict):
        return None
    usage = found.get("usage")
    usage = usage if isinstance(usage, dict) else {}
    model = found.get("model")
    return Completion(
        content=_text(message.get("content")),
        is_whole=choice.get("finish_reason") not in ("length", "content_filter"),
        model=model if isinstance(model, str) else "",
        tokens=_tokens(usage),
        reported_cost=_cost(usage),
    )


def _text(content: object) -> str:
    if isinstance(content, str):
        return content
    parts = content if isinstance(content, list) else []
    texts = [part.get("text") for part in parts if isinstance(part, dict)]
    return "".join(text for text in texts if isinstance(text, str))


def _tokens(usage: dict[str, object]) -> Tokens | None:
    """OpenAI's counts are inclusive; ours are disjoint."""
    prompt, completion = _count(usage, "prompt_tokens"), _count(usage, "completion_tokens")
    if not prompt and not completion:
        return None
    cached = min(prompt, _detail(usage, "prompt_tokens_details", "cached_tokens"))
    reasoning = min(completion, _detail(usage, "completion_tokens_details", "reasoning_tokens"))
    return Tokens(
        input=prompt - cached,
        cache_read=cached,
        output=completion - reasoning,
        reasoning=reasoning,
    )


def _detail(usage: dict[str, object], key: str, name: str) -> int:
    details = usage.get(key)
    return _count(details, name) if isinstance(details, dict) else 0


def _count(source: dict[str, object], key: str) -> int:
    value = source.get(key)
    is_count = isinstance(value, int) and not isinstance(value, bool)
    return value if is_count and 0 <= value <= _MOST_TOKENS else 0  # type: ignore[operator,return-value]


def _cost(usage: dict[str, object]) -> ReportedCost | None:
    value = usage.get("cost")
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < 1e6:
        return None
    return ReportedCost(float(value))
