"""Two million spans, a start with everything full, large requests without end: memory stays.

Times are for `make bench` to tell: a neighbour on the machine makes them longer, and nothing wrong.

The figures in docs/operations.md are from `make bench BENCH="--only soak restarts"`.
"""

from __future__ import annotations

import time
from pathlib import Path

import grpc
import pytest

from bench.restarts import SERIES, SPANS, restarted
from bench.soak import GROWTH_MB, TIMES_LIVE, soak
from bench.soak import SPANS as SOAKED
from tests.e2e.process import running
from tests.e2e.wire import Span, traces
from tests.long.budget import rounds, seconds
from tests.long.bystander import resident_mb
from tests.spans import chat

pytestmark = pytest.mark.long

REQUESTS, LEAST_REQUESTS, MOST_S = 10_000, 1_000, 300
"""Of 4 MB over gRPC: all, where the machine sends them within so many seconds."""
EXPORT = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"


def test_memory_and_the_state_file_stay_where_they_are(tmp_path: Path) -> None:
    found = soak(tmp_path, rounds(SOAKED))
    assert found.counted == found.spans
    assert found.growth_mb < GROWTH_MB, found
    assert found.times_live < TIMES_LIVE, found


def test_a_start_with_everything_full(tmp_path: Path) -> None:
    found = restarted(tmp_path, SERIES, SPANS)
    assert found.series >= SERIES
    assert found.after_mb < found.before_mb, found


def test_large_requests_over_grpc_leave_nothing(tmp_path: Path) -> None:
    """Neither what is counted nor what is refused stays in memory."""
    good = traces(*[Span(chat((1, 1)) | {"unread": "x" * 100_000})] * 40)
    bad = b"\xff" * len(good)
    with running(tmp_path) as exporter, grpc.insecure_channel(exporter.grpc) as channel:
        method = channel.unary_unary(EXPORT, bytes, bytes)
        first_mb = 0.0
        end_s = time.monotonic() + seconds(MOST_S)
        for number in range(rounds(REQUESTS)):
            if time.monotonic() > end_s and number > LEAST_REQUESTS:
                break
            method(good, timeout=30)
            if number % 10 == 0:
                with pytest.raises(grpc.RpcError):
                    method(bad, timeout=30)
            if number == 100:
                first_mb = resident_mb(exporter)
        assert resident_mb(exporter) < first_mb + 50
