"""The exporter and the baseline as processes of their own."""

from __future__ import annotations

import http.client
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

ROOT = Path(__file__).parents[1]
EXPORTER = (
    sys.executable, "-m", "llm_trace_exporter", "serve",
    "--web.listen-address=127.0.0.1:0",
    "--otlp.http.listen-address=127.0.0.1:0",
    "--otlp.grpc.listen-address=127.0.0.1:0",
)  # fmt: skip
BASELINE = (sys.executable, "-m", "bench.baseline")

T = TypeVar("T")

_DEADLINE_S = 120.0
_POLL_S = 0.005
_LISTENING = re.compile(r"listening for (metrics|OTLP/HTTP|OTLP/gRPC) on ([\w.]+:\d+)")


class Process:
    """A started server; its times and sizes are read from /proc."""

    def __init__(
        self,
        command: Sequence[str],
        log: Path,
        ready_path: str,
        addresses: Mapping[str, str] | None = None,
    ) -> None:
        """Start, and wait until it answers 200 at `ready_path`.

        Args:
            command: What to start.
            log: Where its output goes.
            ready_path: A page of its metrics listener.
            addresses: Purpose -> host:port, of one that does not log where it listens.
        """
        self._log = log
        self._addresses = dict(addresses or {})
        modules = [str(ROOT / "exporter"), str(ROOT), os.environ.get("PYTHONPATH", "")]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, modules))}
        started_s = time.perf_counter()
        with log.open("wb") as errors:
            self._process = subprocess.Popen(  # noqa: S603 - our own command
                command, stdin=subprocess.DEVNULL, stdout=errors, stderr=errors, env=environment
            )
        try:
            self._wait(started_s, ready_path)
        except BaseException:
            self.kill()
            raise
        self.start_s = time.perf_counter() - started_s
        """Seconds from the start of the process to its being ready."""

    def address(self, purpose: str) -> str:
        """host:port of `metrics`, `OTLP/HTTP` or `OTLP/gRPC`."""
        return self._addresses[purpose]

    @property
    def cpu_s(self) -> float:
        """Processor seconds used so far, by all threads."""
        stat = Path(f"/proc/{self._process.pid}/stat").read_text()
        user, system = stat.rpartition(")")[2].split()[11:13]
        return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")

    @property
    def resident_mb(self) -> float:
        """Resident memory in megabytes (10**6 bytes)."""
        status = Path(f"/proc/{self._process.pid}/status").read_text()
        found = re.search(r"^VmRSS:\s+(\d+) kB", status, re.MULTILINE)
        return int(found[1]) * 1_024 / 1e6 if found else 0.0

    def scrape(self, query: str = "") -> bytes:
        """The body of /metrics, as Prometheus gets it but uncompressed."""
        return get(self.address("metrics"), f"/metrics{query}")

    def sample(self, name: str) -> float:
        """The value of a family of one sample; 0 where there is none."""
        page = get(self.address("metrics"), f"/metrics?name[]={name}").decode()
        found = re.search(rf"^{name} (\S+)$", page, re.MULTILINE)
        return float(found[1]) if found else 0.0

    def kill(self) -> None:
        """End it as a crash would."""
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()

    def stop(self) -> None:
        """End it as an operator would."""
        self._process.terminate()
        try:
            self._process.wait(30)
        except subprocess.TimeoutExpired:
            self.kill()

    def _wait(self, started_s: float, ready_path: str) -> None:
        while time.perf_counter() - started_s < _DEADLINE_S:
            if self._process.poll() is not None:
                raise RuntimeError(f"it ended at once:\n{self._log.read_text()}")
            if len(self._addresses) < 3:
                self._addresses = dict(_LISTENING.findall(self._log.read_text()))
            elif _is_ready(self._addresses["metrics"], ready_path):
                return
            time.sleep(_POLL_S)
        raise RuntimeError(f"it was not ready in time:\n{self._log.read_text()}")


@contextmanager
def exporter(folder: Path, config: str) -> Iterator[Process]:
    """The exporter with a configuration, given as YAML."""
    file = folder / "config.yml"
    file.write_text(config)
    command = (*EXPORTER, f"--config.file={file}")
    with running(Process(command, folder / "exporter.log", "/-/ready")) as process:
        yield process


@contextmanager
def baseline(folder: Path) -> Iterator[Process]:
    """The baseline."""
    with running(Process(BASELINE, folder / "baseline.log", "/metrics")) as process:
        yield process


@contextmanager
def on_cores(number: int) -> Iterator[None]:
    """Keep this process, and those it starts, on so many cores where the system can."""
    if not hasattr(os, "sched_setaffinity"):
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, sorted(before)[-number:])
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def in_turn(servers: Sequence[T], number: int) -> list[tuple[int, T]]:
    """Servers, and which each is; every other round the last one is first."""
    return list(enumerate(servers))[:: -1 if number % 2 else 1]


def get(address: str, path: str) -> bytes:
    """The body of a page.

    Raises: RuntimeError where the answer is not 200.
    """
    connection = http.client.HTTPConnection(address, timeout=_DEADLINE_S)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        body = answer.read()
    finally:
        connection.close()
    if answer.status != 200:
        raise RuntimeError(f"{path} answered {answer.status}")
    return body


def _is_ready(address: str, path: str) -> bool:
    try:
        get(address, path)
    except (OSError, RuntimeError):
        return False
    return True


@contextmanager
def running(process: Process) -> Iterator[Process]:
    """A process until the end of a block."""
    try:
        yield process
    finally:
        process.stop()
