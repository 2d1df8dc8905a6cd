"""What a schema cannot say of the built-in judge's rules and endpoint."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ..judge.rules import CALL_LABELS, parse_matcher
from .problems import Path, found, one_of

Finding = tuple[Path, str, str]
"""A place and the words about it."""

_KEY_HEADERS = frozenset({"authorization", "api-key", "x-api-key", "proxy-authorization", "cookie"})
_OUR_HEADERS = frozenset({"host", "content-length", "content-type", "transfer-encoding"})


def rule_findings(
    rules: object, at: Path, dimensions: tuple[str, ...], taken: Mapping[str, str] | None = None
) -> Iterator[Finding]:
    """Names given twice, matchers on labels that do not exist, material that is not seen.

    Args:
        rules: The list as it is written; what the schema refuses is passed over.
        at: Where it stands.
        dimensions: Labels of the configured dimensions.
        taken: Name to where it stands, of rules elsewhere.
    """
    first = dict(taken or {})
    for index, rule in enumerate(rules if isinstance(rules, list) else ()):
        if not isinstance(rule, dict):
            continue
        path = (*at, index)
        name = rule.get("name")
        if isinstance(name, str):
            if name in first:
                where = f"this name again, first in {first[name]}"
                yield (*path, "name"), where, "each name once"
            first.setdefault(name, f"{at[-1]}[{index}]")
        yield from _unseen(rule, path)
        yield from _matchers(rule.get("where"), (*path, "where"), dimensions)
        samples = rule.get("sample")
        for number, sample in enumerate(samples if isinstance(samples, list) else ()):
            if isinstance(sample, dict):
                place = (*path, "sample", number, "where")
                yield from _matchers(sample.get("where"), place, dimensions)


def _unseen(rule: dict[str, Any], path: Path) -> Iterator[Finding]:
    inputs, requires = rule.get("inputs", ["user", "answer"]), rule.get("requires")
    if not isinstance(inputs, list) or not isinstance(requires, list):
        return
    for index, material in enumerate(requires):
        if isinstance(material, str) and material not in inputs:
            shown = one_of(str(item) for item in inputs)
            yield (*path, "requires", index), found(material), f"what it sees: {shown}"


def _matchers(matchers: object, at: Path, dimensions: tuple[str, ...]) -> Iterator[Finding]:
    labels = (*CALL_LABELS, *dimensions)
    for index, text in enumerate(matchers if isinstance(matchers, list) else ()):
        if not isinstance(text, str):
            continue
        try:
            label = parse_matcher(text).label
        except ValueError as error:
            yield (*at, index), str(error), 'a matcher such as feature="refunds"'
            continue
        if label not in labels:
            yield (*at, index), f"the label {found(label)}", one_of(labels)


def endpoint_findings(endpoint: Mapping[str, Any]) -> Iterator[Finding]:
    """An endpoint without a model, and headers that carry secrets or are the client's own."""
    at: Path = ("judge", "endpoint")
    if endpoint.get("url") and not endpoint.get("model"):
        yield (*at, "model"), "no model", "the model that judges"
    headers = endpoint.get("headers")
    for name in headers if isinstance(headers, dict) else ():
        place = (*at, "headers", str(name))
        if str(name).lower() in _KEY_HEADERS:
            yield place, "a header with a secret", "api_key_file, api_key_header"
        elif str(name).lower() in _OUR_HEADERS:
            yield place, "a header of the client's own", "any other header"
