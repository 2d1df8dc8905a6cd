"""The numbers in an object of usage, each with the keys that lead to it.

Lists in it are of two kinds: rows that say in one word what their one number counts, and rows
that are the usage of one step each. Sources: Gemini's `promptTokensDetails` (`modality`,
`tokenCount`), Bedrock's `cacheDetails` (`ttl`, `inputTokens`), Anthropic's `usage.iterations`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator

from ..otlp.records import Value
from .vocabulary import is_of_other_calls

Path = tuple[str, ...]

MAX_ROWS = 16
_MAX_DEPTH = 6
_MAX_LEAVES = 128
_MAX_LABEL = 32
_MAX_ROW_CHARS = 4_096
"""Longest text of a row that is parsed, as JSON only: there may be many."""
_LABELS = {
    "modality": "{}_{}",
    # It is about what was written.
    "ttl": "write_{}_{}",
    **dict.fromkeys(
        ("type", "token_type", "tokentype", "kind", "name", "category", "key"), "{}_{}"
    ),
    **dict.fromkeys(("direction", "bucket", "label", "metric", "unit"), "{}_{}"),
}
"""Members, lower case, by which rows of a list say what the number of the row counts."""
_SPLITS = ("modality",)
"""Those of which a list has a row for each there is, so that they add up."""


def leaves(value: Value) -> Iterator[tuple[Path, Value]]:
    """Path and value of each number in nested objects; the first _MAX_LEAVES members.

    After them comes the sum of each list whose rows split it up, at the path of the list.
    """
    stack: list[tuple[Path, Value]] = [((), value)]
    sums: list[tuple[Path, Value]] = []
    looked_at = 0
    while stack and looked_at < _MAX_LEAVES:
        path, found = stack.pop()
        looked_at += 1
        if isinstance(found, dict):
            if len(path) < _MAX_DEPTH:
                inner = [((*path, key), member) for key, member in found.items()]
                stack.extend(reversed(inner[:_MAX_LEAVES]))
        elif isinstance(found, list):
            rows = [_labelled(row) for row in found[:MAX_ROWS]]
            stack.extend((path, row) for row in reversed(rows))
            if len(found) <= MAX_ROWS and (split := _sum_of(found)) is not None:
                sums.append((path, split))
        elif path and _is_number(found):
            yield path, found
    yield from sums


def steps_in(value: Value) -> Iterator[list[Value]]:
    """Each list of usages in nested objects: a row for each of the requests that a call was."""
    stack: list[tuple[int, Value]] = [(0, value)]
    looked_at = 0
    while stack and looked_at < _MAX_LEAVES:
        depth, found = stack.pop()
        looked_at += 1
        if isinstance(found, dict) and depth < _MAX_DEPTH:
            inner = [member for key, member in found.items() if not is_of_other_calls(key)]
            stack.extend((depth + 1, member) for member in inner)
        elif isinstance(found, list):
            rows = [_row(row) for row in found[:_MAX_LEAVES]]
            rows = [row for row in rows if isinstance(row, dict) and _labelled(row) is None]
            if rows:
                yield rows


def _labelled(row: Value) -> Value:
    """A row of a list with what it says of itself in the name of its number; else None."""
    row = _row(row)
    if not isinstance(row, dict):
        return None
    numbers = [
        key for key, member in row.items() if _is_number(member) and key.lower() not in _LABELS
    ]
    labels = [key for key in row if key.lower() in _LABELS and isinstance(row[key], str)]
    if len(numbers) != 1 or len(labels) != 1:
        return None
    key, label = numbers[0], labels[0]
    return {_LABELS[label.lower()].format(str(row[label])[:_MAX_LABEL], key): row[key]}


def _row(written: Value) -> Value:
    if not isinstance(written, str) or written[:1] != "{" or len(written) > _MAX_ROW_CHARS:
        return written
    try:
        row: Value = json.loads(written)
    except (ValueError, RecursionError):
        return None
    return row


def _sum_of(rows: list[Value]) -> Value:
    """What rows that split a count add up to; None where they do not."""
    total = 0
    for row in map(_row, rows):
        if not isinstance(row, dict) or not any(key.lower() in _SPLITS for key in row):
            return None
        numbers = [
            member
            for member in row.values()
            if isinstance(member, int | float) and not isinstance(member, bool)
        ]
        if len(numbers) != 1 or not float(numbers[0]).is_integer():
            return None
        total += int(numbers[0])
    return total or None


def _is_number(value: Value) -> bool:
    return isinstance(value, int | float | str) and not isinstance(value, bool)
