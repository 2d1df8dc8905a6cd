"""What holds whatever happens, in any order: a short walk; `tests/long` goes on."""

from __future__ import annotations

from hypothesis.stateful import run_state_machine_as_test

from tests.machine import Machine, run


def test_it_holds_for_a_while() -> None:
    run_state_machine_as_test(Machine, settings=run(examples=6, steps=12))
