"""Another host, a clock that is wrong, and what a restart interrupts."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from llm_trace_exporter.config import Settings
from llm_trace_exporter.config.settings import SeriesSettings
from tests.spans import chat, raw_span
from tests.storage.machine import SETTLE_S, Machine

DAY_S = 86_400.0
UPTIMES = (-4_990.0, -600.0, 0.0, 4_000.0, 30 * DAY_S)
"""Of the new host, less that of the old one, seconds."""
CLOCKS = (-DAY_S, -300.0, 0.0, 300.0, 3 * DAY_S)
"""Jumps of the wall clock between the two processes, seconds."""


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path / "state.db")


def moves(machine: Machine, uptime_s: float, clock_s: float) -> None:
    """The file comes to another host."""
    machine.monotonic_s += uptime_s
    machine.unix_s += clock_s


@pytest.mark.parametrize("clock_s", CLOCKS)
@pytest.mark.parametrize("uptime_s", UPTIMES)
def test_what_is_sent_again_after_a_move_counts_once(
    machine: Machine, uptime_s: float, clock_s: float
) -> None:
    calls = [raw_span(chat()) for _ in range(20)]
    machine.send(*calls[:10])
    machine.settle()
    machine.checkpoint()
    machine.send(*calls[10:])
    machine.kill()
    moves(machine, uptime_s, clock_s)
    machine.start()
    machine.send(*calls)
    machine.settle()
    assert machine.calls() == (20, 300)
    machine.crash()
    machine.send(*calls)
    machine.settle()
    assert machine.calls() == (20, 300)


@pytest.mark.parametrize("clock_s", CLOCKS)
@pytest.mark.parametrize("uptime_s", UPTIMES)
def test_memory_ends_after_its_age_on_any_host(
    machine: Machine, uptime_s: float, clock_s: float
) -> None:
    """It neither outlives its time nor is it kept for ever."""
    machine.send(raw_span(chat()))
    machine.settle()
    machine.crash()
    machine.kill()
    moves(machine, uptime_s, clock_s)
    machine.start()
    assert machine.total("llm_exporter_trace_table_entries", table="traces") == 1
    machine.tick(3_500.0)
    machine.tick(200.0)
    machine.send(raw_span(chat()))
    assert machine.total("llm_exporter_trace_table_entries", table="traces") == 1


@pytest.mark.parametrize("ends", ["kill", "close"])
@pytest.mark.parametrize("uptime_s", UPTIMES)
def test_the_decision_window_starts_again(machine: Machine, uptime_s: float, ends: str) -> None:
    """The wrapper was acknowledged; the call within it comes when its sender is back."""
    outer = raw_span(chat(None), scope="wrapper", duration_s=2)
    inner = raw_span(chat(), scope="sdk", trace=outer.trace_id, parent=outer.span_id)
    machine.send(outer)
    machine.tick(SETTLE_S - 1)
    machine.kill() if ends == "kill" else machine.engine.close()
    moves(machine, uptime_s, 0)
    machine.wait(SETTLE_S - 1)
    machine.start()
    machine.tick(SETTLE_S - 1)
    machine.send(inner)
    machine.settle()
    assert machine.calls() == (1, 15)
    assert machine.total("llm_unpriced_requests_total") == 0


def test_crashes_in_a_row_lose_nothing(machine: Machine) -> None:
    """No process lives long enough for a checkpoint, each on a host of its own."""
    calls = [raw_span(chat()) for _ in range(len(UPTIMES))]
    for number, uptime_s in enumerate(UPTIMES, 1):
        machine.send(calls[number - 1])
        machine.kill()
        moves(machine, uptime_s + 5_000, 30)
        machine.start()
        machine.send(*calls[:number])
    machine.settle()
    assert machine.calls() == (len(calls), 15 * len(calls))


def test_a_clock_far_ahead_does_not_expire_the_series(tmp_path: Path) -> None:
    settings = Settings(
        zero_hold_s=0, decision_wait_s=SETTLE_S, series=SeriesSettings(idle_expiry_s=600)
    )
    machine = Machine(tmp_path / "state.db", settings)
    machine.send(raw_span(chat()))
    machine.settle()
    machine.kill()
    moves(machine, 0, 365 * DAY_S)
    machine.start()
    machine.tick()
    assert machine.calls() == (1, 15)


def test_a_clock_that_went_back_between_two_processes_is_told(machine: Machine) -> None:
    machine.send(raw_span(chat()))
    machine.kill()
    moves(machine, 0, -3_600)
    machine.start()
    assert machine.total("llm_exporter_clock_jumps_total", direction="back") == 1


class TestZeroHold:
    """A series that Prometheus has not seen at 0 yet is shown at 0 first, over restarts too."""

    HOLD_S = 35.0

    @pytest.fixture
    def holding(self, tmp_path: Path) -> Machine:
        settings = Settings(zero_hold_s=self.HOLD_S, decision_wait_s=0)
        return Machine(tmp_path / "state.db", settings)

    @pytest.mark.parametrize("checkpoints", [True, False])
    @pytest.mark.parametrize("way", ["restart", "crash"])
    def test_young_series_start_at_zero(
        self, holding: Machine, way: str, checkpoints: bool
    ) -> None:
        holding.send(raw_span(chat()))
        holding.tick(5)
        if checkpoints:
            holding.checkpoint()
        assert holding.calls() == (0, 0)
        holding.wait(3)
        getattr(holding, way)()
        assert holding.calls() == (0, 0)
        holding.tick(self.HOLD_S - 1)
        assert holding.calls() == (0, 0)
        holding.tick(2)
        assert holding.calls() == (1, 15)

    @pytest.mark.parametrize("way", ["restart", "crash"])
    def test_what_was_shown_never_falls_back(self, holding: Machine, way: str) -> None:
        holding.send(raw_span(chat()))
        for _ in range(10):
            holding.tick(5)
        assert holding.calls() == (1, 15)
        getattr(holding, way)()
        assert holding.calls() == (1, 15)

    def test_it_ends_in_the_end(self, holding: Machine) -> None:
        """Restarts in a row delay the value, and no longer."""
        holding.send(raw_span(chat()))
        for _ in range(3):
            holding.tick(20)
            holding.crash()
            assert holding.calls() == (0, 0)
        holding.tick(self.HOLD_S + 1)
        assert holding.calls() == (1, 15)


def test_a_longer_wait_does_not_take_back_what_was_shown(machine: Machine) -> None:
    machine.send(raw_span(chat()))
    machine.settle()
    machine.send(raw_span(chat()))
    assert machine.calls() == (1, 15)
    machine.settings = replace(machine.settings, decision_wait_s=600)
    machine.crash()
    assert machine.calls() == (1, 15)
