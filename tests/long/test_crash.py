"""What was acknowledged is counted exactly once, through `kill -9` under load.

Senders behave as OTLP says: a request without an answer, or with 503, is sent again as it was.
`test_rounds.py` does so hundreds of times, in one process; here are real ones, behind every
protocol, with senders that go on all the while.
"""

from __future__ import annotations

import random
import time
from pathlib import Path

import pytest
import yaml

from tests.e2e.process import ANYWHERE, Exporter
from tests.long.budget import rounds
from tests.long.load import Load
from tests.long.test_rounds import configured

ROUNDS = rounds(12)

pytestmark = pytest.mark.long


def started(folder: Path, chance: random.Random) -> Exporter:
    """One under other labels, caps and limits than the last."""
    config = folder / "config.yml"
    config.write_text(yaml.safe_dump(configured(chance, folder / "state.db")))
    exporter = Exporter(folder, [*ANYWHERE, f"--config.file={config}"])
    exporter.wait_until_listening(3)
    return exporter


@pytest.mark.parametrize("seed", [1, 2])
def test_kill_9_under_load_loses_and_doubles_nothing(seed: int, tmp_path: Path) -> None:
    chance = random.Random(seed)
    exporter = started(tmp_path, chance)
    load = Load(seed)
    load.send_to(exporter)
    load.start()
    try:
        for number in range(ROUNDS):
            time.sleep(chance.uniform(0.05, 0.8))
            load.check_monotone(exporter.metrics())
            if number % 4 == 3:
                exporter.process.terminate()
                assert exporter.process.wait(30) == 0
            else:
                exporter.process.kill()
                exporter.process.wait(30)
            exporter = started(tmp_path, chance)
            load.send_to(exporter)
            load.check_monotone(exporter.metrics(), relabelled=True)
        load.finish()
        load.check_counted(exporter)
    finally:
        load.finish()
        exporter.process.kill()
        exporter.process.wait(30)
    assert load.facts > 20 * ROUNDS
