"""The token counts of one record as they are written, by what they are about.

They come from attributes and from members of objects that an attribute holds, as JSON, as Python
writes it, or as an OTLP map. What each is about is told by the dialect's table or by its name.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from msgspec import Struct

from ..errors import RejectedRecord
from ..otlp.records import Value
from .coerce import MAX_TOKENS, count
from .schema import VITAL, AttributeKey, RecordView
from .usage_members import Path, leaves, steps_in
from .vocabulary import Bucket, bucket_of_member

_CACHE = ("cache_read", "cache_write", "cache_write_5m", "cache_write_1h")

_MAX_OBJECTS = 8


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
    value = view.object_at(where)
    whole = _of_members(view, where, value)
    for rows in steps_in(value):
        steps = [_of_members(view, where, row) for row in rows]
        # What is beside its steps is their sum, or else what the last of them told.
        summed = _added(steps)
        if _size(summed) > _size(whole) and _tells_last(whole, rows, steps):
            whole = _with_others(summed, whole)
    return whole


def _tells_last(whole: Counts, rows: Sequence[Value], steps: Sequence[Counts]) -> bool:
    """Whether a usage is that of the last of some steps, or of all that are of its type."""
    if not _size(whole):
        return True
    kinds = [row.get("type") if isinstance(row, dict) else None for row in rows]
    alike = [step for kind, step in zip(kinds, steps, strict=True) if kind == kinds[-1]]
    totals = [_both(steps[-1]), _both(_added(alike))]
    return _both(whole) in totals


def _both(counts: Counts) -> tuple[int, int]:
    return counts.of("input"), counts.of("output")


def _with_others(steps: Counts, whole: Counts) -> Counts:
    """The counts of all steps, with what is told beside them alone."""
    beside = {fact: tokens for fact, tokens in whole.by_fact.items() if fact != "total"}
    steps.by_fact = {**beside, **steps.by_fact}
    steps.apart |= whole.apart
    steps.tier = steps.tier or whole.tier
    return steps


def _of_members(view: RecordView, where: AttributeKey, value: Value) -> Counts:
    found = Counts({}, set(), {})
    for path, written in leaves(value):
        bucket = _bucket(where, path)
        if bucket is None:
            continue
        try:
            tokens = count(written)
        except RejectedRecord:
            view.lose(where)
            continue
        if tokens is not None:
            _take(found, bucket, tokens, apart=where.additive and not _in_details(path))
    return found


def _bucket(where: AttributeKey, path: Path) -> Bucket | None:
    if where.named:
        named = bucket_of_member((*where.attr.split("."), *where.path, *path))
        if named is not None:
            return named
    return bucket_of_member(path) if path else None


def _added(steps: Iterable[Counts]) -> Counts:
    found = Counts({}, set(), {})
    for step in steps:
        for fact, tokens in step.by_fact.items():
            found.by_fact[fact] = found.by_fact.get(fact, 0) + tokens
        for fact, tokens in step.tiered.items():
            found.tiered[fact] = found.tiered.get(fact, 0) + tokens
        found.apart |= step.apart
        found.tier = found.tier or step.tier
    return found


def _size(counts: Counts) -> int:
    return sum(_both(counts))


def _take(found: Counts, bucket: Bucket, tokens: int, *, apart: bool) -> None:
    fact = bucket.fact
    if bucket.tier and tokens:
        found.tier = bucket.tier
        if fact in ("input", "output"):
            found.tiered[fact] = found.tiered.get(fact, 0) + tokens
            return
    adds = fact.startswith("other_") or (bool(bucket.tier) and fact in found.by_fact)
    known = found.by_fact.get(fact)
    if known is None or (known == 0 and tokens):
        found.by_fact[fact] = tokens
    elif adds:
        found.by_fact[fact] = known + tokens
    else:
        found.by_fact[fact] = max(known, tokens) if fact in _CACHE else known
    if apart:
        found.apart.add(fact)


def _in_details(path: Path) -> bool:
    """Whether a member breaks its direction down, as OpenAI's `prompt_tokens_details` does."""
    return any("detail" in key.lower() for key in path[:-1])


def _joined(flat: Counts, inner: Counts) -> Counts:
    """What stands on the record itself, with what only an object on it tells."""
    if not (flat.of("input") or flat.of("output")):
        merged = {**flat.by_fact, **inner.by_fact}
        return Counts(merged, flat.apart | inner.apart, inner.tiered, inner.tier)
    own_input, cached = inner.of("input"), inner.of("cache_read") + _written(inner)
    contains = bool(cached) and own_input + cached == flat.of("input")
    for fact, tokens in inner.by_fact.items():
        if fact == "total" or not tokens or flat.of(fact):
            continue
        flat.by_fact[fact] = tokens
        if fact in inner.apart and not contains:
            flat.apart.add(fact)
    flat.tier = flat.tier or inner.tier
    return flat


def _written(counts: Counts) -> int:
    split = counts.of("cache_write_5m") + counts.of("cache_write_1h")
    return max(counts.of("cache_write"), split)
