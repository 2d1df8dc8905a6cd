"""The exporter as the chart would start it: its arguments, files and user."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
import yaml

from helm.values import CHART
from tests.e2e.process import environment
from tests.helm.chart import Helm, Manifest, config, exporter, of_kind, pod_specs

USER = 10001
TOKEN = "f" * 32


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


def as_the_user(command: list[str]) -> list[str]:
    """The command as the pod's user, without any right; as ourselves where we are not root."""
    if os.geteuid() != 0:
        return command
    if shutil.which("setpriv") is None:
        pytest.skip("setpriv is not on PATH")
    user = [f"--reuid={USER}", f"--regid={USER}", "--clear-groups"]
    return ["setpriv", *user, "--no-new-privs", "--bounding-set=-all", *command]


@pytest.fixture
def root() -> Iterator[Path]:
    """A folder that the pod's user may enter, which pytest's own are not."""
    with TemporaryDirectory() as folder:
        path = Path(folder)
        path.chmod(0o755)
        yield path


@contextmanager
def started(objects: list[Manifest], root: Path) -> Iterator[None]:
    """The exporter with the pod's files under `root`, until the block ends."""
    text = config(objects)
    assert text is not None
    container = exporter(objects)
    files = {"/etc/llm-trace-exporter/config/config.yml": text}
    written = yaml.safe_load(text)
    if key := written.get("judge", {}).get("endpoint", {}).get("api_key_file"):
        files[key] = "key"
    for token in written["otlp"].get("tokens", []):
        files[token["file"]] = f"{TOKEN}-{token['name']}\n"
    for path, content in files.items():
        place = root / path.removeprefix("/")
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(
            content.replace("/etc/llm", f"{root}/etc/llm").replace("/var", f"{root}/var")
        )
    state = root / "var/lib/llm-trace-exporter"
    state.mkdir(parents=True)
    if os.geteuid() == 0:
        os.chown(state, USER, USER)
    arguments = [a.replace("/etc/llm", f"{root}/etc/llm") for a in container["args"]]
    command = [sys.executable, "-B", "-m", "llm_trace_exporter"]
    with (root / "log").open("wb") as log:
        process = subprocess.Popen(
            as_the_user([*command, *arguments]),
            cwd=state,
            env=environment(),
            stdout=log,
            stderr=log,
        )
    try:
        yield
        assert process.poll() is None
    finally:
        process.terminate()
        assert process.wait(30) == 0, (root / "log").read_text()
    assert (state / "state.db").exists()


@pytest.mark.parametrize("case", ["default", "config", "tokens"])
def test_it_serves_and_passes_the_charts_test(helm: Helm, case: str, root: Path) -> None:
    ports = {"metrics": free_port(), "otlpHttp.port": free_port(), "otlpGrpc.port": free_port()}
    changed = ",".join(f"ports.{name}={port}" for name, port in ports.items())
    values = str(CHART / "ci" / f"{case}-values.yaml")
    objects = helm.render("-f", values, "--set", changed)
    (test,) = [p for o in of_kind(objects, "Pod") for p in pod_specs([o])]
    (asks,) = test["containers"]
    host = "llm-llm-trace-exporter.observability.svc"
    arguments = [a.replace(host, "127.0.0.1") for a in asks["args"]]
    assert arguments != asks["args"]
    if subprocess.run(as_the_user([sys.executable, "-c", ""]), check=False).returncode != 0:
        pytest.skip("another user may not run this Python")
    with started(objects, root):
        done = subprocess.run(
            as_the_user([sys.executable, "-B", "-m", "llm_trace_exporter", *arguments]),
            env=environment(), cwd="/", capture_output=True, text=True, check=False, timeout=90,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        assert done.stdout.count(": well") == 4
