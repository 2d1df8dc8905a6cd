"""Small OTLP requests for the receivers' tests."""

from __future__ import annotations

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest


def traces(spans: int = 1, text: str = "", broken: int = 0) -> bytes:
    """`spans` good spans with `text` as an attribute, and `broken` ones without ids."""
    message = ExportTraceServiceRequest()
    scope_spans = message.resource_spans.add().scope_spans.add()
    for number in range(spans + broken):
        span = scope_spans.spans.add(
            trace_id=b"t" * 16,
            span_id=(number + 1).to_bytes(8, "big") if number < spans else b"",
            name=f"span {number}",
            start_time_unix_nano=10**18,
            end_time_unix_nano=10**18 + 1,
        )
        span.attributes.add(key="text").value.string_value = text
    return message.SerializeToString()


def logs() -> bytes:
    """One log record."""
    message = ExportLogsServiceRequest()
    record = message.resource_logs.add().scope_logs.add().log_records.add(time_unix_nano=10**18)
    record.body.string_value = "hello"
    return message.SerializeToString()


def metrics() -> bytes:
    """One data point."""
    message = ExportMetricsServiceRequest()
    metric = message.resource_metrics.add().scope_metrics.add().metrics.add(name="m")
    metric.gauge.data_points.add(as_int=1)
    return message.SerializeToString()


BODIES = {"traces": traces(), "logs": logs(), "metrics": metrics()}
TRACES_JSON = (
    b'{"resourceSpans":[{"scopeSpans":[{"spans":[{"traceId":"5b8efff798038103d269b633813fc60c",'
    b'"spanId":"eee19b7ec3c1b174","startTimeUnixNano":"1544712660000000000",'
    b'"endTimeUnixNano":"1544712661000000000"}]}]}]}'
)
