"""What the name of a token count says, whoever coined it.

Emitters make up names faster than any list can follow them, but all say the same few things:
`gen_ai.usage.input_tokens_details.cached_tokens`, `cacheReadInputTokens`, `thoughts_token_count`,
`input_flex_cache_read`. A name is read by its words: direction, quality, lifetime and tier.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

Direction = Literal["input", "output", ""]


def word_set(words: str) -> frozenset[str]:
    """The words of a text, for tables that would be long lists otherwise."""
    return frozenset(words.split())


_WORD = re.compile(r"[0-9]+[a-z]*|[A-Z]+(?![a-z])|[A-Z]?[a-z]+")
_SEGMENT = re.compile(r"[.:/#]")

TOKENS = frozenset(("token", "tokens"))
_USAGE = frozenset(("usage",))
_NO_COUNT = word_set(
    """max min maximum minimum limit limits budget per cost costs price prices rate rates type
    types id ids time times ratio percent percentage remaining tokenizer first stop special
    duration ms seconds second latency name auth access bearer refresh csrf session secret
    key quota cumulative accumulated conversation window estimated estimate delta speed
    throughput usd dollars amount prediction accepted rejected probs logprobs score
    position index saved savings search searches requests calls no non
    aggregated avg average mean median percentile page daily weekly monthly lifetime running tpm
    tps expected projected predicted before after left available allowed reserved cap threshold"""
)
"""Words of names that hold something else than tokens that one call used, or such as are told
again under another name."""
_OTHER_TOKENS = word_set(
    """limiter ratelimiter ratelimit throttle throttler bucket lexer parser scanner oauth oauth2 jwt
    push pagination crypto wallet nft lock"""
)
"""Words of attributes whose tokens are of other things than language models."""
_RESOURCES = word_set(
    """cpu gpu memory mem heap ram disk storage filesystem volume db database network net
    bandwidth io k8s container pod jvm host device power energy swap"""
)
"""Words of attributes whose usage, where they do not speak of tokens, is of machines."""
_OF_CALLS = word_set("total all sum usage used consumed llm ai genai model")
"""Words without one of which tokens of no direction may be those of a text or of a message."""
_EXACT: dict[tuple[str, ...], str] = {("eval", "count"): "output"}
"""Last words that say what their words do not. Source: Ollama's API, `eval_count`."""

_DIRECTIONS: dict[str, Direction] = {
    **dict.fromkeys(("input", "inputs", "prompt", "prompts", "in", "sent"), "input"),
    **dict.fromkeys(
        ("output", "outputs", "completion", "completions", "candidate", "candidates", "out",
         "generated", "generation", "received"),
        "output",
    ),
}  # fmt: skip
_WEAK_DIRECTIONS: dict[str, Direction] = {"request": "input", "response": "output"}
"""Say a direction only right before `token(s)`: elsewhere they say of which message this is."""

_SEARCH = frozenset(("search", "searches"))
_FEES = tuple(
    map(word_set, ("num sources used", "sources used", "num search queries", "search queries"))
)
"""Names, by their words, of what is paid by the search without saying that it is of the web: xAI's
Live Search is paid by the source (`num_sources_used`), Perplexity's by the query."""
_OTHER_CALLS = word_set(
    """history previous earlier past prior snapshot snapshots session sessions conversation
    cumulative accumulated limit limits quota quotas budget budgets window daily weekly monthly
    lifetime running remaining expected projected predicted average avg mean max maximum min
    minimum rate rates estimate estimated estimates"""
)
"""Words of lists whose usages are not those of one call."""
_UNCACHED = word_set("miss missed uncached noncached nocache")
_NOT = frozenset(("no", "non", "not"))
_SEARCH_COUNTS = word_set("searches requests count calls queries")
_CACHE = frozenset(("cache", "cached", "caching", "ephemeral"))
_WRITE = word_set("""write writes written creation create creates created store stored ephemeral""")
_READ = frozenset(("read", "reads", "hit", "hits"))
_THOUGHT = frozenset(("reasoning", "thinking", "thoughts", "thought"))
_AUDIO = frozenset(("audio", "speech"))
_CITATION = frozenset(("citation", "citations"))
_PICTURES = frozenset(("image", "images", "video", "videos"))
_TOOL = frozenset(("tool", "tools"))
_TOTAL = frozenset(("total", "all", "sum"))
_TIERS = frozenset(("flex", "priority", "batch", "scale"))
_FILLERS = word_set(
    """token tokens count counts num number of n usage use used details detail metadata eval
    llm gen ai gcp native content data value values i nr ct and the for"""
)
_PLAIN = _FILLERS | _TOTAL | _TIERS | _DIRECTIONS.keys() | _WEAK_DIRECTIONS.keys()
"""Words of names that count all there is in their direction, and not a part of it."""
_HOUR = frozenset(("1h", "60m", "3600s"))
_MINUTES = frozenset(("5m", "300s"))


@dataclass(frozen=True, slots=True)
class Bucket:
    """Which tokens a count is about."""

    fact: str
    """`input`, `output`, `total`, `cache_read`, `cache_write`, `reasoning`, `audio_input`,
    `audio_output`, `tool_input`; `cache_write_5m`, `cache_write_1h` of the cache writes;
    `cache_read_audio` of the cache reads;
    `other_input`, `other_output` for parts by any other name; `uncached_input`, the input
    without what the cache held; `citation`, what a search put before the model; or
    `web_searches`, no tokens."""
    tier: str = ""
    """The service tier that the name says: `flex`, `priority`, ..."""


def words_of(name: str) -> tuple[str, ...]:
    """The words of a name, lower case: `cacheReadInputTokens` -> cache, read, input, tokens."""
    return tuple(word.lower() for word in _WORD.findall(name))


@lru_cache(maxsize=4_096)
def bucket_of_attribute(name: str) -> Bucket | None:
    """What an attribute of a span counts; None when it counts no tokens of its call."""
    if len(name) > _MAX_CHARS:
        return None
    words = frozenset(words_of(name))
    if not (TOKENS | _USAGE) & words or is_of_other_things(words):
        return None
    found = _bucket(_SEGMENT.split(name))
    if found is not None and found.fact == "total" and not _OF_CALLS & words:
        return None
    return found


def is_of_other_things(words: frozenset[str]) -> bool:
    """Whether the words of an attribute speak of a machine's usage, or of another's tokens."""
    return bool(_OTHER_TOKENS & words or (_RESOURCES & words and not TOKENS & words))


@lru_cache(maxsize=4_096)
def bucket_of_member(path: tuple[str, ...]) -> Bucket | None:
    """What a member of a usage object counts, by the keys that lead to it."""
    return _bucket(path) if sum(map(len, path)) <= _MAX_CHARS else None


_MAX_CHARS = 160


def _bucket(segments: Sequence[str]) -> Bucket | None:
    by_segment = [words_of(segment) for segment in segments]
    everything = frozenset(word for words in by_segment for word in words)
    last = by_segment[-1] if by_segment else ()
    if not last:
        return None
    if _counts_searches(everything, last):
        return Bucket("web_searches")
    if _is_uncached(everything):
        return Bucket("uncached_input")
    if _NO_COUNT & everything:
        return None
    if last in _EXACT:
        return Bucket(_EXACT[last])
    direction = _direction(by_segment)
    tier = next((word for word in last if word in _TIERS), "")
    found = _quality(everything, direction)
    if found:
        return Bucket(found, tier)
    is_whole = _PLAIN.issuperset(last)
    if direction:
        return Bucket(direction if is_whole else f"other_{direction}", tier)
    return Bucket("total", tier) if is_whole else None


def _counts_searches(everything: frozenset[str], last: Sequence[str]) -> bool:
    if frozenset(last) in _FEES:
        return True
    return "web" in everything and bool(_SEARCH & everything) and last[-1] in _SEARCH_COUNTS


def is_of_other_calls(name: str) -> bool:
    """Whether what a member of a usage holds is, by its name, not of this call alone."""
    return len(name) <= _MAX_CHARS and not _OTHER_CALLS.isdisjoint(words_of(name))


def _is_uncached(everything: frozenset[str]) -> bool:
    """Whether this is the input that came out of no cache, as DeepSeek tells it."""
    if not (_CACHE | _UNCACHED) & everything or (_NO_COUNT - _NOT) & everything:
        return False
    return bool(_UNCACHED & everything or (_NOT & everything and _CACHE & everything))


def _quality(everything: frozenset[str], direction: Direction) -> str:
    if _CACHE & everything:
        return _cache_part(everything)
    if _THOUGHT & everything:
        return "reasoning"
    if _CITATION & everything:
        return "citation"
    if _AUDIO & everything and direction:
        return f"audio_{direction}"
    if _PICTURES & everything and direction:
        return f"other_{direction}"
    if _TOOL & everything and direction != "output":
        return "tool_input"
    return ""


def _cache_part(everything: frozenset[str]) -> str:
    if not _WRITE & everything or _READ & everything:
        return "cache_read_audio" if _AUDIO & everything else "cache_read"
    if _HOUR & everything:
        return "cache_write_1h"
    return "cache_write_5m" if _MINUTES & everything else "cache_write"


def _direction(by_segment: Sequence[tuple[str, ...]]) -> Direction:
    """The last that is said: `usage.input.total` and `token_count.prompt_details.x` are inputs."""
    for words in reversed(by_segment):
        for at in range(len(words) - 1, -1, -1):
            word = words[at]
            if word in _DIRECTIONS:
                return _DIRECTIONS[word]
            following = words[at + 1] if at + 1 < len(words) else ""
            if word in _WEAK_DIRECTIONS and following in TOKENS:
                return _WEAK_DIRECTIONS[word]
    return ""
