"""What was acknowledged is counted exactly once, through `kill -9` under load.

Senders behave as OTLP says: a request without an answer, or with 503, is sent again as it was.
"""

from __future__ import annotations

import random
import threading
import time
from collections import defaultdict
from pathlib import Path

import pytest
import requests
import yaml

from tests.e2e.process import ANYWHERE, Exporter
from tests.e2e.wire import Span, traces
from tests.facts import Samples
from tests.long.budget import rounds
from tests.spans import chat

ROUNDS = rounds(12)
SENDERS = 3
SPANS = 5

pytestmark = pytest.mark.long


class Load:
    """Senders that go on until told to stop; what is under way is then brought home."""

    def __init__(self) -> None:
        self.url = ""
        self.acknowledged = [0] * SENDERS
        self.highest: dict[tuple[str, tuple[tuple[str, str], ...]], float] = defaultdict(float)
        self._stop = threading.Event()
        self._threads = [
            threading.Thread(target=self._send, args=(number,)) for number in range(SENDERS)
        ]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def finish(self) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(60)
            assert not thread.is_alive()

    def _send(self, number: int) -> None:
        while not self._stop.is_set():
            body = traces(*[Span(chat((10, 5)))] * SPANS, service=f"sender-{number}")
            while not self._acknowledged(body):
                time.sleep(0.01)
            self.acknowledged[number] += SPANS

    def _acknowledged(self, body: bytes) -> bool:
        try:
            answer = requests.post(
                f"{self.url}/v1/traces",
                data=body,
                headers={"Content-Type": "application/x-protobuf"},
                timeout=10,
            )
        except requests.RequestException:
            return False
        assert answer.status_code in (200, 503), answer.text
        return answer.status_code == 200

    def check_monotone(self, at: Samples) -> None:
        """No counter of what was received goes backwards, over restarts too."""
        for name, samples in at.by_name.items():
            if not name.startswith(("llm_requests", "llm_tokens", "llm_cost")):
                continue
            for sample in samples:
                key = (name, tuple(sorted(sample.labels.items())))
                assert sample.value >= self.highest[key], key
                self.highest[key] = sample.value


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
        at = _settled(exporter, sum(load.acknowledged))
        for number, acknowledged in enumerate(load.acknowledged):
            service = f"sender-{number}"
            assert at.total("llm_requests_total", service=service) == acknowledged
            assert at.total("llm_tokens_total", service=service) == acknowledged * 15
    finally:
        load.finish()
        exporter.process.kill()
        exporter.process.wait(30)
    assert sum(load.acknowledged) > ROUNDS * SPANS


def _settled(exporter: Exporter, expected: float) -> Samples:
    end = time.monotonic() + 30
    while True:
        at = exporter.metrics()
        if at.total("llm_requests_total") >= expected or time.monotonic() > end:
            return at
        time.sleep(0.1)
