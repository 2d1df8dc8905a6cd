"""Under load, a disk that fills up and a configuration that changes: nothing is lost."""

from __future__ import annotations

import os
import random
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
import yaml

from tests.e2e.process import DEADLINE_S, Exporter, running, wait_for
from tests.e2e.wire import Span, traces
from tests.long.budget import rounds, seconds
from tests.long.load import LABELS, Load
from tests.spans import chat
from tests.telling import CONFIG

pytestmark = pytest.mark.long

EXPORT = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"
DISK_MB = 2
QUICK = {
    **CONFIG,
    "decision_wait": "50ms",
    "traces": {"idle_timeout": "1s", "rootless_idle_timeout": "1s"},
    "limits": {"evaluation_wait": "1s"},
}


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of its own, so small that it can be filled."""
    at = tmp_path / "disk"
    at.mkdir()
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={DISK_MB}m", "tmpfs", str(at)],
        capture_output=True,
        check=False,
    )
    if made.returncode:
        pytest.skip("mounting a file system takes root")
    yield at
    subprocess.run(["umount", "-l", str(at)], check=True)


def fill(disk: Path) -> Path:
    """A file that leaves no room."""
    filler = disk / "filler"
    with filler.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(os.statvfs(disk).f_frsize))
        except OSError:
            return filler


def grpc_answer(exporter: Exporter) -> grpc.StatusCode:
    """The status of one export."""
    with grpc.insecure_channel(exporter.grpc) as channel:
        export = channel.unary_unary(EXPORT, bytes, bytes)
        try:
            export(traces(Span(chat()), service="grpc"), timeout=DEADLINE_S)
        except grpc.RpcError as error:
            code: grpc.StatusCode = error.code()
            return code
        return grpc.StatusCode.OK


def test_a_disk_that_fills_up_and_empties_again(disk: Path, tmp_path: Path) -> None:
    config = {**QUICK, "state": {"path": str(disk / "state.db")}}
    errors, rejected = "llm_exporter_state_errors_total", "llm_exporter_requests_rejected_total"
    with running(tmp_path / "run", config=config) as exporter:
        load = Load()
        load.send_to(exporter)
        load.start()
        try:
            for _ in range(rounds(4)):
                filler = fill(disk)
                refused = load.refused
                wait_for(lambda: load.refused > refused + 3, "refusals")  # noqa: B023
                assert grpc_answer(exporter) is grpc.StatusCode.UNAVAILABLE
                at = exporter.metrics()
                load.check_monotone(at)
                assert at.total(errors, reason="commit") > 0
                assert at.total(rejected, reason="overloaded") > 0
                assert at.total("llm_requests_total", service="grpc") == 0
                ready = exporter.get("/-/ready")
                assert ready.status_code == 503 and "full" in ready.text, ready.text
                assert exporter.get("/-/healthy").status_code == 200
                filler.unlink()
                known = load.facts
                wait_for(lambda: load.facts > known, "recovery")  # noqa: B023
                wait_for(lambda: exporter.get("/-/ready").status_code == 200, "ready again")
                load.check_monotone(exporter.metrics())
        finally:
            (disk / "filler").unlink(missing_ok=True)
            load.finish()
        load.check_counted(exporter)
    # A start on a full disk serves what is in memory, and comes back by itself.
    filler = fill(disk)
    with running(tmp_path / "full", config=config) as exporter:
        wait_for(lambda: exporter.get("/-/ready").status_code == 503, "not ready")
        assert exporter.post(traces(Span(chat()), service="full")).status_code == 503
        assert exporter.metrics().total("llm_exporter_state_writable") == 0
        filler.unlink()
        wait_for(lambda: exporter.get("/-/ready").status_code == 200, "ready on its own")
        load.check_counted(exporter)
    # What was refused was not kept either.
    with running(tmp_path / "again", config=config) as exporter:
        load.check_counted(exporter)


def variant(chance: random.Random) -> dict[str, Any]:
    """A configuration that differs in whatever may change while running."""
    labels = chance.sample(LABELS, chance.randrange(3))
    return {
        **QUICK,
        "decision_wait": chance.choice(["0s", "50ms", "300ms"]),
        "dimensions": [{"label": label, "keys": [label]} for label in labels],
        "limits": {
            "evaluation_wait": "1s",
            "max_pending": chance.choice([100, 1000]),
            "max_spans": 10_000,
        },
        "series": {"max_per_family": chance.choice([100, 20_000])},
        "labels": {"default_cap": chance.choice([20, 100])},
    }


@pytest.mark.parametrize("kept", [False, True], ids=["in memory", "in a file"])
def test_reloads_under_load_lose_and_double_nothing(kept: bool, tmp_path: Path) -> None:
    chance = random.Random(3)
    state = {"state": {"path": str(tmp_path / "state.db")}} if kept else {}
    with running(tmp_path / "run", config=variant(chance) | state) as exporter:
        load = Load()
        load.send_to(exporter)
        load.start()
        try:
            end = time.monotonic() + seconds(8)
            while time.monotonic() < end:
                config = yaml.safe_dump(variant(chance) | state)
                (tmp_path / "run" / "config.yml").write_text(config)
                exporter.reload()
                time.sleep(0.1)
        finally:
            load.finish()
        load.check_counted(exporter)
        assert load.facts > 100
