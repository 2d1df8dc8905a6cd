"""What was acknowledged is counted exactly once, through `kill -9` under load.

Senders behave as OTLP says: a request without an answer, or with 503, is sent again as it was.
"""

from __future__ import annotations

import random
import time
from pathlib import Path

import pytest
import yaml

from tests.e2e.process import ANYWHERE, Exporter
from tests.long.budget import rounds
from tests.long.load import SPANS, Load

ROUNDS = rounds(12)

pytestmark = pytest.mark.long


def started(folder: Path, config: Path) -> Exporter:
    exporter = Exporter(folder, [*ANYWHERE, f"--config.file={config}"])
    exporter.wait_until_listening(3)
    return exporter


@pytest.mark.parametrize("seed", [1, 2])
def test_kill_9_under_load_loses_and_doubles_nothing(seed: int, tmp_path: Path) -> None:
    chance = random.Random(seed)
    config = tmp_path / "config.yml"
    config.write_text(
        yaml.safe_dump(
            {"settle": "50ms", "zero_hold": "0s", "state": {"path": str(tmp_path / "state.db")}}
        )
    )
    exporter = started(tmp_path, config)
    load = Load()
    load.url = exporter.http
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
            exporter = started(tmp_path, config)
            load.url = exporter.http
            load.check_monotone(exporter.metrics())
        load.finish()
        load.check_counted(exporter)
    finally:
        load.finish()
        exporter.process.kill()
        exporter.process.wait(30)
    assert sum(load.acknowledged) > ROUNDS * SPANS
