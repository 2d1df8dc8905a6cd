"""Metrics of the conventions as an instrumented application sends them, over OTLP/HTTP."""

from __future__ import annotations

import time

import requests
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)
from opentelemetry.proto.metrics.v1.metrics_pb2 import AGGREGATION_TEMPORALITY_CUMULATIVE

from tests.e2e.process import DEADLINE_S


def send_token_usage(base: str, *, service: str, tokens: int) -> None:
    """One call's tokens in `gen_ai.client.token.usage`, a histogram."""
    request = ExportMetricsServiceRequest()
    group = request.resource_metrics.add()
    group.resource.attributes.add(key="service.name").value.string_value = service
    metric = group.scope_metrics.add().metrics.add(name="gen_ai.client.token.usage", unit="{token}")
    metric.histogram.aggregation_temporality = AGGREGATION_TEMPORALITY_CUMULATIVE
    at_ns = time.time_ns()
    metric.histogram.data_points.add(
        start_time_unix_nano=at_ns - 1_000_000_000,
        time_unix_nano=at_ns,
        count=1,
        sum=tokens,
        bucket_counts=[0, 1],
        explicit_bounds=[1000],
    )
    answer = requests.post(
        f"{base}/v1/metrics",
        data=request.SerializeToString(),
        headers={"Content-Type": "application/x-protobuf"},
        timeout=DEADLINE_S,
    )
    assert answer.ok, answer.text
