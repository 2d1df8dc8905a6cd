"""A FastAPI application that counts its own LLM calls, and shows them on its own /metrics.

uvicorn fastapi_app:app --port 8000
PROMETHEUS_MULTIPROC_DIR=$(mktemp -d) gunicorn -c gunicorn.conf.py fastapi_app:app
"""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI, Request, Response
from opentelemetry import trace
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from prometheus_client import REGISTRY, CollectorRegistry
from prometheus_client.exposition import choose_encoder
from prometheus_client.multiprocess import MultiProcessCollector

from llm_trace_exporter.inprocess import LLMMetricsSpanProcessor

provider = TracerProvider(resource=Resource.create({"service.name": "answers"}))
provider.add_span_processor(LLMMetricsSpanProcessor(os.environ.get("LLM_METRICS_CONFIG")))
trace.set_tracer_provider(provider)
tracer = trace.get_tracer("answers")


@asynccontextmanager
async def lifespan(_: FastAPI) -> AsyncIterator[None]:
    """Count what waits when the process ends."""
    yield
    provider.shutdown()


app = FastAPI(lifespan=lifespan)


@app.get("/answer")
async def answer(question: str) -> str:
    """Ask a model; an instrumentation of its SDK would write this span."""
    with tracer.start_as_current_span("chat gpt-4o-mini", kind=trace.SpanKind.CLIENT) as span:
        span.set_attributes(
            {
                "gen_ai.operation.name": "chat",
                "gen_ai.provider.name": "openai",
                "gen_ai.request.model": "gpt-4o-mini",
                "gen_ai.usage.input_tokens": len(question.split()),
                "gen_ai.usage.output_tokens": 2,
            }
        )
        return "I see."


@app.get("/metrics")
def metrics(request: Request) -> Response:
    """The application's page: its own metrics, and those of its calls."""
    encode, content_type = choose_encoder(request.headers.get("accept", ""))
    return Response(encode(registry()), media_type=content_type)


def registry() -> CollectorRegistry:
    """All workers' metrics where there are several, this process's where there are not."""
    if "PROMETHEUS_MULTIPROC_DIR" not in os.environ:
        return REGISTRY
    of_all_workers = CollectorRegistry()
    MultiProcessCollector(of_all_workers)
    return of_all_workers
