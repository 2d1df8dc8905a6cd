"""A wall clock that jumps is told, one that drifts is not."""

from __future__ import annotations

import pytest

from llm_trace_exporter.engine.clock_watch import ClockWatch


@pytest.mark.parametrize(
    ("jumps_s", "told"),
    [
        ([0.0, 0.0], []),
        ([30.0, -30.0, 59.0], []),
        ([3_600.0], ["forward"]),
        ([-61.0], ["back"]),
        ([86_400.0, 0.0, -86_400.0], ["forward", "back"]),
    ],
)
def test_each_jump_is_told_once(jumps_s: list[float], told: list[str]) -> None:
    now = {"monotonic": 100.0, "wall": 1.8e9}
    found: list[str] = []
    watch = ClockWatch(lambda: now["monotonic"], lambda: now["wall"], found.append)
    for jump_s in jumps_s:
        for moves_s in (0.5, 0.5 + jump_s):
            now["monotonic"] += 0.5
            now["wall"] += moves_s
            watch.look()
    assert found == told
