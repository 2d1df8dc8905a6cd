"""Real processes behind real listeners: requests over OTLP/HTTP and OTLP/gRPC.

Four senders keep four requests under way. Spans per second and core are spans by the processor
time of the serving process, until all of them are counted; the senders' own work is not in it.
All share one core: beside work on the other half of a hyperthreaded core, the same work costs half
as much time again, and cloud machines do not tell which of their cores are such halves.
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import quantiles

from bench.effort import BUDGET_BYTES, Effort
from bench.payloads import Shape, requests
from bench.processes import Process, baseline, exporter, in_turn, on_cores
from bench.senders import CONNECTIONS, SENDERS, send_all
from bench.table import Row

BUDGET_SPANS_PER_S = 25_000.0
"""Over OTLP/HTTP with state in a file, on one core."""

_POLL_S = 0.1  # asking costs the process that is measured
_DEADLINE_S = 120.0
_MILLION = 1e6
_PENDING = "llm_exporter_pending_calls"


def measure(effort: Effort, folder: Path) -> list[Row]:
    """Rows for each protocol, with the state in a file."""
    config = f"decision_wait: 100ms\nstate: {{path: '{folder / 'e2e.db'}'}}\nlog: {{level: info}}\n"
    rows: list[Row] = []
    with on_cores(1), exporter(folder, config) as ours, baseline(folder) as theirs:
        for number, protocol in enumerate(SENDERS):
            seed = number * (effort.rounds + 1) * effort.sent
            rows += _protocol(effort, protocol, ours, theirs, first_seed=seed)
    return rows


def wait_until_counted(process: Process) -> None:
    """Wait until no call waits to settle any more.

    Raises: RuntimeError when that takes too long.
    """
    end_s = time.monotonic() + _DEADLINE_S
    while process.sample(_PENDING):
        if time.monotonic() > end_s:
            raise RuntimeError("calls still wait to settle")
        time.sleep(_POLL_S)


def p99(took_s: Sequence[float]) -> float:
    """The 99th percentile."""
    return quantiles(took_s, n=100, method="inclusive")[98]


def _protocol(
    effort: Effort, protocol: str, ours: Process, theirs: Process, first_seed: int
) -> list[Row]:
    shape = Shape(content_bytes=BUDGET_BYTES)
    processes = (ours, theirs)
    cpu_us: tuple[list[float], list[float]] = ([], [])
    latencies_s: tuple[list[float], list[float]] = ([], [])
    for number in range(effort.rounds + 1):
        count = effort.sent if number else math.ceil(effort.sent / 5)
        seed = first_seed + number * effort.sent
        bodies = requests(count, shape, now_ns=time.time_ns(), first_seed=seed)
        for which, process in in_turn(processes, number):
            before_s = process.cpu_s
            took_s = send_all(protocol, process.address, bodies)
            if process is ours:
                wait_until_counted(process)
            spent_s = process.cpu_s - before_s
            if number:  # the first round fills caches
                latencies_s[which].extend(took_s)
                cpu_us[which].append(spent_s * _MILLION / (count * shape.spans))
    mine, other = map(min, cpu_us)
    group = f"end to end over {protocol}, state in a file"
    budget = BUDGET_SPANS_PER_S if protocol == "OTLP/HTTP" else None
    slow_ms, other_ms = (p99(took) * 1_000 for took in latencies_s)
    what = f"{BUDGET_BYTES / 1_000:g} KB of text"
    return [
        Row(group, what, "spans/s/core", "higher", _MILLION / mine, _MILLION / other, budget),
        Row(group, what, "µs/span", "lower", mine, other),
        Row(group, f"p99 of a request, {CONNECTIONS} at once", "ms", "lower", slow_ms, other_ms),
    ]
