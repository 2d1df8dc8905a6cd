"""What a span costs while there are few label sets, and many: processor time of this process.

Every label set is a service of its own, each span comes with its service's resource, and services
come by chance: whatever is remembered of one is asked for after many others. What stands in the
column of the baseline is the cost at the fewest label sets.
"""

from __future__ import annotations

import random
import time
from collections.abc import Sequence
from pathlib import Path

from bench.effort import Effort
from bench.inprocess import relaxed_collector
from bench.payloads import label_sets
from bench.table import Row
from llm_trace_exporter.config import Settings
from llm_trace_exporter.config.settings import LabelSettings, SeriesSettings
from llm_trace_exporter.engine.engine import Engine

SIZES = (100, 10_000, 100_000)
"""Label sets."""

_ROUNDS = 3
_AT_ONCE = 100
_SPANS = 8_000
_MILLION = 1e6


def measure(effort: Effort, folder: Path) -> list[Row]:
    """A row for each number of label sets."""
    del effort, folder
    with relaxed_collector():
        engines = {size: _full(size) for size in SIZES}
        took_us = {
            size: min(_round(engines[size], size, n) for n in range(_ROUNDS)) for size in SIZES
        }
    first = took_us[SIZES[0]]
    return [
        Row(
            f"growth (baseline: {SIZES[0]} label sets)",
            f"{size:,} label sets",
            "µs/span",
            "lower",
            took_us[size],
            first,
        )
        for size in SIZES[1:]
    ]


def _full(size: int) -> Engine:
    """An engine that has counted calls of each label set, and as many as any other engine."""
    engine = Engine(
        Settings(
            zero_hold_s=0.0,
            labels=LabelSettings(caps={"service": 2 * size}),
            series=SeriesSettings(max_per_family=20 * size),
        )
    )
    names = range(size)
    each = [names[at : at + _AT_ONCE] for at in range(0, size, _AT_ONCE)]
    _count(engine, each * (SIZES[-1] // size), 0)
    return engine


def _round(engine: Engine, size: int, number: int) -> float:
    """Microseconds of a span."""
    chance = random.Random(number)  # noqa: S311 - not for secrets
    names = [chance.sample(range(size), _AT_ONCE) for _ in range(_SPANS // _AT_ONCE)]
    return _count(engine, names, (1 + number) * SIZES[-1]) * _MILLION / _SPANS


def _count(engine: Engine, names: Sequence[Sequence[int]], first_seed: int) -> float:
    bodies = [
        label_sets(each, seed=first_seed + n, now_ns=time.time_ns()) for n, each in enumerate(names)
    ]
    started_s = time.process_time()
    for body in bodies:
        engine.ingester.ingest_request("traces", "protobuf", body, "otlp_http")
    engine.ingester.settle_all()
    return time.process_time() - started_s
