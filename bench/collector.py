"""The OpenTelemetry Collector with its spanmetrics connector, built from pinned Go modules."""

from __future__ import annotations

import os
import socket
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from bench.built import Server, built
from bench.processes import Process, running

VERSION = "0.165.0"
_CONTRIB = "0.165.1"
_BUILDER = f"go.opentelemetry.io/collector/cmd/builder@v{VERSION}"
_CORE = "go.opentelemetry.io/collector"
_OTHERS = "github.com/open-telemetry/opentelemetry-collector-contrib"
MODULES = {
    "receivers": f"{_CORE}/receiver/otlpreceiver v{VERSION}",
    "connectors": f"{_OTHERS}/connector/spanmetricsconnector v{_CONTRIB}",
    "exporters": f"{_OTHERS}/exporter/prometheusexporter v{_CONTRIB}",
    "providers": f"{_CORE}/confmap/provider/fileprovider v1.71.0",
}
"""What is in it, in the builder's words."""

CALLS = "traces_span_metrics_calls_total"
"""Its count of spans."""

_CONFIG = """\
receivers:
  otlp:
    protocols:
      http: {{endpoint: "{http}", max_request_body_size: 33554432}}
      grpc: {{endpoint: "{grpc}", max_recv_msg_size_mib: 32}}
connectors:
  spanmetrics:
    metrics_flush_interval: 5s
    histogram:
      explicit:
        buckets: [100ms, 250ms, 500ms, 1s, 2s, 4s, 8s, 15s, 30s, 60s, 120s, 300s]
    dimensions:
      - name: gen_ai.request.model
      - name: gen_ai.response.model
      - name: gen_ai.provider.name
      - name: gen_ai.operation.name
      - name: error.type
      - name: feature
      - name: deployment.environment.name
exporters:
  prometheus: {{endpoint: "{metrics}"}}
service:
  telemetry: {{metrics: {{level: none}}, logs: {{level: warn}}}}
  pipelines:
    traces: {{receivers: [otlp], exporters: [spanmetrics]}}
    metrics: {{receivers: [spanmetrics], exporters: [prometheus]}}
"""
"""As many labels a call, and as many buckets, as the exporter has."""


def _build(program: Path, work: Path) -> None:
    manifest = work / "builder.yaml"
    manifest.write_text(
        f"dist: {{name: otelcol, version: {VERSION}, output_path: {work}/out}}\n"
        "conf_resolver: {default_uri_scheme: file}\n"
        + "".join(f"{kind}: [{{gomod: {module}}}]\n" for kind, module in MODULES.items())
    )
    environment = {**os.environ, "CGO_ENABLED": "0", "GOFLAGS": "-buildvcs=false"}
    command = ["go", "run", _BUILDER, "--config", str(manifest)]
    subprocess.run(command, check=True, env=environment)  # noqa: S603 - our own command
    (work / "out" / "otelcol").replace(program)


_SERVER = Server("otelcol-spanmetrics", _CONTRIB, _build)


@contextmanager
def collector(folder: Path, cores: int) -> Iterator[Process]:
    """The Collector as a process that uses so many cores."""
    program = built(_SERVER)
    with _free_addresses(3) as (http, grpc, metrics):
        config = folder / "collector.yaml"
        config.write_text(_CONFIG.format(http=http, grpc=grpc, metrics=metrics))
    process = Process(
        ("env", f"GOMAXPROCS={cores}", str(program), f"--config=file:{config}"),
        folder / "collector.log",
        "/metrics",
        {"OTLP/HTTP": http, "OTLP/gRPC": grpc, "metrics": metrics},
    )
    with running(process):
        yield process


@contextmanager
def _free_addresses(number: int) -> Iterator[list[str]]:
    with ExitStack() as stack:
        bound = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(number)]
        yield [f"127.0.0.1:{one.getsockname()[1]}" for one in bound]
