"""Run by test_multiprocess: calls here and in two processes forked from here; the page of all."""

from __future__ import annotations

import os
import sys
from typing import Any

from prometheus_client import CollectorRegistry, Counter, multiprocess
from prometheus_client.exposition import generate_latest

from tests.inprocess.test_processors import Application

_shared: Any = multiprocess
CALLS = (3, 5, 7)
"""Of this process and of its children."""


def main() -> None:
    """Print the page when the children have ended."""
    own = Counter("answers", "A metric of the application's own.")
    app = Application()
    app.call()
    for calls in CALLS[1:]:
        child = os.fork()
        if child == 0:
            _work(app, own, calls)
            os._exit(0)
        assert os.waitpid(child, 0)[1] == 0
        _shared.mark_process_dead(child)
    _work(app, own, CALLS[0] - 1)
    # Another of the same process: what is in its files by now must stay.
    again = Application()
    again.call()
    again.provider.shutdown()
    registry = CollectorRegistry()
    _shared.MultiProcessCollector(registry)
    sys.stdout.write(generate_latest(registry).decode())


def _work(app: Application, own: Counter, calls: int) -> None:
    for _ in range(calls):
        app.call()
        own.inc()
    app.provider.shutdown()


if __name__ == "__main__":
    main()
