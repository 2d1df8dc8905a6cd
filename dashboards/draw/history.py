"""Writes the history that the pictures show.

A day of simulated traffic with an outage near its end, and what the rules would have recorded and
rung meanwhile:

    python -m dashboards.draw.history build/history
    prometheus --config.file=build/history/prometheus.yml --storage.tsdb.path=build/history/data \
        --storage.tsdb.retention.time=100y
"""

from __future__ import annotations

import argparse
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import requests

from ..promql import RECORDED
from . import rules

ROOT = Path(__file__).parents[2]
HOURS = 24
STEP_S = 120
RUNG_HOURS = 6
"""Alerts are looked for in the last hours alone: each minute of each rule is a query."""
INCIDENT = "provider-outage@-45m+45m"
CONFIG = Path(__file__).with_name("history.yml")
_READY_S = 60.0
_ASKED_S = 600.0


def main() -> None:
    """Write a Prometheus' data into a folder."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--end", type=datetime.fromisoformat, required=True, metavar="DATE",
                        help="when it ends, such as 2026-11-27T15:00:00+00:00")  # fmt: skip
    told = parser.parse_args()
    told.folder.mkdir(parents=True)
    end_s = int(told.end.timestamp()) // 300 * 300
    data = told.folder / "data"
    _say("simulating")
    _simulate(told.folder, told.end, data)
    every = rules.read_rules(ROOT / "alerts")
    shown = rules.needed(every, RECORDED)
    _record(told.folder, data, shown, rules.Window(end_s - HOURS * 3600, end_s))
    _record(told.folder, data, every, rules.Window(end_s - RUNG_HOURS * 3600, end_s))


def _simulate(folder: Path, end: datetime, data: Path) -> None:
    file = folder / "traffic.om"
    subprocess.run(
        [sys.executable, "-m", "llm_trace_exporter", "simulate", f"--openmetrics={file}",
         f"--history={HOURS}h", f"--step={STEP_S}s", f"--end={end.isoformat()}",
         "--profile=small", f"--config.file={CONFIG}", f"--incident={INCIDENT}",
         "--job=llm-trace-exporter", "--instance=exporter-0:9891"],
        check=True,
    )  # fmt: skip
    rules.write_blocks(file, data)


def _record(folder: Path, data: Path, told: Sequence[rules.Rule], window: rules.Window) -> None:
    for number, level in enumerate(rules.levels(told)):
        _say(f"evaluating {len(level)} rules")
        file = folder / f"level-{number}.om"
        with _prometheus(folder, data) as ask, file.open("w") as target:
            target.writelines(rules.lines(ask, level, window))
            target.write("# EOF\n")
        rules.write_blocks(file, data)


def _say(text: str) -> None:
    sys.stderr.write(f"{text}\n")


@contextmanager
def _prometheus(folder: Path, data: Path) -> Iterator[rules.Ask]:
    """One that holds the data, for as long as it is asked."""
    config = folder / "prometheus.yml"
    config.write_text("{}\n")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = f"127.0.0.1:{listener.getsockname()[1]}"
    program = shutil.which("prometheus") or "prometheus"
    process = subprocess.Popen(
        [program, f"--config.file={config}", f"--storage.tsdb.path={data}",
         f"--web.listen-address={address}", "--storage.tsdb.retention.time=100y",
         "--query.timeout=10m", "--log.level=error"],
    )  # fmt: skip
    try:
        _wait(f"http://{address}/-/ready")
        yield _asking(f"http://{address}/api/v1/")
    finally:
        process.terminate()
        process.wait()


def _wait(url: str) -> None:
    until = time.monotonic() + _READY_S
    while time.monotonic() < until:
        try:
            if requests.get(url, timeout=_READY_S).ok:
                return
        except requests.ConnectionError:
            time.sleep(0.1)
    raise SystemExit("Prometheus did not start")


def _asking(base: str) -> rules.Ask:
    def ask(path: str, asked: Mapping[str, str | int]) -> list[Any]:
        answer = requests.post(base + path, data=asked, timeout=_ASKED_S).json()
        if answer["status"] != "success":
            raise SystemExit(f"{asked['query']}: {answer['error']}")
        found: list[Any] = answer["data"]["result"]
        return found

    return ask


if __name__ == "__main__":
    main()
