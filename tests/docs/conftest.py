"""A started exporter, and a shell in which the examples find it at the documented addresses."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest
import requests

from tests.docs.pages import ROOT

ANY_PORT = "--web.listen-address 127.0.0.1:0 --otlp.http.listen-address 127.0.0.1:0 "
ANY_PORT += "--otlp.grpc.listen-address 127.0.0.1:0"
DEADLINE_S = 30


@dataclass(frozen=True, slots=True)
class Running:
    """A started exporter."""

    addresses: Mapping[str, str]
    """Documented address -> the one it has here."""

    def here(self, text: str) -> str:
        """The text with the documented addresses replaced."""
        for documented, actual in self.addresses.items():
            text = text.replace(documented, actual)
        return text

    def calls_of(self, service: str) -> float:
        """Calls of a service that were counted."""
        page = requests.get(f"http://{self.addresses['localhost:9891']}/metrics", timeout=10).text
        line = re.compile(rf'^llm_requests_total\{{.*service="{service}".*\}} (\S+)$', re.MULTILINE)
        return sum(map(float, line.findall(page)))

    def wait_for_call(self, service: str) -> None:
        """Wait until a call of a service is counted."""
        deadline = time.monotonic() + DEADLINE_S
        while not self.calls_of(service):
            assert time.monotonic() < deadline, f"no call of {service} was counted"
            time.sleep(0.1)


@pytest.fixture(scope="session")
def command_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with `llm-trace-exporter`, for PATH; works from a checkout, too."""
    folder = tmp_path_factory.mktemp("bin")
    command = folder / "llm-trace-exporter"
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m llm_trace_exporter "$@"\n')
    command.chmod(0o755)
    return folder


@pytest.fixture(scope="session")
def environment(command_folder: Path) -> dict[str, str]:
    """Environment variables for examples, without settings of whoever runs the tests."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith("OTEL_")}
    path = [str(command_folder), str(Path(sys.executable).parent), kept.get("PATH", "")]
    modules = [str(ROOT / "exporter"), kept.get("PYTHONPATH", "")]
    return {**kept, "PATH": ":".join(path), "PYTHONPATH": ":".join(filter(None, modules))}


Shell = Callable[[str], str]


@pytest.fixture(scope="session")
def shell(environment: dict[str, str]) -> Shell:
    """Runs a script in the repository's root; returns what it prints."""

    def run(script: str) -> str:
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", script],
            cwd=ROOT,
            env=environment,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run


@dataclass(slots=True)
class Serving:
    """A `serve` command that has printed what it listens on."""

    process: subprocess.Popen[str]
    listeners: dict[str, str]
    """Purpose as it is printed -> host:port."""

    def end(self) -> int:
        """Ask it to end; its exit code."""
        self.process.terminate()
        return self.process.wait(DEADLINE_S)


Serve = Callable[[str], Serving]


@pytest.fixture(scope="session")
def serve(environment: dict[str, str]) -> Iterator[Serve]:
    """Starts a `serve` command on free ports and waits until it serves."""
    started: list[subprocess.Popen[str]] = []

    def start(command: str) -> Serving:
        process = subprocess.Popen(
            ["bash", "-c", f"exec {command.strip()} {ANY_PORT} --summary"],
            cwd=ROOT,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        started.append(process)
        watchdog = threading.Timer(DEADLINE_S, process.kill)
        watchdog.start()
        assert process.stdout is not None
        listeners: dict[str, str] = {}
        for line in process.stdout:
            found = re.fullmatch(
                r"(metrics|OTLP/\w+)\s+(?:http://)?([^/\s]+)(?:/metrics)?", line[:-1]
            )
            if found:
                listeners[found[1]] = found[2]
            if line.startswith("serving"):
                break
        watchdog.cancel()
        assert process.poll() is None, f"did not start: {command}"
        return Serving(process, listeners)

    yield start
    for process in started:
        if process.poll() is None:
            process.kill()
        process.wait()
        if process.stdout is not None:
            process.stdout.close()


@pytest.fixture(scope="session")
def running(serve: Serve) -> Running:
    """An exporter that counts and shows at once."""
    serving = serve("llm-trace-exporter serve --zero-hold 0s --decision-wait 0s")
    return Running(
        {
            "localhost:9891": serving.listeners["metrics"],
            "localhost:4318": serving.listeners["OTLP/HTTP"],
            "localhost:4317": serving.listeners["OTLP/gRPC"],
        }
    )
