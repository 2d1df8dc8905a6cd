"""Few bytes of gzip never become much memory or time, whatever JSON they hold."""

from __future__ import annotations

import subprocess
import sys

import pytest

pytestmark = pytest.mark.long

MB = 1_000_000
SPANS = '{"resourceSpans":[{"scopeSpans":[{"spans":[%s]}]}]}'
SHAPES: dict[str, str] = {
    "empty spans": SPANS % "{}",
    "empty spans, far apart": SPANS % "{       }",
    "empty groups": '{"resourceSpans":[{       }]}',
    "numbers": SPANS % "1   ",
    "attributes": SPANS % '{"attributes":[%s]}' % '{"key":"abcdefg"}',
    "texts": SPANS % '{"attributes":[%s]}' % '"ab"',
    "half characters": SPANS % '{"attributes":[%s]}' % r'"\ud800"',
    "no numbers": SPANS % '{"attributes":[%s]}' % "NaN",
    "nested": SPANS % '{"attributes":[{"key":"a","value":%s}]}' % '{"arrayValue":{"values":[{}]}}',
}
"""A request, and the part of it that comes again and again: what is in its innermost list."""

SCRIPT = """
import resource, sys, time
from llm_trace_exporter.engine.engine import Engine
from llm_trace_exporter.config import Settings
from llm_trace_exporter.errors import DecodeError

head, unit, tail, size = sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4])
engine = Engine(Settings())
body = (head + ",".join([unit] * (size // (len(unit) + 1))) + tail).encode()
before_kb, started_s = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.process_time()
try:
    engine.ingester.ingest_request("traces", "json", body, "otlp_http")
except DecodeError:
    pass
after_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print((after_kb - before_kb) * 1024 / len(body), time.process_time() - started_s)
"""
MAX_TIMES = 25.0
"""Memory beyond the body, in bodies."""
MAX_S_A_MB = 3.0


@pytest.mark.parametrize("size_mb", [4, 30])
@pytest.mark.parametrize("shape", SHAPES)
def test_memory_and_time_are_a_small_multiple_of_what_was_sent(shape: str, size_mb: int) -> None:
    unit = SHAPES[shape].rsplit("[", 1)[1].split("]", 1)[0]
    head, _, tail = SHAPES[shape].rpartition(unit)
    found = subprocess.run(
        [sys.executable, "-c", SCRIPT, head, unit, tail, str(size_mb * MB)],
        capture_output=True,
        text=True,
        check=True,
    )
    times, seconds = map(float, found.stdout.split())
    assert times < MAX_TIMES
    assert seconds < MAX_S_A_MB * size_mb
