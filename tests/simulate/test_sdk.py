"""What the SDK sends over HTTP comes to the same totals as what history counts directly."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from llm_trace_exporter.app.exporter import Exporter
from llm_trace_exporter.config import Settings
from llm_trace_exporter.config.settings import (
    OtlpGrpcSettings,
    OtlpHttpSettings,
    OtlpSettings,
    WebSettings,
)
from llm_trace_exporter.simulate.live import run_live
from llm_trace_exporter.simulate.sdk import Sender
from tests.facts import Samples
from tests.simulate.world import START_S, counted, samples, traffic

SECONDS = 300.0
OF_THE_WAY = (
    "llm_exporter_ingest_", "llm_exporter_late_", "llm_exporter_scrape_", "llm_exporter_request",
    "llm_exporter_trace_table", "llm_exporter_config", "llm_exporter_security",
    "llm_exporter_metrics_requests", "llm_exporter_price", "llm_exporter_pending",
    "llm_exporter_connections", "llm_exporter_series", "llm_exporter_label_values", "process_",
    "python_",
)  # fmt: skip
"""What depends on the time of arrival, or on the process."""


class Clock:
    """Runs as fast as one looks."""

    def __init__(self) -> None:
        self.now_s = START_S

    def now(self) -> float:
        return self.now_s

    def sleep(self, _: float) -> None:
        self.now_s += 10.0


@pytest.fixture
def exporter() -> Iterator[Exporter]:
    anywhere = OtlpHttpSettings(listen_address="127.0.0.1:0")
    off = OtlpGrpcSettings(listen_address="")
    running = Exporter(
        Settings(
            web=WebSettings(listen_addresses=("127.0.0.1:0",)),
            otlp=OtlpSettings(http=anywhere, grpc=off),
            zero_hold_s=0.0,
            decision_wait_s=60.0,
        )
    )
    running.start()
    yield running
    running.stop()


def totals(found: Samples) -> dict[str, dict[str, float]]:
    return {
        name: {str(sorted(s.labels.items())): s.value for s in of_name}
        for name, of_name in found.by_name.items()
        if not name.startswith(OF_THE_WAY)
    }


def test_both_ways_come_to_the_same_totals(exporter: Exporter) -> None:
    incidents = ("duplicates@1m+1m", "rate-limit@2m+1m")
    clock = Clock()
    address = dict(exporter.listeners())["OTLP/HTTP"]
    sender = Sender(f"http://{address}", {})
    source = traffic(SECONDS, *incidents)
    records = run_live(source, sender, START_S + SECONDS, now=clock.now, sleep=clock.sleep)
    sender.close()
    exporter.engine.ingester.settle_all()
    sent = totals(samples(exporter.engine))
    direct = totals(samples(counted(traffic(SECONDS, *incidents), SECONDS)))
    assert records > 500
    assert sent.keys() == direct.keys()
    for name, values in direct.items():
        assert sent[name] == pytest.approx(values), name
