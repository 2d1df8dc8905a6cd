"""A well-behaved sender and a scraper beside whatever else goes on; neither may notice."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from types import TracebackType

import requests

from tests.e2e.process import DEADLINE_S, Exporter, wait_for
from tests.e2e.wire import Span, traces
from tests.facts import Samples
from tests.spans import chat

SERVICE = "bystander"
CALLS = 3
TOKENS = 15
PAUSE_S = 0.05


class Bystander:
    """Sends and scrapes while the block runs; afterwards its own numbers must be exact."""

    def __init__(self, exporter: Exporter, *, scrape_within_s: float = 10.0) -> None:
        self._exporter = exporter
        self._scrape_within_s = scrape_within_s
        self._stop = threading.Event()
        self._failures: list[BaseException] = []
        self._sent = 0
        self._before = 0.0
        self.slowest_scrape_s = 0.0
        self._threads = [
            threading.Thread(target=self._guarded, args=(work,))
            for work in (self._send, self._scrape)
        ]

    def __enter__(self) -> Bystander:
        self._before = self._exporter.metrics().total("llm_requests_total", service=SERVICE)
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, _: BaseException | None, __: TracebackType | None
    ) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(60)
            assert not thread.is_alive()
        if kind is not None:
            return
        assert not self._failures, self._failures
        expected = self._before + self._sent

        def counted() -> Samples | None:
            at = self._exporter.metrics()
            return at if at.total("llm_requests_total", service=SERVICE) >= expected else None

        wait_for(counted, "the calls of the bystander", 120)
        time.sleep(1)
        at = self._exporter.metrics()
        assert at.total("llm_requests_total", service=SERVICE) == expected
        assert at.total("llm_tokens_total", service=SERVICE) == expected * TOKENS
        assert self.slowest_scrape_s < self._scrape_within_s
        assert self._sent

    def _guarded(self, work: object) -> None:
        try:
            while not self._stop.is_set():
                work()  # type: ignore[operator]
                time.sleep(PAUSE_S)
        except BaseException as error:
            self._failures.append(error)

    def _send(self) -> None:
        body = traces(*[Span(chat((10, 5)))] * CALLS, service=SERVICE)
        while True:
            answer = self._exporter.post(body)
            if answer.status_code == 200:
                self._sent += CALLS
                return
            assert answer.status_code == 503, answer.text
            assert int(answer.headers["Retry-After"]) >= 1
            time.sleep(0.05)

    def _scrape(self) -> None:
        started_s = time.monotonic()
        answer = requests.get(f"{self._exporter.web}/metrics", timeout=DEADLINE_S)
        assert answer.status_code == 200
        self.slowest_scrape_s = max(self.slowest_scrape_s, time.monotonic() - started_s)


def resident_mb(exporter: Exporter) -> float:
    """Memory of the process, MB."""
    for line in Path(f"/proc/{exporter.process.pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    raise AssertionError("no VmRSS")
