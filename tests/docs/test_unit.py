"""The systemd unit says what systemd and the command understand."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from llm_trace_exporter.cli.main import main
from tests.docs.pages import ROOT

UNIT = ROOT / "examples" / "llm-trace-exporter.service"
PROGRAM = "/opt/llm-trace-exporter/bin/llm-trace-exporter"
CONFIG = "/etc/llm-trace-exporter/config.yml"


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="no systemd-analyze on PATH")
def test_systemd_understands_it(tmp_path: Path) -> None:
    unit = tmp_path / UNIT.name
    unit.write_text(UNIT.read_text().replace(PROGRAM, sys.executable))
    done = subprocess.run(
        ["systemd-analyze", "verify", str(unit)], capture_output=True, text=True, check=False
    )
    assert (done.returncode, [line for line in done.stderr.splitlines() if UNIT.name in line]) == (
        0,
        [],
    )


def test_its_commands_exist(tmp_path: Path) -> None:
    config = tmp_path / "config.yml"
    config.write_text(f"state: {{path: {tmp_path}/state.db}}\n")
    started = [
        line.partition(f"{PROGRAM} ")[2].replace(CONFIG, str(config)).split()
        for line in UNIT.read_text().splitlines()
        if line.startswith("ExecStart")
    ]
    check, serve = started
    assert (check[0], serve[0]) == ("check", "serve")
    assert main(check) == 0
    assert main([*serve, "--config.check"]) == 0
