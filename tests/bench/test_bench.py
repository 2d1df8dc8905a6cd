from __future__ import annotations

import dataclasses
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from prometheus_client import generate_latest
from rich.console import Console

from bench import inprocess
from bench.baseline import Baseline
from bench.effort import QUICK
from bench.payloads import Shape, as_json, label_sets, request, requests
from bench.scrapes import samples_in
from bench.table import Row, records, render
from llm_trace_exporter.config import Settings
from llm_trace_exporter.engine.engine import Engine
from llm_trace_exporter.otlp.attributes import KeyFilter
from llm_trace_exporter.otlp.decode import decode_traces, decode_traces_json
from tests.facts import Samples

ROOT = Path(__file__).parents[2]
NOW_NS = 1_795_000_000_000_000_000
SMALL = Shape(spans=64)
SENTENCE = 60
"""Characters of text from which on an attribute is message text."""


def spans(body: bytes) -> list[Span]:
    message = ExportTraceServiceRequest.FromString(body)
    return [s for r in message.resource_spans for scope in r.scope_spans for s in scope.spans]


@pytest.mark.parametrize("content_bytes", [0, 1_500, 6_000])
@pytest.mark.parametrize("seed", [0, 4])
def test_every_span_has_the_shape_that_was_asked_for(content_bytes: int, seed: int) -> None:
    found = spans(request(seed, Shape(content_bytes=content_bytes), now_ns=NOW_NS))
    assert len(found) == 512
    for span in found:
        assert len(span.attributes) == len({a.key for a in span.attributes}) == 20
        longest = max(len(a.value.string_value) for a in span.attributes)
        assert longest == content_bytes if content_bytes else longest < SENTENCE


def test_ids_are_unique_over_all_seeds() -> None:
    bodies = requests(6, SMALL, now_ns=NOW_NS)
    bodies += [label_sets(range(64), seed=s, now_ns=NOW_NS) for s in range(100, 103)]
    ids = [s.span_id for body in bodies for s in spans(body)]
    assert len(ids) == len(set(ids)) == 64 * 9
    assert all(len(one) == 8 and any(one) for one in ids)


def test_json_says_what_protobuf_says() -> None:
    body = request(1, SMALL, now_ns=NOW_NS)
    same = as_json(body)
    every_key = KeyFilter((), re.compile(".*", re.DOTALL))
    assert repr(decode_traces(body, every_key)) == repr(decode_traces_json(same, every_key))


def test_the_same_seed_gives_the_same_bytes() -> None:
    assert requests(3, SMALL, now_ns=NOW_NS) == requests(3, SMALL, now_ns=NOW_NS)
    assert request(1, SMALL, now_ns=NOW_NS) != request(2, SMALL, now_ns=NOW_NS)


@pytest.mark.parametrize("mixed", [False, True])
def test_exporter_and_baseline_count_the_same(mixed: bool) -> None:
    """Else their times would not be comparable."""
    shape = dataclasses.replace(SMALL, mixed=mixed)
    engine, baseline = Engine(Settings(zero_hold_s=0.0)), Baseline()
    for body in (*requests(5, shape, now_ns=NOW_NS), label_sets(range(9), seed=9, now_ns=NOW_NS)):
        assert not engine.ingester.ingest_request("traces", "protobuf", body, "otlp_http").rejected
        baseline.export(ExportTraceServiceRequest.FromString(body))
    engine.ingester.settle_all()
    ours = Samples(engine.exposition.render("").body.decode())
    theirs = Samples(generate_latest(baseline.registry).decode())
    calls = 5 * 64 * 3 / 8 + 9
    assert ours.total("llm_requests_total") == theirs.total("requests_total") == calls
    assert ours.total("llm_tokens_total") == theirs.total("tokens_total")
    assert ours.total("llm_cost_usd_total") == pytest.approx(theirs.total("cost_usd_total"))
    for outcome in ("ok", "error"):
        assert ours.total("llm_requests_total", outcome=outcome) == theirs.total(
            "requests_total", outcome=outcome
        )


def test_measuring_in_process_gives_every_row(tmp_path: Path) -> None:
    effort = dataclasses.replace(QUICK, content_bytes=(1_500,), rounds=1, requests=1, backlog=2)
    rows = inprocess.measure(effort, tmp_path)
    assert [(r.group.split(",")[0], r.unit) for r in rows] == [
        ("decode", "spans/s/core"),
        ("decode", "µs/span"),
        ("decode + aggregate", "spans/s/core"),
        ("decode + aggregate", "µs/span"),
        ("decode + aggregate", "spans/s/core"),
        ("decode + aggregate", "µs/span"),
        *[("decode + aggregate", "µs/span")] * 2,
        ("commit of a request to the state file", "ms"),
    ]
    assert all(r.exporter > 0 for r in rows)


ROWS = [
    Row("speed", "fast", "spans/s", "higher", 50_000.0, 25_000.0, 40_000.0),
    Row("speed", "slow", "ms", "lower", 300.0, 600.0, 250.0),
    Row("start", "alone", "s", "lower", 0.5),
]


def test_a_row_knows_its_ratio_and_its_budget() -> None:
    assert [r["times_better"] for r in records(ROWS)] == [2.0, 2.0, None]
    assert [r["within_budget"] for r in records(ROWS)] == [True, False, None]
    json.dumps(records(ROWS), allow_nan=False)


def test_the_table_shows_every_row() -> None:
    console = Console(width=120)
    with console.capture() as shown:
        console.print(render(ROWS, "title"))
    text = shown.get()
    for part in ("title", "fast", "≥ 40,000 ok", "≤ 250 missed", "2.00", "alone", "start"):
        assert part in text


def test_samples_are_counted() -> None:
    assert samples_in(b'# HELP a b\n# TYPE a counter\na 1\na{x="1"} 2\n# EOF\n') == 2


def test_the_command_prints_json() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "bench", "--json", "--rounds=1", "--only", "judged"],
        cwd=ROOT, env={"PYTHONPATH": f"{ROOT / 'exporter'}:{ROOT}"},
        capture_output=True, timeout=120, check=True,
    )  # fmt: skip
    assert {"machine", "rows"} == json.loads(done.stdout).keys()
