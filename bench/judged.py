"""What the built-in judge takes from ingestion: processor time beside the same without it.

The rule needs what these calls do not have, so everything is done but asking: how often a model is
asked is limited by money, long before it is by this process.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path

from bench.effort import Effort
from bench.inprocess import relaxed_collector
from bench.payloads import Shape, requests
from bench.table import Row
from llm_trace_exporter.config import Settings, parse_config
from llm_trace_exporter.engine.content_consumers import ContentConsumers
from llm_trace_exporter.engine.engine import Engine

ALLOWED = 0.05
"""How much more a span may take at the rate that is sensible for traffic."""

_RATES = (0.0, 0.02, 1.0)
_MILLION = 1e6
_GROUP = "decode + aggregate with the built-in judge (baseline: without)"
_CONFIG = """
zero_hold: 0s
judge:
  endpoint: {{url: "http://127.0.0.1:9/v1", model: gpt-4o-mini, provider: openai}}
  rules:
    - {{name: good, question: "Is it?", inputs: [user, answer, tool_results],
       sample: [{{rate: {}}}]}}
"""


def measure(effort: Effort, _: Path) -> list[Row]:
    """Rows by size of the texts and by sampling rate."""
    rows = []
    for size in (s for s in effort.content_bytes if s):
        with relaxed_collector():
            took_us = _took_us(effort, size)
        off_us = took_us[0.0]
        for rate in _RATES[1:]:
            name = f"{size / 1_000:g} KB of text, {rate:.0%} of the traces"
            budget = off_us * (1 + ALLOWED) if rate < 1 else None
            rows.append(Row(_GROUP, name, "µs/span", "lower", took_us[rate], off_us, budget))
    return rows


def _took_us(effort: Effort, size: int) -> dict[float, float]:
    shape = Shape(content_bytes=size)
    took_us: dict[float, list[float]] = {rate: [] for rate in _RATES}
    counters = {rate: _aggregator(_settings(rate)) for rate in _RATES}
    for number in range(effort.rounds + 1):
        bodies = requests(
            effort.requests, shape, now_ns=time.time_ns(), first_seed=number * effort.requests
        )
        for rate in _RATES[:: -1 if number % 2 else 1]:
            started_s = time.process_time()
            counters[rate][0](bodies)
            spent_s = time.process_time() - started_s
            if number:  # the first round fills caches
                took_us[rate].append(spent_s * _MILLION / (len(bodies) * shape.spans))
    for _, close in counters.values():
        close()
    return {rate: min(took) for rate, took in took_us.items()}


def _settings(rate: float) -> Settings:
    return parse_config(_CONFIG.format(rate), "bench") if rate else Settings(zero_hold_s=0.0)


def _aggregator(settings: Settings) -> tuple[Callable[[Sequence[bytes]], None], Callable[[], None]]:
    engine = Engine(settings)
    listening = ContentConsumers(engine.ingester, engine.store, lambda: engine.pricing)
    listening.apply(settings)

    def count(bodies: Sequence[bytes]) -> None:
        for body in bodies:
            engine.ingester.ingest_request("traces", "protobuf", body, "otlp_http")
        engine.ingester.settle_all()

    return count, listening.close
