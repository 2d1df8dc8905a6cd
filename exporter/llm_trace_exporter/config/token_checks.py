"""How tokens and sources of a configuration fit together, and with its dimensions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ..dialects.coerce import is_id
from .problems import Path, found, one_of
from .rule_checks import Finding

_FOLDER = ("file", "the folder of its files, as file:///results")
PLACES: Mapping[str, tuple[str, str]] = {
    **dict.fromkeys(("promptfoo", "deepeval", "inspect_ai"), _FOLDER),
    "trulens": ("sqlite", "its file, as sqlite:///data/default.sqlite"),
}
"""System -> how its URL begins and what it is; of all others the address of an API."""
_PATTERN = "a pattern of names below the folder, as **/*.eval, with ** alone between slashes"
SYSTEMS_WITH_CALLS = frozenset({"phoenix", "mlflow", "langfuse", "trulens", "litellm"})


def token_findings(tokens: list[dict[str, Any]], dimensions: tuple[str, ...]) -> Iterator[Finding]:
    """What is wrong with `otlp.tokens`; `dimensions` are the labels that there are."""
    known = _labels_with(dimensions)
    seen: Mapping[str, dict[str, int]] = {"name": {}, "file": {}}
    for index, item in enumerate(tokens):
        path: Path = ("otlp", "tokens", index)
        for key, first in seen.items():
            value = item.get(key)
            if isinstance(value, str) and first.setdefault(value, index) != index:
                again = f"this {key} again, first in otlp.tokens[{first[value]}]"
                yield (*path, key), again, f"each {key} once"
        yield from _label_findings(path, item.get("labels"), known)


def source_findings(
    sources: list[dict[str, Any]], dimensions: tuple[str, ...]
) -> Iterator[Finding]:
    """What is wrong with `sources`; `dimensions` are the labels that there are."""
    seen: dict[str, int] = {}
    for index, item in enumerate(sources):
        path: Path = ("sources", index)
        name = item.get("name")
        if isinstance(name, str) and seen.setdefault(name, index) != index:
            again = f"this name again, first in sources[{seen[name]}]"
            yield (*path, "name"), again, "each name once"
        system, url = item.get("system"), str(item.get("url", ""))
        scheme, example = PLACES.get(
            str(system), ("http", "where its API is, as http://phoenix:6006")
        )
        if isinstance(system, str) and not url.startswith((f"{scheme}://", f"{scheme}s://")):
            yield (*path, "url"), found(url), example
        projects = item.get("projects")
        if scheme == "file" and isinstance(projects, list):
            for place, pattern in enumerate(projects):
                if isinstance(pattern, str) and not _is_pattern(pattern):
                    yield (*path, "projects", place), found(pattern), _PATTERN
        if system not in SYSTEMS_WITH_CALLS and item.get("mode") == "calls+scores":
            allowed = f"scores, or one of {', '.join(sorted(SYSTEMS_WITH_CALLS))}"
            yield (*path, "mode"), "calls of a system that has none to read", allowed
        if system == "litellm" and item.get("mode", "scores") == "scores":
            yield (*path, "mode"), "scores of a system that has none", "calls+scores"
        yield from _label_findings(path, item.get("labels"), _labels_with(dimensions))


def _is_pattern(told: str) -> bool:
    parts = told.split("/")
    return bool(parts[0]) and ".." not in parts and all(p == "**" or "**" not in p for p in parts)


def _labels_with(dimensions: tuple[str, ...]) -> tuple[str, ...]:
    return ("service", "environment", *dimensions)


def _label_findings(path: Path, labels: object, known: tuple[str, ...]) -> Iterator[Finding]:
    for label, value in labels.items() if isinstance(labels, dict) else ():
        if label not in known:
            yield (*path, "labels", label), "a label that records do not have", one_of(known)
        elif isinstance(value, str) and is_id(value):
            # Dimensions never show one: it would make endless many series.
            yield (*path, "labels", label), found(value), "a text that is not an id"
