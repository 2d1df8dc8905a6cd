"""Celery workers that count their own LLM calls; their parent shows the sum of all on a port.

PROMETHEUS_MULTIPROC_DIR=$(mktemp -d) celery -A celery_app worker --concurrency 2
"""

import os
from typing import Any

from celery import Celery
from celery.signals import worker_process_shutdown, worker_ready
from opentelemetry import trace
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from prometheus_client import CollectorRegistry, start_http_server
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead

from llm_trace_exporter.inprocess import LLMMetricsSpanProcessor

provider = TracerProvider(resource=Resource.create({"service.name": "summaries"}))
provider.add_span_processor(LLMMetricsSpanProcessor(os.environ.get("LLM_METRICS_CONFIG")))
trace.set_tracer_provider(provider)
tracer = trace.get_tracer("summaries")

app = Celery("celery_app", broker=os.environ.get("CELERY_BROKER", "redis://localhost:6379"))
if folder := os.environ.get("CELERY_FOLDER"):
    app.conf.broker_transport_options = {
        "data_folder_in": folder,
        "data_folder_out": folder,
        "control_folder": f"{folder}/control",
    }


@app.task
def summarise(text: str) -> None:
    """Ask a model; an instrumentation of its SDK would write this span."""
    with tracer.start_as_current_span("chat gpt-4o-mini", kind=trace.SpanKind.CLIENT) as span:
        span.set_attributes(
            {
                "gen_ai.operation.name": "chat",
                "gen_ai.provider.name": "openai",
                "gen_ai.request.model": "gpt-4o-mini",
                "gen_ai.usage.input_tokens": len(text.split()),
                "gen_ai.usage.output_tokens": 10,
            }
        )


@worker_ready.connect
def show(**_: Any) -> None:
    """Show the sums of all processes, from the one that started them."""
    of_all_processes = CollectorRegistry()
    MultiProcessCollector(of_all_processes)
    start_http_server(int(os.environ.get("METRICS_PORT", "9808")), registry=of_all_processes)


@worker_process_shutdown.connect
def end(pid: int, **_: Any) -> None:
    """Count what waits: Celery ends its processes without what Python does at exit."""
    provider.shutdown()
    mark_process_dead(pid)
