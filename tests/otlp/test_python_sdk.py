"""The OpenTelemetry SDK for Python sends traces, logs and metrics to real receivers."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import grpc
import pytest
from opentelemetry._logs import LogRecord, SeverityNumber
from opentelemetry.exporter.otlp.proto.grpc._log_exporter import (
    OTLPLogExporter as GrpcLogExporter,
)
from opentelemetry.exporter.otlp.proto.grpc.metric_exporter import (
    OTLPMetricExporter as GrpcMetricExporter,
)
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import (
    OTLPSpanExporter as GrpcSpanExporter,
)
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http._log_exporter import (
    OTLPLogExporter as HttpLogExporter,
)
from opentelemetry.exporter.otlp.proto.http.metric_exporter import (
    OTLPMetricExporter as HttpMetricExporter,
)
from opentelemetry.exporter.otlp.proto.http.trace_exporter import (
    OTLPSpanExporter as HttpSpanExporter,
)
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import SpanKind, Status, StatusCode

from tests.otlp.conftest import RecordingConsumer

RESOURCE = Resource({"service.name": "py-shop"})
HTTP_EXPORTERS = {
    "traces": HttpSpanExporter,
    "logs": HttpLogExporter,
    "metrics": HttpMetricExporter,
}
GRPC_EXPORTERS = {
    "traces": GrpcSpanExporter,
    "logs": GrpcLogExporter,
    "metrics": GrpcMetricExporter,
}
VARIANTS = ["http", "http gzip", "http deflate", "grpc", "grpc gzip"]
MakeExporter = Callable[[str], Any]


@pytest.fixture(params=VARIANTS)
def exporter(request: pytest.FixtureRequest, http_address: str, grpc_address: str) -> MakeExporter:
    """Makes the SDK's exporter for a signal, in each protocol and compression."""
    protocol, _, compression = request.param.partition(" ")

    def make(signal: str) -> Any:
        if protocol == "http":
            return HTTP_EXPORTERS[signal](
                endpoint=f"http://{http_address}/v1/{signal}",
                compression=Compression(compression or "none"),
            )
        return GRPC_EXPORTERS[signal](
            endpoint=f"http://{grpc_address}",
            insecure=True,
            compression=grpc.Compression.Gzip if compression else None,
        )

    return make


@pytest.fixture(autouse=True)
def no_warnings(caplog: pytest.LogCaptureFixture) -> Any:
    """The SDK logs failed exports and partial successes as warnings: there must be none."""
    yield
    assert [r.getMessage() for r in caplog.records if r.levelno >= logging.WARNING] == []


def test_traces(exporter: MakeExporter, sink: RecordingConsumer) -> None:
    provider = TracerProvider(resource=RESOURCE)
    provider.add_span_processor(BatchSpanProcessor(exporter("traces")))
    tracer = provider.get_tracer("shop", "1.2.3")
    with (
        tracer.start_as_current_span("workflow"),
        tracer.start_as_current_span("chat gpt-4o", kind=SpanKind.CLIENT) as span,
    ):
        span.set_attribute("gen_ai.usage.input_tokens", 1200)
        span.set_attribute("gen_ai.response.finish_reasons", ["stop"])
        span.add_event("first token", {"index": 0})
        span.set_status(Status(StatusCode.ERROR, "Error code: 429"))
    provider.shutdown()

    spans = {span.name: span for span in sink.spans}
    child, parent = spans["chat gpt-4o"], spans["workflow"]
    assert (child.parent_span_id, child.trace_id) == (parent.span_id, parent.trace_id)
    assert child.attrs == {
        "gen_ai.usage.input_tokens": 1200,
        "gen_ai.response.finish_reasons": ["stop"],
    }
    assert (child.kind, child.status_code, child.status_message) == (3, 2, "Error code: 429")
    assert [(event.name, event.attrs) for event in child.events] == [("first token", {"index": 0})]
    assert child.resource.attrs["service.name"] == "py-shop"
    assert (child.scope.name, child.scope.version) == ("shop", "1.2.3")
    assert sink.refusals == []


def test_logs(exporter: MakeExporter, sink: RecordingConsumer) -> None:
    provider = LoggerProvider(resource=RESOURCE)
    provider.add_log_record_processor(BatchLogRecordProcessor(exporter("logs")))
    logger = provider.get_logger("judge")
    logger.emit(
        LogRecord(
            timestamp=10**18,
            body="claude_code.api_request",
            event_name="gen_ai.evaluation.result",
            severity_number=SeverityNumber.INFO,
            attributes={"score": 0.5},
        )
    )
    provider.shutdown()
    (log,) = sink.logs
    assert (log.time_ns, log.body) == (10**18, "claude_code.api_request")
    assert (log.event_name, log.severity) == ("gen_ai.evaluation.result", 9)
    assert log.attrs == {"score": 0.5}
    assert log.scope.name == "judge"


def test_metrics(exporter: MakeExporter, sink: RecordingConsumer) -> None:
    reader = PeriodicExportingMetricReader(exporter("metrics"), export_interval_millis=60_000)
    provider = MeterProvider(resource=RESOURCE, metric_readers=[reader])
    provider.get_meter("m").create_counter("c").add(1)
    provider.shutdown()
    assert {(signal, encoding) for signal, encoding, _ in sink.calls} == {("metrics", "protobuf")}
    assert sink.refusals == []
