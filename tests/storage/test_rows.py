"""A row that is sealed as it should be and holds what no series can."""

from __future__ import annotations

import msgspec
import pytest

from llm_trace_exporter.storage.rows import DamagedRow, seal, series_of

FAMILY, LABELS = "llm_requests_total", '{"model":"x"}'


def sealed(*values: float) -> bytes:
    return seal(f"{FAMILY}{LABELS}1", msgspec.msgpack.encode((1.0, 0.0, values)))


def test_a_number_comes_back() -> None:
    assert series_of(FAMILY, LABELS, 1, sealed(0.0, 12.5)).values == [0.0, 12.5]


@pytest.mark.parametrize("value", [-1.0, -1e-300, 1e101, float("inf"), float("nan")])
def test_a_number_that_no_counter_reaches_is_damage(value: float) -> None:
    with pytest.raises(DamagedRow, match="no number"):
        series_of(FAMILY, LABELS, 1, sealed(1.0, value))


def test_no_number_at_all_is_damage() -> None:
    with pytest.raises(DamagedRow, match="no number"):
        series_of(FAMILY, LABELS, 1, sealed())
