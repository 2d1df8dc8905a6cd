"""Records of one trace in the order of a tree: spans under their parents, log records under spans.

Without recursion: how deep spans nest is the sender's choice.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from msgspec import Struct

from .records import Explained

Mark = Literal["", "orphan", "ring"]
"""Why a record is at the margin. Orphan: what it stands in is not among these records. Ring: it
encloses itself; the ring is cut where its first span came."""


class Place(Struct, frozen=True):
    """A record's place in the tree."""

    record: Explained
    depth: int
    """0 at the margin."""
    lasts: tuple[bool, ...]
    """Whether it, and each that it stands in, is the last of its siblings; outside in, without
    the one at the margin, the innermost `MAX_GUIDES` at most."""
    mark: Mark = ""


MAX_GUIDES = 6
"""Levels whose lines are drawn."""


def tree_of(records: Sequence[Explained]) -> list[Place]:
    """All of the records, each once, from the margin inwards; siblings by their start."""
    spans: dict[bytes, int] = {}
    for at, one in enumerate(records):
        if one.arrival.signal == "span":
            spans.setdefault(one.arrival.span_id, at)
    inside: dict[int, list[int]] = {}
    margin: list[tuple[int, Mark]] = []
    for at, one in enumerate(records):
        outer = _outer(one)
        parent = spans.get(outer) if outer else None
        if parent is None or parent == at:
            margin.append((at, "ring" if parent == at else "orphan" if outer else ""))
        else:
            inside.setdefault(parent, []).append(at)

    def start(at: int) -> tuple[int, int]:
        return records[at].arrival.start_ns, at

    for found in inside.values():
        found.sort(key=start)
    margin.sort(key=lambda root: start(root[0]))
    seen: set[int] = set()
    places: list[Place] = []
    for root, mark in margin:
        places += _walk(records, inside, root, mark, seen)
    # What is left encloses itself.
    for at in range(len(records)):
        if at not in seen:
            places += _walk(records, inside, at, "ring", seen)
    return places


def _outer(one: Explained) -> bytes:
    arrival = one.arrival
    return arrival.parent_id if arrival.signal == "span" else arrival.span_id


def _walk(
    records: Sequence[Explained],
    inside: dict[int, list[int]],
    root: int,
    mark: Mark,
    seen: set[int],
) -> list[Place]:
    places: list[Place] = []
    stack: list[tuple[int, int, tuple[bool, ...], Mark]] = [(root, 0, (), mark)]
    seen.add(root)
    while stack:
        at, depth, lasts, why = stack.pop()
        places.append(Place(records[at], depth, lasts, why))
        beneath = [inner for inner in inside.get(at, ()) if inner not in seen]
        seen.update(beneath)
        for number in range(len(beneath) - 1, -1, -1):
            is_last = number == len(beneath) - 1
            stack.append((beneath[number], depth + 1, (*lasts, is_last)[-MAX_GUIDES:], ""))
    return places
