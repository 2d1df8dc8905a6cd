"""What a schema cannot say of configured conventions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache
from typing import Any

from ..dialects import DIALECTS
from .bind import Schema, load_schema
from .identifying import identifies
from .problems import Path, found, one_of
from .rule_checks import Finding
from .written import mapping_in

_LABELS: tuple[Path, ...] = (("model", "request"), ("model", "response"), ("provider", "keys"))
"""Lists whose values become labels."""


def convention_findings(
    conventions: Sequence[dict[str, Any]], labels: Sequence[str], identifying: Sequence[str]
) -> Iterator[Finding]:
    """Names that are taken, nothing to detect by, and attributes that cannot be meant so.

    Args:
        conventions: As they are written; what the schema refuses is passed over.
        labels: Of the configured dimensions.
        identifying: Those of them whose values may identify people.
    """
    shipped = {dialect.name for dialect in DIALECTS}
    first: dict[str, int] = {}
    for index, convention in enumerate(conventions):
        at: Path = ("conventions", index)
        name = convention.get("name")
        if isinstance(name, str):
            if name in shipped:
                yield (*at, "name"), f"{found(name)}, a shipped convention", "a name of its own"
            elif name in first:
                where = f"this name again, first in conventions[{first[name]}]"
                yield (*at, "name"), where, "each name once"
            first.setdefault(name, index)
        if not mapping_in(convention, "detect").keys() & {*_DETECT}:
            yield (*at, "detect"), "nothing to detect it by", one_of(_DETECT)
        yield from _values(convention, at)
        yield from _twice(convention, at)
        yield from _people(convention, at, _LABELS)
        if "feature" not in identifying:
            yield from _people(convention, at, (("feature",),))
        if convention.get("feature") and "feature" not in labels:
            yield (*at, "feature"), "attributes for no dimension", "a dimension with label feature"


_DETECT = ("scopes", "attributes", "resource_attributes")


def _values(convention: dict[str, Any], at: Path) -> Iterator[Finding]:
    kind = mapping_in(convention, "kind")
    values = mapping_in(kind, "values")
    if values and "keys" not in kind:
        yield (*at, "kind", "values"), "values of no attribute", "kind.keys with them"
    first: dict[str, str] = {}
    for value in values:
        same = first.setdefault(value.lower(), value)
        if same != value:
            path = (*at, "kind", "values", value)
            yield path, f"the same value as {found(same)}", "each value once, letter case ignored"


@cache
def _facts() -> tuple[Path, ...]:
    """Where a convention lists attributes, each list for one fact."""
    schema = load_schema()["properties"]["conventions"]["items"]
    return tuple(path for path in _lists(schema, ()) if path[0] != "detect")


def _lists(schema: Schema, path: Path) -> Iterator[Path]:
    if schema["type"] == "array":
        yield path
    for key, below in schema.get("properties", {}).items():
        yield from _lists(below, (*path, key))


def _twice(convention: dict[str, Any], at: Path) -> Iterator[Finding]:
    first: dict[str, Path] = {}
    for fact in _facts():
        for number, key in enumerate(_texts(convention, fact)):
            known = first.setdefault(key, fact)
            if known != fact:
                shown = ".".join(map(str, known))
                yield (*at, *fact, number), f"{found(key)} under {shown} too", "each for one fact"


def _people(convention: dict[str, Any], at: Path, facts: Sequence[Path]) -> Iterator[Finding]:
    for fact in facts:
        for number, key in enumerate(_texts(convention, fact)):
            if identifies(key):
                what = f"{found(key)}, which identifies a person"
                yield (*at, *fact, number), what, "what does not tell one person from others"


def _texts(convention: dict[str, Any], at: Path) -> list[str]:
    value: Any = convention
    for key in at:
        value = value.get(key) if isinstance(value, dict) else None
    # Their places are told by number: what is no text keeps its own.
    return (
        [item if isinstance(item, str) else "" for item in value] if isinstance(value, list) else []
    )
