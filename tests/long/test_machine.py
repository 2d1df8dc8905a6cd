"""What holds whatever happens, in any order: ten thousand things that happen."""

from __future__ import annotations

import pytest
from hypothesis.stateful import run_state_machine_as_test

from tests.long.budget import rounds
from tests.machine import Machine, run

STEPS = 10_000


@pytest.mark.long
def test_it_holds_for_ten_thousand_steps() -> None:
    before = Machine.steps
    run_state_machine_as_test(Machine, settings=run(examples=rounds(260), steps=45))
    assert Machine.steps - before >= STEPS
