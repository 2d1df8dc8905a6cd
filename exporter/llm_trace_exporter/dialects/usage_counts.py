"""The token counts of one record as they are written, by what they are about.

They come from attributes and from members of objects that an attribute holds, as JSON, as Python
writes it, or as an OTLP map. What each is about is told by the dialect's table or by its name.
"""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import Struct

from ..errors import RejectedRecord
from ..otlp.records import Value
from .coerce import MAX_TOKENS, count
from .schema import VITAL, AttributeKey, RecordView
from .vocabulary import Bucket, bucket_of_member

_CACHE = ("cache_read", "cache_write", "cache_write_5m", "cache_write_1h")

_MAX_DEPTH = 6
_MAX_LEAVES = 128
_MAX_ROWS = 16
_MAX_OBJECTS = 8
_LABELS = {"modality": "{}_{}", "ttl": "write_{}_{}"}
"""Members by which rows of a list say what the others of the row count. Sources: Gemini's
`promptTokensDetails` (`modality`, `tokenCount`), Bedrock's `cacheDetails` (`ttl`,
`inputTokens`), which is about what was written."""

_Path = tuple[str, ...]


class Counts(Struct, eq=False, gc=False):
    """Counts by fact; a fact that is not told is absent."""

    by_fact: dict[str, int]
    apart: set[str]
    """Facts that the count of their direction does not contain, as far as their place tells."""
    tiered: dict[str, int]
    """What names with a tier in them say of `input` and `output`."""
    tier: str = ""

    def of(self, fact: str) -> int:
        """A count; 0 where it is not told."""
        return self.by_fact.get(fact, 0)


def counts_of(view: RecordView) -> Counts:
    """Everything a record says of its tokens.

    Raises: RejectedRecord for a count of input or output that cannot be true.
    """
    apart: set[str] = set()
    found = Counts(flat_counts(view, apart), apart, {})
    for where in view.locations.get("usage_object", ())[:_MAX_OBJECTS]:
        inner = _of_object(view, where)
        if inner.by_fact:
            found = _joined(found, inner)
    return found


def flat_counts(view: RecordView, apart: set[str] | None = None) -> dict[str, int]:
    """The counts that stand in attributes of their own.

    Args:
        apart: Takes the facts that the count of their direction does not contain.

    Raises: RejectedRecord for a count of input or output that cannot be true.
    """
    found: dict[str, int] = {}
    attrs = view.attrs
    for fact, places in view.places.usage:
        for where in places:
            value = attrs.get(where.attr)
            if type(value) is not int or where.path or not 0 <= value <= MAX_TOKENS:
                value = view.count_at(where, is_vital=fact in VITAL and not where.is_open)
            # An emitter's zero may only say that this name of it is not in use.
            if value is None or (not value and fact in found):
                continue
            found[fact] = value
            if where.additive and apart is not None:
                apart.add(fact)
            if value:
                break
    return found


def _of_object(view: RecordView, where: AttributeKey) -> Counts:
    found = Counts({}, set(), {})
    for path, written in _leaves(view.object_at(where)):
        bucket = bucket_of_member((where.attr, *where.path, *path)) if where.named else None
        bucket = bucket or bucket_of_member(path)
        if bucket is None:
            continue
        try:
            told = count(written)
        except RejectedRecord:
            view.lose(where)
            continue
        if told is not None:
            _take(found, bucket, told, apart=where.additive and not _in_details(path))
    return found


def _take(found: Counts, bucket: Bucket, told: int, *, apart: bool) -> None:
    fact = bucket.fact
    if bucket.tier and told:
        found.tier = bucket.tier
        if fact in ("input", "output"):
            found.tiered[fact] = found.tiered.get(fact, 0) + told
            return
    adds = fact.startswith("other_") or (bool(bucket.tier) and fact in found.by_fact)
    known = found.by_fact.get(fact)
    if known is None or (known == 0 and told):
        found.by_fact[fact] = told
    elif adds:
        found.by_fact[fact] = known + told
    else:
        found.by_fact[fact] = max(known, told) if fact in _CACHE else known
    if apart:
        found.apart.add(fact)


def _in_details(path: _Path) -> bool:
    """Whether a member breaks its direction down, as OpenAI's `prompt_tokens_details` does."""
    return any("detail" in key.lower() for key in path[:-1])


def _joined(flat: Counts, inner: Counts) -> Counts:
    """What stands on the record itself, with what only an object on it tells."""
    if not (flat.of("input") or flat.of("output")):
        merged = {**flat.by_fact, **inner.by_fact}
        return Counts(merged, flat.apart | inner.apart, inner.tiered, inner.tier)
    own_input, cached = inner.of("input"), inner.of("cache_read") + _written(inner)
    contains = bool(cached) and own_input + cached == flat.of("input")
    for fact, told in inner.by_fact.items():
        if fact in ("input", "output", "total") or not told or flat.of(fact):
            continue
        flat.by_fact[fact] = told
        if fact in inner.apart and not contains:
            flat.apart.add(fact)
    flat.tier = flat.tier or inner.tier
    return flat


def _written(counts: Counts) -> int:
    split = counts.of("cache_write_5m") + counts.of("cache_write_1h")
    return max(counts.of("cache_write"), split)


def _labelled(row: Value) -> Value:
    """A row of a list with what it says of itself in the names of its members; else None."""
    if not isinstance(row, dict):
        return None
    for label, form in _LABELS.items():
        about = row.get(label)
        if isinstance(about, str):
            return {form.format(about[:16], key): v for key, v in row.items() if key != label}
    return None


def _leaves(value: Value) -> Iterator[tuple[_Path, Value]]:
    """Path and value of each number in nested objects; the first _MAX_LEAVES members."""
    stack: list[tuple[_Path, Value]] = [((), value)]
    looked_at = 0
    while stack and looked_at < _MAX_LEAVES:
        path, found = stack.pop()
        looked_at += 1
        if isinstance(found, dict):
            if len(path) < _MAX_DEPTH:
                inner = [((*path, key), member) for key, member in found.items()]
                stack.extend(reversed(inner[:_MAX_LEAVES]))
        elif isinstance(found, list) and path:
            stack.extend((path, _labelled(row)) for row in reversed(found[:_MAX_ROWS]))
        elif path and isinstance(found, int | float | str) and not isinstance(found, bool):
            yield path, found
