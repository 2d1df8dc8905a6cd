"""What looks like a language model's and was not read: it is told, so that no bill is lost.

Whether a record may be one is asked once for each shape, by the names of its attributes; only
where it may be, its values are looked at.
"""

from __future__ import annotations

from collections.abc import Iterable

from msgspec.structs import replace

from ..errors import RejectedRecord
from ..model import ParsedRecord
from .context import Context
from .schema import USAGE_FACTS, Fields, RecordView
from .usage import Usage, read_usage
from .vocabulary import TOKENS, word_set, words_of

MODELS = ("request_model", "response_model")
_SPLIT = frozenset(USAGE_FACTS) - {
    "total", "other_input", "other_output", "uncached_input", "citation", "web_searches"
}  # fmt: skip
_OURS = word_set(
    """ai genai gen llm llms gpt openai anthropic claude gemini bedrock mistral prompt prompts
    completion completions chat inference"""
)
"""Words of names that are of language models and of little else."""
_OTHER_TOKENS = word_set(
    """limiter ratelimiter ratelimit throttle throttler bucket lexer parser scanner oauth jwt push
    device cloud db file net network rpc messaging"""
)
"""Words of names whose tokens, or models, are of other things."""


def may_be_call(facts: Fields) -> bool:
    """Whether names speak of a model and of tokens by direction: a call, where the values agree."""
    usage = _of_tokens(facts, ("input", "output")) or _names(facts, ("usage_object",))
    return bool(usage) and bool(_names(facts, MODELS))


def may_be_llm(facts: Fields) -> bool:
    """Whether names speak of tokens that a model used, or of such a model."""
    if _of_tokens(facts, _SPLIT):
        return True
    models = _names(facts, MODELS)
    sums = _of_tokens(facts, ("total",)) + _names(facts, ("usage_object",))
    return bool(models and sums) or any(_OURS & words for words in (*models, *sums))


def _of_tokens(facts: Fields, which: Iterable[str]) -> list[frozenset[str]]:
    """Those that speak of tokens, or of language models: usage may be of water."""
    return [words for words in _names(facts, which) if (TOKENS | _OURS) & words]


def _names(facts: Fields, which: Iterable[str]) -> list[frozenset[str]]:
    """The words of the names that tell some facts, without those of other things."""
    names = (frozenset(words_of(key.attr)) for fact in which for key in facts.get(fact, ()))
    return [words for words in names if not _OTHER_TOKENS & words]


def is_lost(view: RecordView, usage: Usage) -> bool:
    """Whether a record that yields nothing speaks of a call: by tokens, or a model that failed."""
    if usage.tokens is not None:
        return True
    return view.record_failed() and any(view.text(fact) for fact in MODELS)


def as_lost(reading: ParsedRecord, view: RecordView, context: Context) -> ParsedRecord:
    """The reading of a record that nobody knows, told as lost where its values are a call's."""
    try:
        usage = read_usage(view, "", context)
    except RejectedRecord:
        # What cannot be true is no reason to refuse what is perhaps of something else.
        return reading
    if not is_lost(view, usage):
        return reading
    claimed = usage.tokens.total + usage.tokens.unexplained if usage.tokens is not None else 0
    return replace(reading, drop="unknown_kind", reported_tokens=claimed)
