"""Real receivers on free ports of 127.0.0.1, with a sink that decodes and remembers."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

import pytest

from llm_trace_exporter.consumer import (
    ANYONE,
    Outcome,
    RejectionReason,
    ScoreParser,
    Scores,
    Source,
    Tenant,
)
from llm_trace_exporter.model import Verdict
from llm_trace_exporter.otlp.attributes import KeyFilter
from llm_trace_exporter.otlp.decode import (
    decode_logs,
    decode_logs_json,
    decode_traces,
    decode_traces_json,
)
from llm_trace_exporter.otlp.native import chosen
from llm_trace_exporter.otlp.records import Encoding, RawLog, RawSpan, SignalName
from llm_trace_exporter.receivers.otlp_grpc import GrpcReceiver
from llm_trace_exporter.receivers.otlp_http import HttpReceiver
from llm_trace_exporter.server.listeners import GrpcServer, HttpServer
from tests.otlp import decoding
from tests.otlp.engines import needs_native

LIMIT = 1_000_000
"""`max_request_bytes` of the receivers under test."""
READ_TIMEOUT_S = 1.0
MAX_REQUESTS = 8

_DECODERS = {
    ("traces", "protobuf"): decode_traces,
    ("traces", "json"): decode_traces_json,
    ("logs", "protobuf"): decode_logs,
    ("logs", "json"): decode_logs_json,
}


@dataclass
class RecordingConsumer:
    """Decodes what comes, keeps it, and fails on demand."""

    spans: list[RawSpan] = field(default_factory=list)
    logs: list[RawLog] = field(default_factory=list)
    calls: list[tuple[SignalName, Encoding, Source]] = field(default_factory=list)
    tenants: list[Tenant] = field(default_factory=list)
    refusals: list[tuple[Source, RejectionReason]] = field(default_factory=list)
    failure: Exception | None = None
    gate: threading.Event = field(default_factory=threading.Event)
    """Exports wait for it; open unless a test closes it."""
    arrived: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    _keep: KeyFilter = field(
        default_factory=lambda: KeyFilter((), re.compile(".*", re.DOTALL), engine=chosen("auto"))
    )

    def ingest_request(
        self,
        signal: SignalName,
        encoding: Encoding,
        body: bytes,
        source: Source,
        tenant: Tenant = ANYONE,
    ) -> Outcome:
        self.arrived.release()
        self.gate.wait(20)
        if self.failure:
            raise self.failure
        self.calls.append((signal, encoding, source))
        self.tenants.append(tenant)
        if signal == "metrics":
            return Outcome()
        batch = _DECODERS[signal, encoding](body, self._keep)
        self.spans += batch.spans
        self.logs += batch.logs
        return Outcome(len(batch.rejected), "; ".join(sorted(set(batch.rejected))))

    def ingest_records(
        self,
        spans: Sequence[RawSpan],
        logs: Sequence[RawLog],
        source: Source,
        tenant: Tenant = ANYONE,
    ) -> Outcome:
        raise NotImplementedError("no receiver of OTLP decodes")

    def ingest_scores(self, parse: ScoreParser, tenant: Tenant = ANYONE) -> Scores:
        raise NotImplementedError("no receiver of OTLP takes scores")

    def ingest_verdicts(self, verdicts: Iterable[Verdict]) -> None:
        raise NotImplementedError("no receiver judges")

    def count_rejection(self, source: Source, reason: RejectionReason) -> None:
        self.refusals.append((source, reason))


@pytest.fixture(scope="module", params=["python", pytest.param("native", marks=needs_native)])
def engine(request: pytest.FixtureRequest) -> Iterator[None]:
    """Whom the filters of `decoding.keys` let read, and that they do."""
    decoding.ENGINE, before = request.param, decoding.ENGINE
    by_native = decoding.keys().records_of("traces", b"", "protobuf") is not None
    assert by_native == (request.param == "native")
    yield
    decoding.ENGINE = before


@pytest.fixture
def sink() -> RecordingConsumer:
    made = RecordingConsumer()
    made.gate.set()
    return made


@pytest.fixture
def http_address(sink: RecordingConsumer) -> Iterator[str]:
    """host:port of an OTLP/HTTP receiver."""
    receiver = HttpReceiver(
        sink,
        max_request_bytes=LIMIT,
        max_concurrent_requests=MAX_REQUESTS,
        read_timeout_s=READ_TIMEOUT_S,
    )
    server = HttpServer("otlp-http", receiver, ["127.0.0.1:0"])
    server.start()
    yield server.addresses[0]
    sink.gate.set()
    server.stop(2)
    receiver.close()


@pytest.fixture
def grpc_address(sink: RecordingConsumer) -> Iterator[str]:
    """host:port of an OTLP/gRPC receiver."""
    receiver = GrpcReceiver(
        sink,
        max_request_bytes=LIMIT,
        max_concurrent_requests=MAX_REQUESTS,
        read_timeout_s=READ_TIMEOUT_S,
    )
    server = GrpcServer(receiver, "127.0.0.1:0")
    server.start()
    yield server.addresses[0]
    sink.gate.set()
    server.stop(2)
    receiver.close()


def wait_for(condition: Callable[[], bool], timeout_s: float = 5.0) -> None:
    """Return when `condition` holds; fail when it does not in time."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "did not happen in time"
        time.sleep(0.01)
