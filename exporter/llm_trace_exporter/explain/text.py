"""The explanation of traces as text: a summary line and a tree each, a line for each record.

What does not fit beside a record's name goes on below it, under the same column.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from rich.cells import cell_len, set_cell_size

from .log import Trace
from .phrases import headline, phrases_of, styled_state
from .tree import MAX_GUIDES, Mark, Place, tree_of

Segment = tuple[str, str]
"""(text, style as rich names it, empty for none)."""
Line = list[Segment]

WIDTH = 100
"""Columns where nobody tells how many there are."""

_GAP = "  "
_NAME_SHARE = 0.4
"""Of the columns, at most."""

_MAX_DIALECT = 16
_ID = 8
_STATE = 9
_MARKS: dict[Mark, str] = {
    "": "",
    "orphan": "its parent is not here",
    "ring": "its parents lead back to it",
}


def lines_of(trace: Trace, width: int) -> Iterator[Line]:
    """The lines of one trace.

    Args:
        trace: Its records.
        width: Columns; a single phrase that is longer is not cut.
    """
    title = f"trace {trace.trace_id.hex()}" if trace.trace_id else "no trace"
    yield from _wrapped([(title, "bold"), (_GAP, "")], headline(trace), " " * 4, width)
    places = tree_of(trace.records)
    names = [_guides(place) + place.record.arrival.name for place in places]
    name_width = min(int(width * _NAME_SHARE), max(map(cell_len, names), default=0))
    dialects = (cell_len(p.record.arrival.dialect) for p in places)
    dialect_width = min(_MAX_DIALECT, max(dialects, default=0))
    for at, place in enumerate(places):
        follows = at + 1 < len(places) and places[at + 1].depth > place.depth
        yield from _row(place, names[at], follows, (name_width, dialect_width, width))


def plain(lines: Iterable[Line]) -> str:
    """Lines as text without styles."""
    return "".join("".join(text for text, _ in line).rstrip() + "\n" for line in lines)


def _row(place: Place, name: str, follows: bool, widths: tuple[int, int, int]) -> Iterator[Line]:
    name_width, dialect_width, width = widths
    arrival = place.record.arrival
    state, style = styled_state(place.record)
    head: Line = [
        (_GAP, ""),
        (_fitted(name, name_width), "" if place.record.charge else "dim"),
        (_GAP + _fitted(arrival.span_id.hex()[:_ID], _ID), "dim"),
        (_GAP + _fitted(arrival.dialect or "-", max(1, dialect_width)), "dim"),
        (_GAP, ""),
        (_fitted(state, _STATE), style),
        (_GAP, ""),
    ]
    beneath = _guides(place, is_below=True) + ("│" if follows else "")
    # Under the states, where two phrases fit.
    below = (
        _GAP
        + _fitted(beneath, name_width)
        + " " * (len(_GAP) + _ID + len(_GAP) + max(1, dialect_width) + len(_GAP))
    )
    mark = [(_MARKS[place.mark], "yellow")] if place.mark else []
    yield from _wrapped(head, [*phrases_of(place.record), *mark], below, width)


def _guides(place: Place, *, is_below: bool = False) -> str:
    """The lines of the tree before a name, or below it."""
    if not place.depth:
        return ""
    far = f"+{place.depth - MAX_GUIDES} " if place.depth > MAX_GUIDES else ""
    *outer, own = place.lasts
    last, other = ("   ", "│  ") if is_below else ("└─ ", "├─ ")
    drawn = "".join("   " if is_last else "│  " for is_last in outer)
    return (" " * len(far) if is_below else far) + drawn + (last if own else other)


def _wrapped(head: Line, phrases: Sequence[Segment], below: str, width: int) -> Iterator[Line]:
    """A head with phrases behind it, as many as fit; the others on lines that `below` begins."""
    line, used, is_empty = head, sum(cell_len(text) for text, _ in head), True
    for text, style in phrases:
        gap = "" if is_empty else _GAP
        if not is_empty and used + len(gap) + cell_len(text) > width:
            yield line
            line, used, gap = [(below, "dim")], cell_len(below), ""
        line = [*line, (gap, ""), (text, style)]
        used, is_empty = used + len(gap) + cell_len(text), False
    yield line


def _fitted(text: str, width: int) -> str:
    """A text padded or cut to a number of columns."""
    if cell_len(text) <= width:
        return text + " " * (width - cell_len(text))
    return set_cell_size(text, width - 1) + "…"
