"""The same spans, sent by the real SDKs."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import (
    OTLPSpanExporter as GrpcSpanExporter,
)
from opentelemetry.exporter.otlp.proto.http.trace_exporter import (
    OTLPSpanExporter as HttpSpanExporter,
)
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter
from opentelemetry.trace import Span as SdkSpan
from opentelemetry.trace import SpanKind, Status, StatusCode, set_span_in_context

from tests.e2e.process import DEADLINE_S, Exporter
from tests.e2e.wire import START_MS, Span

SCRIPT = Path(__file__).with_name("send_spans.js")


def send_by_python(
    exporter: Exporter, protocol: str, service: str, spans: Sequence[Span]
) -> list[str]:
    """Send with the SDK for Python (`http` or `grpc`); the trace id of each span, in hex."""
    sender: SpanExporter
    if protocol == "grpc":
        sender = GrpcSpanExporter(endpoint=f"http://{exporter.grpc}", insecure=True)
    else:
        sender = HttpSpanExporter(endpoint=f"{exporter.http}/v1/traces")
    provider = TracerProvider(resource=Resource({"service.name": service}))
    provider.add_span_processor(BatchSpanProcessor(sender))
    tracer = provider.get_tracer("shop", "1.2.3")
    started: list[SdkSpan] = []
    for span in spans:
        within = None if span.parent is None else set_span_in_context(started[span.parent])
        started.append(
            tracer.start_span(
                span.name,
                within,
                kind=SpanKind.CLIENT,
                attributes=dict(span.attrs),
                start_time=(START_MS + span.start_ms) * 1_000_000,
            )
        )
    for span, sent in zip(spans, started, strict=True):
        if span.error is not None:
            sent.set_status(Status(StatusCode.ERROR, span.error))
        sent.end((START_MS + span.end_ms) * 1_000_000)
    provider.shutdown()
    return [f"{sent.get_span_context().trace_id:032x}" for sent in started]


def send_by_node(
    exporter: Exporter, protocol: str, service: str, spans: Sequence[Span], folder: Path
) -> None:
    """Send with the SDK for Node (`json`, `proto` or `grpc`), which is installed in `folder`."""
    url = f"http://{exporter.grpc}" if protocol == "grpc" else f"{exporter.http}/v1/traces"
    done = subprocess.run(
        ["node", str(SCRIPT), protocol, url, service, str(START_MS)],
        input=json.dumps([asdict(span) for span in spans]),
        env={**os.environ, "NODE_PATH": str(folder / "node_modules")},
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
