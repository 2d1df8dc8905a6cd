"""What attributes that no table lists are about, by their names alone.

The tables say what emitters are known to write. What they do not list is read by the words of its
name, after everything that is listed: a new spelling of a known fact loses nothing, and an
emitter that nobody has described can be read.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from .schema import AttributeKey
from .vocabulary import bucket_of_attribute, is_of_other_things, word_set, words_of

OPEN_PATTERN = (
    r"(?i:[^\s]{0,96}(?:token|usage)[^\s]{0,64}"
    r"|[^\s]{0,96}[._\-:](?:kind|type|sub_?type|operation(?:\.name)?|finish_?reasons?|stop_?reason"
    r"|model|model_?name|model_?id|model\.name|model\.id|provider|provider_?name|provider\.name"
    r"|vendor|response\.id|response_id))"
)
"""Names that are worth a look, as far as a pattern can tell: those that `places_of` may find."""

_BREAKDOWNS = frozenset(("detail", "details", "breakdown"))
"""Last words of attributes that hold an object, or a list, of the parts of a count."""
_OBJECT_WORDS = frozenset(("usage", "metadata", "details", "detail", "token", "tokens", "raw"))
_FOREIGN = word_set(
    """cloud device host os vehicle hw messaging rpc telemetry net network db file price"""
)
"""Words of names whose models and providers are of other things."""
_RESPONSE = frozenset(("response", "served", "answered", "actual", "used", "output"))
_Endings = tuple[tuple[str, ...], ...]
_ENDINGS: tuple[tuple[str, _Endings], ...] = (
    ("finish", (("finish", "reason"), ("finish", "reasons"), ("stop", "reason"))),
    ("response_id", (("response", "id"),)),
    ("provider", (("provider",), ("provider", "name"), ("vendor",))),
    ("request_model", (("model",), ("model", "name"), ("model", "id"))),
)
"""Fact -> last words of the names that tell it."""
_KIND = ("kind", "type", "subtype")


def places_of(attrs: Iterable[str], listed: Iterable[str]) -> Mapping[str, list[AttributeKey]]:
    """Fact -> attributes that tell it, of those that are not listed, in the order of the record.

    Args:
        attrs: Names of all attributes on a record.
        listed: Names that a table reads already.
    """
    known = frozenset(listed)
    found: dict[str, list[AttributeKey]] = {}
    for name in attrs:
        if name not in known and (fact := _fact_of(name)):
            found.setdefault(fact, []).append(_place(name, fact))
    return found


def kind_keys_of(attrs: Iterable[str], listed: Iterable[str]) -> tuple[str, ...]:
    """Attributes that may say what a span is, of those that are not listed."""
    known = frozenset(listed)
    return tuple(
        name
        for name in attrs
        if name not in known and len(name) <= _MAX_CHARS and _says_kind(words_of(name))
    )


_MAX_CHARS = 160


def _fact_of(name: str) -> str:
    if len(name) > _MAX_CHARS:
        return ""
    words = words_of(name)
    last = _last_of(name)
    if "usage" in last and _OBJECT_WORDS.issuperset(last):
        return "" if is_of_other_things(frozenset(words)) else "usage_object"
    bucket = bucket_of_attribute(name)
    if bucket is not None:
        return "usage_object" if _is_breakdown(last) else bucket.fact
    if _FOREIGN.intersection(words):
        return ""
    found = next((fact for fact, endings in _ENDINGS if _ends(words, endings)), "")
    if found == "request_model" and _RESPONSE.intersection(words):
        return "response_model"
    return found


def _last_of(name: str) -> tuple[str, ...]:
    return words_of(re.split(r"[.:/#]", name)[-1])


def _is_breakdown(last: tuple[str, ...]) -> bool:
    """Whether the last words of a name promise the parts of a count, as the others call it."""
    return len(last) > 1 and last[-1] in _BREAKDOWNS and "usage" not in last


def _place(name: str, fact: str) -> AttributeKey:
    if fact == "usage_object":
        return AttributeKey(name, named=_is_breakdown(_last_of(name)))
    return AttributeKey(name, is_open=True)


def _says_kind(words: tuple[str, ...]) -> bool:
    return bool(words) and (
        words[-1] in _KIND or words[-1] == "operation" or words[-2:] == ("operation", "name")
    )


def _ends(words: tuple[str, ...], endings: _Endings) -> bool:
    return any(words[-len(ending) :] == ending for ending in endings)
