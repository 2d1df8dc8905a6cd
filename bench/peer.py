"""`python -m bench.peer`: the exporter beside the OpenTelemetry Collector's spanmetrics connector.

Both get the same requests. Processor seconds are those of the serving process from the first byte
sent until every span is counted; of several rounds, in which they take turns, the best is shown.
The Collector counts and times spans; it knows no tokens, dollars, copies or state.
"""

from __future__ import annotations

import argparse
import json
import math
import re
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from bench.built import CannotBuild
from bench.collector import CALLS, VERSION, collector
from bench.endtoend import wait_until_counted
from bench.payloads import Shape, as_json, label_sets, requests
from bench.processes import Process, exporter, in_turn, on_cores
from bench.scrapes import samples_in
from bench.senders import JSON, PROTOCOLS, connect, send_all
from bench.table import Row, machine, records, render

_RECEIVED = "llm_exporter_spans_received_total"
_POLL_S = 0.5
_DEADLINE_S = 60.0
_PER = 100_000
"""Spans that processor seconds are shown for."""
_SETS_AT_ONCE = 250
_SCRAPES = 3


@dataclass(frozen=True, slots=True)
class Effort:
    """Sizes of a run."""

    content_bytes: tuple[int, ...] = (0, 1_500, 6_000)
    cores: tuple[int, ...] = (1, 2)
    rounds: int = 3
    requests: int = 60
    samples: tuple[int, ...] = (10_000, 100_000)


@dataclass(frozen=True, slots=True)
class Server:
    """One of the two, and how it says that it has counted."""

    process: Process
    counted: Callable[[Process], float]
    """Spans counted since it started."""


def main() -> int:
    """Measure and print; 2 where there is no Collector."""
    options = _parser().parse_args()
    default = Effort()
    effort = Effort(
        content_bytes=tuple(options.content or default.content_bytes),
        cores=tuple(options.cores or default.cores),
        rounds=options.rounds,
        requests=options.requests,
        samples=tuple(options.samples if options.samples is not None else default.samples),
    )
    try:
        rows = list(_measured(effort))
    except CannotBuild as error:
        print(error, file=sys.stderr)  # noqa: T201 - what a command says
        return 2
    if options.json:
        print(json.dumps({"machine": machine(), "rows": records(rows)}, indent=2))  # noqa: T201
        return 0
    console = Console()
    if not console.is_terminal:
        console = Console(width=120)
    console.print(render(rows, f"{machine()}, Collector {VERSION}", beside="spanmetrics"))
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bench.peer", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3, help="of which the best counts")
    parser.add_argument("--requests", type=int, default=60, help="of 512 spans, in a round")
    parser.add_argument("--content", type=int, nargs="+", help="bytes of text a span")
    parser.add_argument("--cores", type=int, nargs="+", help="that the server may use")
    parser.add_argument("--samples", type=int, nargs="*", help="sizes of the page scraped")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    return parser


def _measured(effort: Effort) -> Iterator[Row]:
    seeds = 0
    for cores in effort.cores:
        with _servers(cores) as servers:
            for content in effort.content_bytes:
                for protocol in PROTOCOLS:
                    yield from _sent(effort, servers, protocol, content, cores, seeds)
                    seeds += (effort.rounds + 1) * effort.requests
    for wanted in effort.samples:
        with _servers(1) as servers:
            yield from _scraped(servers, wanted)


@contextmanager
def _servers(cores: int) -> Iterator[tuple[Server, Server]]:
    with (
        tempfile.TemporaryDirectory(prefix="bench-") as folder,
        on_cores(cores),
        ExitStack() as stack,
    ):
        config = (
            "decision_wait: 100ms\n"
            "zero_hold: 0s\n"
            "labels: {caps: {service: 100000}}\n"
            "series: {max_per_family: 1000000}\n"
        )
        ours = stack.enter_context(exporter(Path(folder), config))
        theirs = stack.enter_context(collector(Path(folder), cores))
        yield Server(ours, _received), Server(theirs, _calls)


def _sent(
    effort: Effort,
    servers: tuple[Server, Server],
    protocol: str,
    content: int,
    cores: int,
    first_seed: int,
) -> Iterator[Row]:
    shape = Shape(content_bytes=content)
    cpu_s: tuple[list[float], list[float]] = ([], [])
    clock_s: tuple[list[float], list[float]] = ([], [])
    for number in range(effort.rounds + 1):
        many = effort.requests if number else math.ceil(effort.requests / 5)
        seed = first_seed + number * effort.requests
        bodies = requests(many, shape, now_ns=time.time_ns(), first_seed=seed)
        if protocol == JSON:
            bodies = list(map(as_json, bodies))
        spans = many * shape.spans
        for which, server in in_turn(servers, number):
            used_s, took_s = _one_round(server, protocol, bodies, spans)
            if number:  # the first round fills caches
                cpu_s[which].append(used_s / spans * _PER)
                clock_s[which].append(spans / took_s)
    group = f"{protocol}, {cores} core{'s' if cores > 1 else ''}"
    what = f"{content / 1_000:g} KB of text"
    mine, other = map(min, cpu_s)
    yield Row(group, what, f"CPU s/{_PER // 1_000}k spans", "lower", mine, other)
    if cores > 1:
        fast, slow = map(max, clock_s)
        yield Row(group, f"{what}, by the clock", "spans/s", "higher", fast, slow)


def _one_round(
    server: Server, protocol: str, bodies: Sequence[bytes], spans: int
) -> tuple[float, float]:
    """Processor seconds until all are counted, and seconds until all are answered."""
    process = server.process
    wanted = server.counted(process) + spans
    before_s, started_s = process.cpu_s, time.perf_counter()
    send_all(protocol, process.address, bodies)
    took_s = time.perf_counter() - started_s
    end_s = time.monotonic() + _DEADLINE_S
    while (found := server.counted(process)) != wanted:
        if found > wanted or time.monotonic() > end_s:
            raise RuntimeError(f"{found:,.0f} spans were counted, not {wanted:,.0f}")
        time.sleep(_POLL_S)
    return process.cpu_s - before_s, took_s


def _received(process: Process) -> float:
    """Spans of which nothing waits any more."""
    wait_until_counted(process)
    return _sum(process, f"?name[]={_RECEIVED}", _RECEIVED)


def _calls(process: Process) -> float:
    return _sum(process, "", CALLS)


def _sum(process: Process, query: str, family: str) -> float:
    page = process.scrape(query).decode()
    found = re.findall(rf"^{family}(?:{{.*}})? (\S+)(?: \d+)?$", page, re.MULTILINE)
    return sum(map(float, found))


def _scraped(servers: tuple[Server, Server], wanted: int) -> Iterator[Row]:
    group = f"{wanted:,} samples"
    ours, theirs = (_grown(server, wanted) for server in servers)
    yield Row(group, "resident memory", "MB", "lower", ours[0], theirs[0])
    yield Row(group, "CPU of a scrape, a sample", "µs", "lower", ours[1], theirs[1])


def _grown(server: Server, wanted: int) -> tuple[float, float]:
    """Megabytes at so many samples, and processor microseconds of a scrape for each of them."""
    process, services = server.process, 0
    with connect("OTLP/HTTP", process.address) as send:
        while samples_in(process.scrape()) < wanted:
            names = range(services, services + _SETS_AT_ONCE)
            before = server.counted(process)
            send(label_sets(names, seed=services, now_ns=time.time_ns()))
            while server.counted(process) < before + _SETS_AT_ONCE:
                time.sleep(_POLL_S)
            services += _SETS_AT_ONCE
    before_s, samples = process.cpu_s, 0
    for _ in range(_SCRAPES):
        samples += samples_in(process.scrape())
    return process.resident_mb, (process.cpu_s - before_s) / samples * 1e6


if __name__ == "__main__":
    sys.exit(main())
