"""Token usage with every token counted once: disjoint types from whatever an emitter wrote.

Emitters differ in what contains what: cached tokens are in the input or beside it, reasoning in
the output or beside it. The total, where one is told, proves which reading is right; without it
the emitter decides, and last the convention.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations
from typing import NamedTuple

from ..model import Tokens
from .cache_inclusion import (
    GOOGLE,
    Inclusion,
    configured,
    is_anybodys,
    is_left_out_by,
    is_passed_on,
    passes_on,
)
from .context import Context
from .reasoning_inclusion import Place, place_of_reasoning
from .schema import AttributeKey, RecordView
from .usage_counts import Counts, counts_of, flat_counts

_USUAL = {"input", "output", "total", "cache_read", "cache_write", "reasoning"}
_MAX_SEARCHES = 1_000
"""More searches of the web than one call can make: each is a fee, and none above is believed."""


class Usage(NamedTuple):
    """What a call used."""

    tokens: Tokens | None
    tier: str = ""
    """The service tier that the names of its counts say."""
    web_searches: int = 0


NOTHING = Usage(None)


def read_usage(view: RecordView, operation: str, context: Context) -> Usage:
    """Disjoint counts; none when the record says nothing, or only zeros (which say nothing).

    Args:
        operation: Of the call: what is told only by a total is the input of embeddings.

    Raises: RejectedRecord for counts that cannot be true.
    """
    if "usage" not in view.groups:
        return NOTHING
    if "usage_details" not in view.groups and "total" not in view.locations:
        given_input, given_output = view.count("input"), view.count("output")
        if given_input and given_output:
            return Usage(Tokens(given_input, output=given_output))
    if view.places.is_usual:
        tokens = _usual(view, flat_counts(view), context)
        if tokens is not None:
            return Usage(tokens)
    counts = counts_of(view)
    if not any(counts.by_fact.values()) and not any(counts.tiered.values()):
        return NOTHING
    searches = counts.of("web_searches")
    if searches > _MAX_SEARCHES:
        view.lose(AttributeKey("web_searches"))
        searches = 0
    used = _disjoint(view, counts, operation, context)
    if not (used.total or used.unexplained or searches):
        # Parts of a direction that is not told itself: how many there are is not known.
        return Usage(None, counts.tier)
    return Usage(used, counts.tier, searches)


def _usual(view: RecordView, counts: Mapping[str, int], context: Context) -> Tokens | None:
    """The counts of an emitter that keeps to the conventions; None where more must be looked at.

    That is nearly every record: the long way gives the same for it.
    """
    given_input, given_output = counts.get("input", 0), counts.get("output", 0)
    read, written = counts.get("cache_read", 0), counts.get("cache_write", 0)
    thought, total = counts.get("reasoning", 0), counts.get("total", 0)
    cached = read + written
    if not given_input or not given_output or cached > given_input or thought > given_output:
        return None
    if total and total != given_input + given_output:
        return None
    if not counts.keys() <= _USUAL and any(counts[fact] for fact in counts.keys() - _USUAL):
        return None
    if thought and place_of_reasoning(_names(view)) != "inside":
        return None
    if cached and (
        context.cache_inclusion
        or view.dialect.cache_inclusion
        or view.dialect.exclusive_cache_for
        or passes_on(view.record.scope.name)
        or (_is_generic(view) and is_left_out_by(_names(view)))
    ):
        return None
    return Tokens(given_input - cached, read, written, given_output - thought, thought)


class _Part(NamedTuple):
    """A count beside those of the whole input and output."""

    name: str
    size: int
    apart: bool
    """Whether the count of its direction does not contain it."""


def _disjoint(view: RecordView, counts: Counts, operation: str, context: Context) -> Tokens:
    given = _whole(counts)
    uncached_only = 0 if given[0] else counts.of("uncached_input")
    if uncached_only:
        given = uncached_only, given[1]
        counts.by_fact["input"] = uncached_only
    read = max(counts.of("cache_read"), counts.of("cache_read_audio"))
    written, hour = _cache_writes(counts)
    cached = read + written
    total = counts.of("total")
    thought = counts.of("reasoning")
    names = _names(view) if cached or total or thought else ""
    is_google = any(word in names for word in GOOGLE)
    inclusion: Inclusion | None = "exclusive" if uncached_only else None
    if cached and inclusion is None:
        inclusion = _inclusion(view, names, context)
    thinks = _place_of_reasoning(view, names) if thought else "inside"
    parts = _parts(counts, read, written, given, inclusion, thinks, adds_tools=is_google)
    settled = {"read", "written"} if inclusion is not None else set()
    if thinks == "beside_all":
        settled.add("reasoning")
    chosen = _proved(given, parts, total, frozenset(settled))
    is_proved = chosen is not None
    chosen = chosen or parts
    sizes = {part.name: part.size for part in chosen if part.apart}
    inside = {part.name: part.size for part in chosen if not part.apart}
    given_input, given_output, rest = _with_rest(counts, given, sum(sizes.values()), operation)
    if rest and not thought and is_google:
        # Google counts thoughts in the total; some emitters tell them nowhere else.
        thought, rest = rest, 0
        sizes["reasoning"] = thought
    uncached = max(0, given_input - inside.get("read", 0) - inside.get("written", 0))
    plain = max(0, given_output - inside.get("reasoning", 0))
    audio_input = counts.of("audio_input")
    audio_output = counts.of("audio_output")
    if "audio_input" in inside:
        # Audio out of the cache is told with the rest of it, too.
        audio_input = min(max(0, audio_input - counts.of("cache_read_audio")), uncached)
        uncached -= audio_input
    if "audio_output" in inside:
        audio_output = min(audio_output, plain)
        plain -= audio_output
    return Tokens(
        input=uncached + sizes.get("tool_input", 0) + sizes.get("other_input", 0),
        cache_read=read,
        cache_write=written,
        output=plain + sizes.get("other_output", 0),
        reasoning=thought,
        audio_input=audio_input,
        audio_output=audio_output,
        cache_write_1h=hour,
        unexplained=rest,
        citations=counts.of("citation"),
        reasoning_assumed=thinks == "beside" and not is_proved and thought <= given_output,
        inclusion_assumed=bool(cached)
        and not is_proved
        and inclusion is None
        and cached <= given_input
        and _is_generic(view)
        and is_left_out_by(names),
    )


def _whole(counts: Counts) -> tuple[int, int]:
    """Input and output as told, those under names of a tier with them."""
    found = []
    for fact in ("input", "output"):
        plain, tiered = counts.of(fact), counts.tiered.get(fact, 0)
        details = counts.of("cache_read") if fact == "input" else counts.of("reasoning")
        # Beside a tier the plain count is what is left, or else the sum.
        is_sum = tiered > 0 and plain in (tiered, tiered + details)
        found.append(tiered if is_sum else plain + tiered)
    return found[0], found[1]


def _cache_writes(counts: Counts) -> tuple[int, int | None]:
    """All that was written into the cache, and how much of it lasts an hour."""
    minutes, hour = counts.of("cache_write_5m"), counts.of("cache_write_1h")
    written = max(counts.of("cache_write"), minutes + hour)
    lasting = minutes or hour
    return written, hour if lasting else None


def _parts(
    counts: Counts,
    read: int,
    written: int,
    given: tuple[int, int],
    inclusion: Inclusion | None,
    thinks: Place,
    *,
    adds_tools: bool,
) -> tuple[_Part, ...]:
    """The parts that are told, each as its place and its emitter say.

    Args:
        adds_tools: The provider counts what tools put in beside the input, and in the total.
    """
    given_input, given_output = given
    thought = counts.of("reasoning")
    apart = counts.apart
    beside = inclusion == "exclusive" or read + written > given_input
    writes = {"cache_write", "cache_write_5m", "cache_write_1h"}
    tools = counts.of("tool_input")
    has_room = counts.of("total") >= sum(given) + tools
    is_apart = inclusion != "inclusive" and (bool(apart & {"cache_read", *writes}))
    rows = (
        _Part("read", read, beside or is_apart),
        _Part("written", written, beside or is_apart),
        _Part(
            "reasoning",
            thought,
            thought > given_output or "reasoning" in apart or thinks != "inside",
        ),
        _Part("tool_input", tools, "tool_input" in apart or (adds_tools and has_room)),
        _Part("audio_input", counts.of("audio_input"), "audio_input" in apart),
        _Part("audio_output", counts.of("audio_output"), "audio_output" in apart),
        _Part("other_input", counts.of("other_input"), "other_input" in apart),
        _Part("other_output", counts.of("other_output"), "other_output" in apart),
    )
    return tuple(part for part in rows if part.size)


def _proved(
    given: tuple[int, int], parts: tuple[_Part, ...], total: int, settled: frozenset[str]
) -> tuple[_Part, ...] | None:
    """The reading of the parts that adds up to the total, the least unlikely first.

    Args:
        settled: Parts of which it is known of the emitter whether they are in their direction:
            some write a total without them, which then proves nothing.
    """
    if not total:
        return None
    free = [
        names
        for names in _TURNED
        if any(part.name in names for part in parts) and not names & settled
    ]
    for n in range(len(free) + 1):
        for turned in combinations(free, n):
            names = frozenset().union(*turned)
            reading = tuple(
                part._replace(apart=part.apart != (part.name in names)) for part in parts
            )
            if sum(given) + sum(p.size for p in reading if p.apart) == total and _fits(
                given, reading
            ):
                return reading
    return None


_TURNED: tuple[frozenset[str], ...] = (
    frozenset(("read", "written")),
    frozenset(("reasoning",)),
    frozenset(("tool_input",)),
    frozenset(("written",)),
    frozenset(("audio_input", "audio_output")),
    frozenset(("other_input", "other_output")),
)
"""What emitters are seen to count in or beside, together, the most usual first."""


def _fits(given: tuple[int, int], parts: tuple[_Part, ...]) -> bool:
    """Whether no part is larger than what is said to contain it."""
    inside = {part.name: part.size for part in parts if not part.apart}
    return (
        inside.get("read", 0) + inside.get("written", 0) <= given[0]
        and inside.get("reasoning", 0) <= given[1]
    )


def _with_rest(
    counts: Counts, given: tuple[int, int], beside: int, operation: str
) -> tuple[int, int, int]:
    """Input, output, and what the total holds beyond all that was told.

    A direction that is not told at all takes the rest.
    """
    given_input, given_output = given
    rest = max(0, counts.of("total") - given_input - given_output - beside)
    if not rest:
        return given_input, given_output, 0
    tells_input = "input" in counts.by_fact or "input" in counts.tiered
    tells_output = "output" in counts.by_fact or "output" in counts.tiered
    if not given_input and not given_output and operation == "embeddings":
        return rest, 0, 0
    if tells_input and given_input and not tells_output:
        return given_input, rest, 0
    if tells_output and given_output and not tells_input:
        return rest, given_output, 0
    return given_input, given_output, rest


def _is_generic(view: RecordView) -> bool:
    """Whether the convention proves nothing of the emitter, because many write it."""
    return view.dialect.is_configured or is_anybodys(view.dialect.name, view.record.scope.name)


def _names(view: RecordView) -> str:
    """Whoever answered, by the provider's name, and by the model's where nobody is named."""
    provider = view.text("provider") or view.dialect.provider
    return (provider or f"{view.text('response_model')} {view.text('request_model')}").lower()


def _place_of_reasoning(view: RecordView, names: str) -> Place:
    """Where the reasoning is; a convention of one emitter's own has put it into the output."""
    place = place_of_reasoning(names)
    return "inside" if place == "beside" and not _is_generic(view) else place


def _inclusion(view: RecordView, names: str, context: Context) -> Inclusion | None:
    """What is known of the emitter; None where only the convention speaks."""
    scope = view.record.scope.name
    inclusion = configured(context.cache_inclusion, scope, names) or view.dialect.cache_inclusion
    if inclusion is not None:
        return inclusion
    words = view.dialect.exclusive_cache_for
    if words and any(word in view.text("provider").lower() for word in words):
        return "exclusive"
    return "exclusive" if is_passed_on(scope, names, view.attrs) else None
