"""Commands that need not import themselves: forks of a process that has.

Imports take a CPU most of a second, and the tests start hundreds of commands. Such a fork has all
that a process has, from a command line, an environment, files and signals of its own to the
interpreter's end. What happens while modules are loaded is shown by those tests that start it cold.
"""

from __future__ import annotations

import atexit
import functools
import gc
import json
import os
import select
import signal
import socket
import subprocess
import sys
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import IO

ROOT = Path(__file__).parents[2]
_LARGEST, _WIDTH = 1 << 20, 8
_COMMANDS = ("commands", "options", "simulate", "doctor", "evaluate", "healthcheck")
_AS_NEEDED = ("uvloop", "httptools", "uvicorn.protocols.http.httptools_impl")
"""What libraries load by name when they start."""


def environment() -> dict[str, str]:
    """Variables for the command, without settings of whoever runs the tests."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith("OTEL_")}
    modules = [str(ROOT / "exporter"), kept.get("PYTHONPATH", "")]
    return {
        **kept,
        "PYTHONPATH": ":".join(filter(None, modules)),
        "PYTHONWARNINGS": "default::ResourceWarning",
    }


class Warm:
    """A started command, with what tests use of a `subprocess.Popen`."""

    def __init__(
        self,
        arguments: Sequence[str],
        out: IO[bytes],
        err: IO[bytes],
        stdin: int | None = None,
    ) -> None:
        """Start it; there is nothing on its standard input unless a descriptor is given."""
        self.returncode: int | None = None
        self._status, status = os.pipe()
        nothing = os.open(os.devnull, os.O_RDONLY)
        try:
            message = json.dumps([list(arguments), environment()]).encode()
            files = [nothing if stdin is None else stdin, out.fileno(), err.fileno()]
            socket.send_fds(_source(), [message], [*files, status])
        finally:
            os.close(nothing)
            os.close(status)
        self.pid = int(self._read())

    def poll(self) -> int | None:
        """The exit code, negative for a signal; None while it runs."""
        if self.returncode is None and select.select([self._status], [], [], 0)[0]:
            self.returncode = int(self._read())
            os.close(self._status)
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Wait for the exit code.

        Raises: subprocess.TimeoutExpired.
        """
        if self.returncode is None and not select.select([self._status], [], [], timeout)[0]:
            raise subprocess.TimeoutExpired("llm-trace-exporter", timeout or 0.0)
        code = self.poll()
        assert code is not None
        return code

    def send_signal(self, number: int) -> None:
        """Send a signal, unless it has ended."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        """Send SIGTERM."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """Send SIGKILL."""
        self.send_signal(signal.SIGKILL)

    def _read(self) -> bytes:
        """One number of whoever waits for the process."""
        read = os.read(self._status, _WIDTH)
        assert read, "whoever waits for the process is gone"
        return read


@functools.cache
def _source() -> socket.socket:
    """Whom to ask for forks: started once, ends with this process."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with theirs:
        source = subprocess.Popen(
            [sys.executable, "-m", __name__, str(theirs.fileno())],
            stdin=subprocess.DEVNULL,
            pass_fds=[theirs.fileno()],
            cwd=ROOT,
            env=environment(),
        )

    def end() -> None:
        ours.close()
        source.wait()

    atexit.register(end)
    return ours


def _become() -> list[str]:
    """Fork on demand; returns in each fork, with what follows the command's name."""
    for name in _COMMANDS:
        import_module(f"llm_trace_exporter.cli.{name}")
    for name in _AS_NEEDED:
        import_module(name)
    # Else each fork goes through all of it at its end, which takes four times as long as the rest.
    gc.freeze()
    interrupt = signal.signal(signal.SIGINT, signal.SIG_IGN)
    with socket.socket(fileno=int(sys.argv[1])) as asks:
        while True:
            message, fds, _, _ = socket.recv_fds(asks, _LARGEST, 4)
            _reap()
            if not message:
                os._exit(0)
            if not os.fork():
                break
            for fd in fds:
                os.close(fd)
    *files, status = fds
    _wait_for_a_fork(files, status)
    os.close(status)
    for number, fd in enumerate(files):
        os.dup2(fd, number)
        os.close(fd)
    arguments, env = json.loads(message)
    os.environ.clear()
    os.environ.update(env)
    signal.signal(signal.SIGINT, interrupt)
    return list(arguments)


def _wait_for_a_fork(files: Sequence[int], status: int) -> None:
    """Fork; say its number, then how it ended. Returns in the fork."""
    if child := os.fork():
        for fd in files:
            os.close(fd)
        os.write(status, _number(child))
        _, ended = os.waitpid(child, 0)
        os.write(status, _number(os.waitstatus_to_exitcode(ended)))
        os._exit(0)


def _number(number: int) -> bytes:
    return str(number).rjust(_WIDTH).encode()


def _reap() -> None:
    """Forget those who waited, whose time counts as ours from then on."""
    try:
        while os.waitpid(-1, os.WNOHANG) != (0, 0):
            pass
    except ChildProcessError:
        pass


if __name__ == "__main__":
    sys.argv[1:] = _become()
    from llm_trace_exporter.__main__ import main

    sys.exit(main())
