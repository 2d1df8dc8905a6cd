"""Run by test_multiprocess: forks while the thread that counts writes to the shared files."""

from __future__ import annotations

import os
import signal
import sys
import time
from typing import Any

from prometheus_client import Counter, mmap_dict

from llm_trace_exporter.inprocess import counting
from tests.inprocess.test_processors import Application

FORKS = 8
PARENT = os.getpid()
_files: Any = mmap_dict.MmapedDict
_write = _files.write_value


def _slowly(*arguments: Any) -> None:
    """As on a slow disk, so that most moments are in the middle of a write."""
    if os.getpid() == PARENT:
        time.sleep(0.001)
    _write(*arguments)


def main() -> None:
    """End with the number of children that could not go on."""
    counting.TICK_S = 0.01
    _files.write_value = _slowly
    own = Counter("answers", "A metric of the application's own.")
    app = Application(decision_wait_s=0.05)
    failed = 0
    for number in range(FORKS):
        app.call(**{"gen_ai.response.model": f"model-{number}"})
        time.sleep(0.2)
        child = os.fork()
        if child == 0:
            signal.alarm(5)
            own.inc()
            app.call()
            os._exit(0 if app.processor.force_flush(5_000) else 1)
        failed += os.waitpid(child, 0)[1] != 0
    sys.stdout.write(f"{failed}\n")
    sys.stdout.flush()
    os._exit(0)


if __name__ == "__main__":
    main()
