"""Random traffic for as long as wanted: numbers stay exact, memory stays where it is."""

from __future__ import annotations

import random
import threading
import time
from pathlib import Path
from typing import Any

import pytest
import requests
import yaml

from tests.e2e.process import ANYWHERE, DEADLINE_S, Exporter
from tests.e2e.wire import Span, call, failed_call, traces
from tests.long.budget import seconds
from tests.long.bystander import resident_mb
from tests.long.load import Load
from tests.long.seeds import CORPUS
from tests.spans import chat
from tests.telling import CONFIG

pytestmark = pytest.mark.long

GROWTH_MB = 25
"""What the allocator may still take once every table is full."""
ANSWERS = {200, 400, 413, 503}


class Noise:
    """What other applications send meanwhile: real captures, broken ones, endless names."""

    def __init__(self, seed: int) -> None:
        self._chance = random.Random(seed)
        self.url = ""
        self.sent = 0
        self.wrong: list[int] = []
        self._bodies = [(f.suffixes[0][1:], f.read_bytes()) for f in CORPUS.glob("*/*.pb")]
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def start(self) -> None:
        self._thread.start()

    def finish(self) -> None:
        self._stop.set()
        self._thread.join(60)
        assert not self._thread.is_alive()

    def _run(self) -> None:
        while not self._stop.is_set():
            signal, body = self._request()
            try:
                answer = requests.post(
                    f"{self.url}/v1/{signal}",
                    data=body,
                    headers={"Content-Type": "application/x-protobuf"},
                    timeout=DEADLINE_S,
                )
            except requests.RequestException:
                time.sleep(0.02)
                continue
            self.sent += 1
            if answer.status_code not in ANSWERS:
                self.wrong.append(answer.status_code)

    def _request(self) -> tuple[str, bytes]:
        chance = self._chance
        kind = chance.randrange(4)
        if kind == 0:
            names = [f"model-{chance.getrandbits(40):x}" for _ in range(50)]
            spans = [
                Span(chat((1, 1), gen_ai__request__model=n, gen_ai__response__model=n, feature=n))
                for n in names
            ]
            return "traces", traces(*spans, service=f"noise-{chance.getrandbits(4)}")
        if kind == 1:
            some = [call((chance.randrange(9), 1)), failed_call("gpt-4o")] * 10
            return "traces", traces(*some, service="noise")
        signal, body = chance.choice(self._bodies)
        if kind == 2:
            changed = bytearray(body)
            for _ in range(chance.randrange(1, 6)):
                changed[chance.randrange(len(changed))] = chance.randrange(256)
            body = bytes(changed)
        return signal, body


def configured(folder: Path, chance: random.Random) -> Path:
    """A configuration with tables so small that they are soon full."""
    labels = chance.sample(["feature", "team", "region"], chance.randrange(4))
    config: dict[str, Any] = {
        **CONFIG,
        "decision_wait": "200ms",
        "state": {"path": str(folder / "state.db")},
        "dimensions": [{"label": label, "keys": [label]} for label in labels],
        "limits": {
            "max_spans": 2_000,
            "max_pending": 2_000,
            "max_remembered": 1_000,
            "max_subjects": 1_000,
        },
        "traces": {"max_open": 1_000},
        # The senders whose numbers are looked at must not become `other`.
        "labels": {"default_cap": 30, "caps": {"service": 200}},
    }
    file = folder / "config.yml"
    file.write_text(yaml.safe_dump(config))
    return file


def started(folder: Path) -> Exporter:
    exporter = Exporter(folder, [*ANYWHERE, f"--config.file={folder / 'config.yml'}"])
    exporter.wait_until_listening(3)
    return exporter


@pytest.mark.parametrize("restarts", [False, True], ids=["one process", "restarts"])
def test_traffic_of_all_kinds(restarts: bool, tmp_path: Path) -> None:
    chance = random.Random(5)
    configured(tmp_path, chance)
    exporter = started(tmp_path)
    load, noise = Load(simple=True), Noise(6)
    load.send_to(exporter)
    noise.url = exporter.http
    load.start()
    noise.start()
    resident: list[float] = []
    end = time.monotonic() + seconds(30)
    try:
        while time.monotonic() < end:
            time.sleep(chance.uniform(0.1, 0.8))
            at = exporter.metrics()
            if restarts and chance.random() < 0.4:
                load.check_monotone(at)
                if chance.random() < 0.5:
                    exporter.process.kill()
                else:
                    exporter.process.terminate()
                exporter.process.wait(DEADLINE_S)
                exporter = started(tmp_path)
                load.send_to(exporter)
                noise.url = exporter.http
                load.check_monotone(exporter.metrics(), relabelled=True)
            elif not restarts:
                configured(tmp_path, chance)
                exporter.reload()
                resident.append(resident_mb(exporter))
        noise.finish()
        load.finish()
        load.check_counted(exporter)
        assert noise.sent > 50
        assert not noise.wrong
        if not restarts:
            half = len(resident) // 2
            grown = max(resident[-3:]) - max(resident[half - 3 : half])
            assert grown < GROWTH_MB, resident
    finally:
        noise.finish()
        load.finish()
        exporter.process.kill()
        exporter.process.wait(DEADLINE_S)
    assert "Traceback" not in exporter.own_log
