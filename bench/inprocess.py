"""Decoding and counting without a network: processor time of this process.

Rounds of the exporter and of the baseline take turns, each round gets requests that neither has
seen, and both run with the garbage collector set as `serve` sets it.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from bench.baseline import Baseline, read
from bench.effort import BUDGET_BYTES, Effort
from bench.payloads import Shape, requests
from bench.table import Row
from llm_trace_exporter.config import Settings
from llm_trace_exporter.config.settings import StateSettings
from llm_trace_exporter.dialects import WANTED_PATTERN, wanted_keys
from llm_trace_exporter.engine.engine import Engine
from llm_trace_exporter.engine.wiring import context
from llm_trace_exporter.otlp.attributes import KeyFilter
from llm_trace_exporter.otlp.decode import spans_of

Work = Callable[[Sequence[bytes]], object]
"""What is done with the requests of a round."""

BUDGET_SPANS_PER_S = 40_000.0
"""Decoding and counting, on one core."""

_MILLION = 1e6


def measure(effort: Effort, folder: Path) -> list[Row]:
    """Rows for decoding, for counting on top of it, and for the commit of a request."""
    with relaxed_collector():
        backlog = list(_backlog(effort))
        by_size = {size: _size(effort, size, folder) for size in effort.content_bytes}
    rows = [
        row
        for stage, budget in (("decode", None), ("count", BUDGET_SPANS_PER_S), ("keep", None))
        for size, took_us in by_size.items()
        for row in _rows(stage, size, took_us, budget if size == BUDGET_BYTES else None)
    ]
    rows += backlog
    rows += [
        Row(
            "commit of a request to the state file",
            f"{_written(size)}, 512 spans",
            "ms",
            "lower",
            took["commit"] / 1_000,
        )
        for size, took in by_size.items()
    ]
    return rows


def _size(effort: Effort, content_bytes: int, folder: Path) -> Mapping[str, float]:
    """Microseconds a span of each kind of work; `commit` is per request."""
    # As after the first minute, when no series is held at zero any more.
    settings = Settings(zero_hold_s=0.0)
    state = StateSettings(str(folder / f"{content_bytes}.db"))
    in_memory, in_file = Engine(settings), Engine(replace(settings, state=state))
    works = _works(in_memory, in_file)
    shape = Shape(content_bytes=content_bytes)
    took_us: dict[str, list[float]] = {name: [] for name in works}
    for number in range(effort.rounds + 1):
        bodies = requests(
            effort.requests,
            shape,
            now_ns=time.time_ns(),
            first_seed=number * effort.requests,
        )
        # Whoever comes first in a round finds colder caches of the processor.
        for name in list(works)[:: -1 if number % 2 else 1]:
            started_s = time.process_time()
            works[name](bodies)
            spent_s = time.process_time() - started_s
            if number:  # the first round fills caches
                took_us[name].append(spent_s * _MILLION / (len(bodies) * shape.spans))
    commit_us = _commit_s(in_file) * _MILLION
    in_file.close()
    return {**{name: min(took) for name, took in took_us.items()}, "commit": commit_us}


def _backlog(effort: Effort) -> Iterator[Row]:
    """What a span costs when many calls wait at once, as they do at full speed."""
    for mixed, what in ((False, "services with one instrumentation"), (True, "with two")):
        engine, baseline = Engine(Settings(zero_hold_s=0.0)), Baseline()
        shape = Shape(content_bytes=0, mixed=mixed)
        bodies = requests(effort.backlog, shape, now_ns=time.time_ns())
        spans = len(bodies) * shape.spans
        took_us = []
        for work in (_count_into(engine), _count_baseline(baseline)):
            started_s = time.process_time()
            work(bodies)
            took_us.append((time.process_time() - started_s) * _MILLION / spans)
        group = f"decode + aggregate, {spans:,} spans waiting at once"
        yield Row(group, what, "µs/span", "lower", *took_us)


def _works(in_memory: Engine, in_file: Engine) -> dict[str, Work]:
    keys = KeyFilter(
        wanted_keys(context(in_memory.settings)), WANTED_PATTERN, engine=in_memory.reads_with
    )

    def decode(bodies: Sequence[bytes]) -> None:
        for body in bodies:
            for _ in spans_of(body, keys, []):
                pass

    def baseline_decode(bodies: Sequence[bytes]) -> None:
        for body in bodies:
            for _ in read(ExportTraceServiceRequest.FromString(body)):
                pass

    return {
        "decode": decode,
        "baseline decode": baseline_decode,
        "count": _count_into(in_memory),
        "baseline count": _count_baseline(Baseline()),
        "keep": _count_into(in_file),
    }


def _count_into(engine: Engine) -> Work:
    def count(bodies: Sequence[bytes]) -> None:
        for body in bodies:
            outcome = engine.ingester.ingest_request("traces", "protobuf", body, "otlp_http")
            if outcome.rejected:
                raise RuntimeError(f"spans were rejected: {outcome.message}")
        engine.ingester.settle_all()

    return count


def _count_baseline(baseline: Baseline) -> Work:
    def count(bodies: Sequence[bytes]) -> None:
        for body in bodies:
            baseline.export(ExportTraceServiceRequest.FromString(body))

    return count


_STAGES = {
    "decode": ("decode", "baseline decode"),
    "count": ("decode + aggregate, state in memory", "baseline count"),
    "keep": ("decode + aggregate, state in a file", "baseline count"),
}


def _rows(
    stage: str, content_bytes: int, took_us: Mapping[str, float], budget: float | None
) -> Iterator[Row]:
    group, baseline = _STAGES[stage]
    ours, theirs = took_us[stage], took_us[baseline]
    what = _written(content_bytes)
    yield Row(group, what, "spans/s/core", "higher", _MILLION / ours, _MILLION / theirs, budget)
    yield Row(group, what, "µs/span", "lower", ours, theirs)


def _written(content_bytes: int) -> str:
    return f"{content_bytes / 1_000:g} KB of text" if content_bytes else "no text"


def _commit_s(engine: Engine) -> float:
    """Mean seconds of a commit, as the exporter itself measures them."""
    name = "llm_exporter_state_commit_duration_seconds"
    page = engine.exposition.render("", [name]).body.decode()
    values = dict(line.rsplit(" ", 1) for line in page.splitlines() if line[0] != "#")
    return float(values[f"{name}_sum"]) / float(values[f"{name}_count"])


@contextmanager
def relaxed_collector() -> Iterator[None]:
    """The garbage collector as `serve` sets it."""
    before = gc.get_threshold()
    gc.collect()
    gc.freeze()
    gc.set_threshold(100_000, 50, 100)
    try:
        yield
    finally:
        gc.set_threshold(*before)
        gc.unfreeze()
