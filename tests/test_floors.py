"""Rooms whose tests reach too little are named."""

from __future__ import annotations

import pytest

from tests.floors import PACKAGE, beneath, modules_of, total_of


def report(**reached: tuple[int, int]) -> dict[str, object]:
    """What coverage writes of one module in each room."""
    return {
        "files": {
            f"{PACKAGE}/{room}/module.py": {
                "summary": {"covered_branches": covered, "num_branches": branches}
            }
            for room, (covered, branches) in reached.items()
        }
    }


@pytest.mark.parametrize(
    ("covered", "failed"), [(94, ["pricing"]), (95, []), (100, [])], ids=["beneath", "at", "above"]
)
def test_a_room_beneath_its_floor_fails_by_itself(covered: int, failed: list[str]) -> None:
    measured = report(pricing=(covered, 100), otlp=(100, 100))
    assert beneath(measured, {"otlp": 95, "pricing": 95}) == failed


def test_a_room_that_was_not_measured_fails() -> None:
    assert beneath(report(otlp=(9, 9)), {"otlp": 95, "prices": 0}) == ["prices"]


def test_rooms_are_told_apart_by_their_whole_name() -> None:
    measured = report(content=(1, 2), content_rules=(3, 4))
    assert total_of("content", modules_of(measured, "content")) == ("content", 1, 2)
