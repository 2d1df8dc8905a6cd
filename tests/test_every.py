"""One test of many items fails for each of those that do, by name, and never for want of items."""

from __future__ import annotations

import pytest

from tests.every import every


def is_even(number: int) -> None:
    assert number % 2 == 0
    assert 10 // number


def test_all_that_fail_are_named() -> None:
    with pytest.raises(AssertionError) as caught:
        every([0, 1, 2, 3], lambda number: f"number {number}")(is_even)()
    head, *lines = str(caught.value).splitlines()
    assert head.startswith("3 of 4")
    named = [line.split(":")[0] for line in lines if line.startswith("number")]
    assert named == ["number 0", "number 1", "number 3"]


def test_what_holds_for_all_passes() -> None:
    every([2, 4])(is_even)()


def test_none_at_all_are_too_few() -> None:
    with pytest.raises(AssertionError):
        every([])(is_even)()
