"""Several senders that behave as OTLP says, and what must hold of them at any time."""

from __future__ import annotations

import threading
import time
from collections import defaultdict

import requests

from tests.e2e.process import Exporter
from tests.e2e.wire import Span, traces
from tests.facts import Samples
from tests.spans import chat

SENDERS = 3
SPANS = 5
LABELS = ("region", "tenant", "channel", "plan")
"""Attributes that a configuration may make labels of."""


class Load:
    """Senders that go on until told to stop; what is under way is then brought home."""

    def __init__(self) -> None:
        self.url = ""
        self.refused = 0
        """Requests that were asked to come again."""
        self.acknowledged = [0] * SENDERS
        self.highest: dict[tuple[str, tuple[tuple[str, str], ...]], float] = defaultdict(float)
        self._stop = threading.Event()
        self._threads = [
            threading.Thread(target=self._send, args=(number,)) for number in range(SENDERS)
        ]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def finish(self) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(60)
            assert not thread.is_alive()

    def _send(self, number: int) -> None:
        while not self._stop.is_set():
            attrs = chat((10, 5)) | {label: str(self.acknowledged[number] % 7) for label in LABELS}
            body = traces(*[Span(attrs)] * SPANS, service=f"sender-{number}")
            while not self._acknowledged(body):
                time.sleep(0.01)
            self.acknowledged[number] += SPANS

    def _acknowledged(self, body: bytes) -> bool:
        try:
            answer = requests.post(
                f"{self.url}/v1/traces",
                data=body,
                headers={"Content-Type": "application/x-protobuf"},
                timeout=10,
            )
        except requests.RequestException:
            return False
        assert answer.status_code in (200, 503), answer.text
        if answer.status_code == 503:
            assert int(answer.headers["Retry-After"]) >= 1
            self.refused += 1
        return answer.status_code == 200

    def check_monotone(self, at: Samples) -> None:
        """No counter of what was received goes backwards, over restarts too."""
        for name, samples in at.by_name.items():
            if not name.startswith(("llm_requests", "llm_tokens", "llm_cost")):
                continue
            for sample in samples:
                key = (name, tuple(sorted(sample.labels.items())))
                assert sample.value >= self.highest[key], key
                self.highest[key] = sample.value

    def check_counted(self, exporter: Exporter) -> None:
        """What was acknowledged is counted once; call it after `finish`."""
        at = _settled(exporter, sum(self.acknowledged))
        for number, acknowledged in enumerate(self.acknowledged):
            service = f"sender-{number}"
            assert at.total("llm_requests_total", service=service) == acknowledged
            assert at.total("llm_tokens_total", service=service) == acknowledged * 15


def _settled(exporter: Exporter, expected: float) -> Samples:
    end = time.monotonic() + 30
    while True:
        at = exporter.metrics()
        own = [at.total("llm_requests_total", service=f"sender-{n}") for n in range(SENDERS)]
        if sum(own) >= expected or time.monotonic() > end:
            return at
        time.sleep(0.1)
