"""The command as a process of its own, with what it prints kept in files."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, Any, TypeVar

import requests
import yaml

from tests.e2e.warm import Warm, environment
from tests.facts import Samples

ROOT = Path(__file__).parents[2]
DEADLINE_S = 30.0
LONGEST_S = 120.0
"""Of a command that works for seconds, where others use the machine as well."""
ANYWHERE = (
    "--web.listen-address=127.0.0.1:0",
    "--otlp.http.listen-address=127.0.0.1:0",
    "--otlp.grpc.listen-address=127.0.0.1:0",
    "--web.enable-lifecycle",
)
OPENMETRICS = "application/openmetrics-text; version=1.0.0"

_LISTENING = re.compile(r"listening for (metrics|OTLP/HTTP|OTLP/gRPC) on ([^\s\"]+)")
_T = TypeVar("_T")


def wait_for(found: Callable[[], _T | None], what: str, deadline_s: float = DEADLINE_S) -> _T:
    """The first result that is true; fails when none comes in time."""
    begun_s = time.monotonic()
    while not (result := found()):
        waited_s = time.monotonic() - begun_s
        assert waited_s < deadline_s, f"did not come in time: {what}"
        # Whoever is asked works for it, too: what takes seconds is asked for less often.
        time.sleep(min(0.01 + waited_s / 20, 0.1))
    return result


def command(*arguments: str) -> list[str]:
    """The command line of the product."""
    return [sys.executable, "-m", "llm_trace_exporter", *arguments]


def run(*arguments: str, code: int = 0, stdin: bytes | None = None) -> tuple[str, str]:
    """Run a command to its end, with a pipe as its standard input if there is something for it.

    Returns: its standard output and standard error.
    """
    with TemporaryFile() as out, TemporaryFile() as err:
        reads, writes = os.pipe()
        try:
            process = Warm(arguments, out, err, None if stdin is None else reads)
        finally:
            os.close(reads)
        try:
            # Whoever does not read what it is given leaves early.
            with suppress(BrokenPipeError), os.fdopen(writes, "wb") as pipe:
                pipe.write(stdin or b"")
            ended = process.wait(LONGEST_S)
        finally:
            process.kill()
        out.seek(0)
        err.seek(0)
        return _told(ended, out.read(), err.read(), code)


def _told(ended: int, out: bytes, err: bytes, code: int) -> tuple[str, str]:
    output, errors = out.decode(), err.decode()
    assert ended == code, (ended, output, errors)
    assert "Traceback" not in errors
    return output, errors


def _cold(arguments: Sequence[str], out: IO[bytes], err: IO[bytes]) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        arguments,
        stdin=subprocess.DEVNULL,
        stdout=out,
        stderr=err,
        cwd=ROOT,
        env=environment(),
    )


class Exporter:
    """A started `serve`."""

    def __init__(
        self,
        folder: Path,
        arguments: Sequence[str],
        started_by: Sequence[str] = (),
        *,
        is_cold: bool = False,
    ) -> None:
        """Start it; `started_by` is a command that runs the one after it.

        A cold one imports what it needs, as it does outside of tests.
        """
        self._stdout = folder / "stdout.txt"
        self._stderr = folder / "stderr.txt"
        with self._stdout.open("wb") as out, self._stderr.open("wb") as err:
            self.process = (
                _cold([*started_by, *command("serve", *arguments)], out, err)
                if started_by or is_cold
                else Warm(["serve", *arguments], out, err)
            )

    @property
    def output(self) -> str:
        """Standard output so far."""
        return self._stdout.read_text()

    @property
    def log(self) -> str:
        """Standard error so far."""
        return self._stderr.read_text()

    @property
    def own_log(self) -> str:
        """The log without gRPC's lines: it logs an error where a client left before its answer."""
        lines = self.log.splitlines(keepends=True)
        return "".join(line for line in lines if " component=grpc " not in line)

    def wait_until_listening(self, listeners: int) -> None:
        """Wait for the line of each listener."""
        wait_for(lambda: self._ended() or len(self._addresses()) == listeners, "addresses")
        assert not self._ended(), self.log

    @property
    def web(self) -> str:
        """Base URL of the metrics listener."""
        return f"http://{self._addresses()['metrics']}"

    @property
    def http(self) -> str:
        """Base URL of the OTLP/HTTP listener."""
        return f"http://{self._addresses()['OTLP/HTTP']}"

    @property
    def grpc(self) -> str:
        """host:port of the OTLP/gRPC listener."""
        return self._addresses()["OTLP/gRPC"]

    def get(self, path: str, **options: Any) -> requests.Response:
        """Ask the metrics listener."""
        return requests.get(self.web + path, timeout=DEADLINE_S, **options)

    def metrics(self) -> Samples:
        """What a scrape shows."""
        return Samples(self.get("/metrics").text)

    def post(
        self,
        body: bytes,
        signal_name: str = "traces",
        media_type: str = "application/x-protobuf",
        **headers: str,
    ) -> requests.Response:
        """Send one OTLP request; `_` in a header's name stands for a hyphen."""
        return requests.post(
            f"{self.http}/v1/{signal_name}",
            data=body,
            headers={
                "Content-Type": media_type,
                **{k.replace("_", "-"): v for k, v in headers.items()},
            },
            timeout=DEADLINE_S,
        )

    def send(self, body: bytes, signal_name: str = "traces") -> None:
        """Send one OTLP request that is taken whole."""
        answer = self.post(body, signal_name)
        assert (answer.status_code, answer.content) == (200, b""), answer.text

    def wait_until_settled(self) -> Samples:
        """Wait until nothing waits any more; what a scrape then shows."""

        def settled() -> Samples | None:
            samples = self.metrics()
            return None if samples.total("llm_exporter_pending_calls") else samples

        return wait_for(settled, "everything settled")

    def reload(self, code: int = 200) -> str:
        """Have the configuration read anew by a request; the answer's text."""
        answer = requests.post(f"{self.web}/-/reload", timeout=DEADLINE_S)
        assert answer.status_code == code, answer.text
        return answer.text

    def signal(self, number: signal.Signals) -> None:
        """Send a signal."""
        self.process.send_signal(number)

    def ended(self) -> int:
        """Wait for the end; the exit code."""
        return self.process.wait(DEADLINE_S)

    def _ended(self) -> bool:
        return self.process.poll() is not None

    def _addresses(self) -> Mapping[str, str]:
        return dict(_LISTENING.findall(self.log))


@contextmanager
def running(
    folder: Path,
    *arguments: str,
    config: Any = None,
    listeners: int = 3,
    started_by: Sequence[str] = (),
    is_cold: bool = False,
) -> Iterator[Exporter]:
    """A listening exporter on free ports, with `config` (a mapping) as its file.

    A later argument outranks an earlier one; the last two are `Exporter`'s. It must end by SIGTERM
    with code 0 unless a test has ended it, and must not have logged a failure of its own.
    """
    folder.mkdir(parents=True, exist_ok=True)
    given = [*ANYWHERE]
    if config is not None:
        file = folder / "config.yml"
        file.write_text(yaml.safe_dump(config))
        given.append(f"--config.file={file}")
    exporter = Exporter(folder, [*given, *arguments], started_by, is_cold=is_cold)
    try:
        exporter.wait_until_listening(listeners)
        yield exporter
        if exporter.process.poll() is None:
            exporter.process.terminate()
            assert exporter.ended() == 0
        for sign in (
            "Traceback",
            "export failed",
            "component=background level=error",
            "ResourceWarning",
        ):
            assert sign not in exporter.own_log, exporter.log
    finally:
        if exporter.process.poll() is None:
            exporter.process.kill()
            exporter.process.wait(DEADLINE_S)
