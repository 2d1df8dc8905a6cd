"""The tree of a trace, whatever spans say about their parents; and its text."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Sequence

import pytest
from rich.cells import cell_len

from llm_trace_exporter.explain import Arrival, Explained, Trace, lines_of, plain
from llm_trace_exporter.explain.tree import tree_of

TRACE_ID = bytes(15) + b"\x01"
DEEP = 20_000


def span(number: int, parent: int = 0, *, start: int = 0, name: str = "") -> Explained:
    """A span whose id is a number; 0 is no parent."""
    return record(number.to_bytes(8, "big"), parent.to_bytes(8, "big") if parent else b"",
                  start, name or f"span {number}")  # fmt: skip


def record(span_id: bytes, parent_id: bytes, start: int, name: str) -> Explained:
    arrival = Arrival(TRACE_ID, span_id, parent_id, b"", "span", name, start, "semconv")
    return Explained.of(arrival)


def log(number: int, name: str = "log") -> Explained:
    """A log record that names a span; 0 names none."""
    span_id = number.to_bytes(8, "big") if number else b""
    return Explained.of(Arrival(TRACE_ID, span_id, b"", b"print", "log", name, 0, ""))


def shape(*records: Explained) -> list[tuple[str, int, str]]:
    """(name, depth, mark) in the order of the tree."""
    return [(p.record.arrival.name, p.depth, p.mark) for p in tree_of(records)]


def text(records: Sequence[Explained], width: int = 100) -> list[str]:
    return plain(lines_of(Trace(TRACE_ID, deque(records)), width)).splitlines()


def test_spans_stand_under_their_parents_by_their_start() -> None:
    inner, late, early = span(2, 1, start=1), span(3, 1, start=9), span(4, 1, start=5)
    assert shape(late, inner, span(5, 2, start=2), early, span(1)) == [
        ("span 1", 0, ""),
        ("span 2", 1, ""),
        ("span 5", 2, ""),
        ("span 4", 1, ""),
        ("span 3", 1, ""),
    ]


def test_a_span_whose_parent_did_not_come_stands_at_the_margin() -> None:
    assert shape(span(2, 9), span(3, 2)) == [("span 2", 0, "orphan"), ("span 3", 1, "")]
    assert text([span(2, 9)])[1].endswith("its parent is not here")


def test_a_ring_of_parents_is_cut_where_it_began() -> None:
    assert shape(span(1), span(2, 4), span(3, 2), span(4, 3)) == [
        ("span 1", 0, ""),
        ("span 2", 0, "ring"),
        ("span 3", 1, ""),
        ("span 4", 2, ""),
    ]
    assert shape(span(7, 7)) == [("span 7", 0, "ring")]


def test_a_log_record_stands_under_the_span_that_it_names() -> None:
    assert shape(log(1), log(0, "free"), span(1), log(8, "lost")) == [
        ("free", 0, ""),
        ("span 1", 0, ""),
        ("log", 1, ""),
        ("lost", 0, "orphan"),
    ]


def test_spans_with_one_id_are_all_shown() -> None:
    names = [name for name, _, _ in shape(span(1), span(2, 1), span(2, 1))]
    assert names == ["span 1", "span 2", "span 2"]


def test_any_depth_is_shown() -> None:
    chain = [span(number, number - 1) for number in range(1, DEEP + 1)]
    assert [depth for _, depth, _ in shape(*chain)] == list(range(DEEP))
    lines = text(chain)
    assert len(lines) == DEEP + 1
    assert max(map(len, lines)) <= 100
    assert re.match(rf"  \+{DEEP - 7} +└─ span {DEEP} ", lines[-1])


def test_a_wide_trace_does_not_take_long() -> None:
    wide = [span(1), *(span(number, 1) for number in range(2, DEEP))]
    assert len(text(wide)) == DEEP


def test_columns_stay_below_each_other() -> None:
    names = ("name", "a name that is much longer than there is room for it", "日本語の名前")
    lines = text([span(at, 1 if at > 1 else 0, name=name) for at, name in enumerate(names, 1)])[1:]
    assert len({cell_len(line[: line.index("semconv")]) for line in lines}) == 1
    assert "…" in lines[1]


@pytest.mark.parametrize("width", [40, 60, 100, 200])
def test_only_a_phrase_is_ever_wider_than_the_screen(width: int) -> None:
    for line in text([span(1), span(2, 1, name="x" * 128)], width):
        assert len(line) <= max(width, 60)
