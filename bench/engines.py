"""The native engine beside Python's: decoding and counting, from protobuf and from JSON.

What stands in the column of the baseline is the Python engine. Rounds take turns, and each gets
requests that neither has seen.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from bench.effort import Effort
from bench.inprocess import relaxed_collector
from bench.payloads import Shape, as_json, requests
from bench.table import Row
from llm_trace_exporter.config import Settings
from llm_trace_exporter.dialects import WANTED_PATTERN, wanted_keys
from llm_trace_exporter.engine.engine import Engine
from llm_trace_exporter.engine.wiring import context
from llm_trace_exporter.otlp.attributes import KeyFilter
from llm_trace_exporter.otlp.decode import spans_of
from llm_trace_exporter.otlp.native import EngineName, chosen
from llm_trace_exporter.otlp.records import Encoding

_ENGINES: tuple[EngineName, ...] = ("native", "python")
_MILLION = 1e6
_Took = Mapping[tuple[EngineName, Encoding, str], float]


def measure(effort: Effort, folder: Path) -> list[Row]:
    """Rows for each size and encoding; none where the native engine is not installed."""
    del folder
    if chosen("auto") == "python":
        return []
    rows = []
    with relaxed_collector():
        for size in effort.content_bytes:
            took_us = _size(effort, Shape(content_bytes=size))
            for encoding in ("protobuf", "json"):
                for work in ("decode", "count"):
                    ours, theirs = (took_us[engine, encoding, work] for engine in _ENGINES)
                    name = f"{work}, {encoding}, {size / 1_000:g} KB of text"
                    rows.append(
                        Row(
                            "native engine (baseline: Python's)",
                            name,
                            "µs/span",
                            "lower",
                            ours,
                            theirs,
                        )
                    )
    return rows


def _size(effort: Effort, shape: Shape) -> _Took:
    """Microseconds of a span, the best of the rounds after the first."""
    counting = {name: Engine(Settings(zero_hold_s=0.0, engine=name)) for name in _ENGINES}
    keys = wanted_keys(context(Settings()))
    reading = {name: KeyFilter(keys, WANTED_PATTERN, engine=name) for name in _ENGINES}
    best: dict[tuple[EngineName, Encoding, str], float] = {}
    for number in range(effort.rounds + 1):
        first = number * effort.requests
        sent = requests(effort.requests, shape, now_ns=time.time_ns(), first_seed=first)
        other = requests(effort.requests, shape, now_ns=time.time_ns(), first_seed=10_000 + first)
        bodies: dict[Encoding, Sequence[bytes]] = {
            "protobuf": sent,
            "json": list(map(as_json, other)),
        }
        for encoding, each in bodies.items():
            for engine in _ENGINES[:: -1 if number % 2 else 1]:
                took_s = {
                    "decode": _decode(reading[engine], each, encoding),
                    "count": _count(counting[engine], each, encoding),
                }
                for work, spent_s in took_s.items() if number else ():
                    at, us = (
                        (engine, encoding, work),
                        spent_s * _MILLION / (len(each) * shape.spans),
                    )
                    best[at] = min(us, best.get(at, us))
    return best


def _decode(keep: KeyFilter, bodies: Sequence[bytes], encoding: Encoding) -> float:
    started_s = time.process_time()
    for body in bodies:
        for _ in spans_of(body, keep, [], encoding):
            pass
    return time.process_time() - started_s


def _count(engine: Engine, bodies: Sequence[bytes], encoding: Encoding) -> float:
    started_s = time.process_time()
    for body in bodies:
        engine.ingester.ingest_request("traces", encoding, body, "otlp_http")
    engine.ingester.settle_all()
    return time.process_time() - started_s
