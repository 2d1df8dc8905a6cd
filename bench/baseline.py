"""What the exporter is compared with: the same job done in the straightforward way.

OpenTelemetry's generated classes, a dict of attributes for each span, prometheus_client's
instruments, Starlette and grpcio's thread pool. It counts requests, durations, tokens and dollars
of LLM calls and the steps around them, for two conventions. It does not know duplicates, late
copies, caps, new series or restarts, and keeps nothing: it does much less than the exporter.

`python -m bench.baseline` serves it on free ports of 127.0.0.1 and logs them.
"""

from __future__ import annotations

import functools
import logging
import socket
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor

import genai_prices
import grpc
import uvicorn
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2_grpc import (
    TraceServiceServicer,
    add_TraceServiceServicer_to_server,
)
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status
from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Histogram,
    generate_latest,
)
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from llm_trace_exporter.config.settings import BucketSettings

_logger = logging.getLogger(__name__)

_CALL = ("service", "environment", "provider", "model", "operation")
_STEP = ("service", "environment", "step", "name")
_MILLION = 1_000_000
_MAX_BYTES = 32 * 1024 * 1024


class Baseline:
    """Counts requests of spans."""

    def __init__(self) -> None:
        registry = self.registry = CollectorRegistry()
        buckets = BucketSettings()
        self._requests = Counter(
            "requests", "LLM calls.", (*_CALL, "outcome", "error_type"), registry=registry
        )
        self._seconds = Histogram(
            "request_duration_seconds", "Duration of LLM calls.", (*_CALL, "outcome"),
            buckets=buckets.seconds, registry=registry,
        )  # fmt: skip
        self._tokens = Counter("tokens", "Tokens.", (*_CALL, "type"), registry=registry)
        self._input = Histogram(
            "request_input_tokens", "Input tokens.", _CALL,
            buckets=buckets.tokens, registry=registry,
        )  # fmt: skip
        self._output = Histogram(
            "request_output_tokens", "Output tokens.", _CALL,
            buckets=buckets.tokens, registry=registry,
        )  # fmt: skip
        self._cost = Counter("cost_usd", "US dollars.", (*_CALL, "type"), registry=registry)
        self._cost_per_call = Histogram(
            "request_cost_usd", "US dollars of a call.", _CALL,
            buckets=buckets.dollars, registry=registry,
        )  # fmt: skip
        self._finish = Counter("finish_reasons", "Why.", (*_CALL, "reason"), registry=registry)
        self._step = Histogram(
            "step_duration_seconds", "Duration of steps.", (*_STEP, "outcome"),
            buckets=buckets.seconds, registry=registry,
        )  # fmt: skip

    def export(self, message: ExportTraceServiceRequest) -> None:
        """Count one request."""
        for resource, span, attributes in read(message):
            service = str(resource.get("service.name", ""))
            environment = str(resource.get("deployment.environment.name", ""))
            operation = attributes.get("gen_ai.operation.name")
            is_call = operation == "chat" or attributes.get("openinference.span.kind") == "LLM"
            if is_call:
                self._count_call(service, environment, span, attributes)
            elif operation:
                self._count_step(service, environment, str(operation), span, attributes)

    def _count_call(
        self, service: str, environment: str, span: Span, attributes: Mapping[str, object]
    ) -> None:
        def first(*keys: str) -> object:
            return next((attributes[k] for k in keys if k in attributes), "")

        provider = str(first("gen_ai.provider.name", "gen_ai.system", "llm.system"))
        model = str(first("gen_ai.response.model", "gen_ai.request.model", "llm.model_name"))
        labels = {
            "service": service,
            "environment": environment,
            "provider": provider,
            "model": model,
            "operation": "chat",
        }
        outcome = "error" if span.status.code == Status.STATUS_CODE_ERROR else "ok"
        error = str(attributes.get("error.type", "")) if outcome == "error" else ""
        self._requests.labels(**labels, outcome=outcome, error_type=error).inc()
        self._seconds.labels(**labels, outcome=outcome).observe(_duration_s(span))
        sent = _number(first("gen_ai.usage.input_tokens", "llm.token_count.prompt"))
        received = _number(first("gen_ai.usage.output_tokens", "llm.token_count.completion"))
        self._tokens.labels(**labels, type="input").inc(sent)
        self._tokens.labels(**labels, type="output").inc(received)
        self._input.labels(**labels).observe(sent)
        self._output.labels(**labels).observe(received)
        input_usd, output_usd = rates(model)
        self._cost.labels(**labels, type="input").inc(sent * input_usd)
        self._cost.labels(**labels, type="output").inc(received * output_usd)
        self._cost_per_call.labels(**labels).observe(sent * input_usd + received * output_usd)
        reasons = first("gen_ai.response.finish_reasons", "llm.finish_reason")
        for reason in reasons if isinstance(reasons, list) else [reasons]:
            self._finish.labels(**labels, reason=str(reason)).inc()

    def _count_step(
        self,
        service: str,
        environment: str,
        step: str,
        span: Span,
        attributes: Mapping[str, object],
    ) -> None:
        name = attributes.get("gen_ai.tool.name") or attributes.get("gen_ai.agent.name") or ""
        self._step.labels(
            service=service,
            environment=environment,
            step=step,
            name=str(name),
            outcome="error" if span.status.code == Status.STATUS_CODE_ERROR else "ok",
        ).observe(_duration_s(span))


def read(
    message: ExportTraceServiceRequest,
) -> Iterator[tuple[dict[str, object], Span, dict[str, object]]]:
    """(resource attributes, span, span attributes) of each span."""
    for resource_spans in message.resource_spans:
        resource = {kv.key: _value(kv.value) for kv in resource_spans.resource.attributes}
        for scope_spans in resource_spans.scope_spans:
            for span in scope_spans.spans:
                yield resource, span, _attributes(span)


@functools.cache
def rates(model: str) -> tuple[float, float]:
    """US dollars of one input and one output token; 0 where unknown."""
    try:
        price = genai_prices.calc_price(
            genai_prices.Usage(input_tokens=_MILLION, output_tokens=_MILLION), model_ref=model
        )
    except LookupError:
        return 0.0, 0.0
    return float(price.input_price) / _MILLION, float(price.output_price) / _MILLION


def _attributes(span: Span) -> dict[str, object]:
    found: dict[str, object] = {}
    kv: KeyValue
    for kv in span.attributes:
        found[kv.key] = _value(kv.value)
    return found


def _value(value: AnyValue) -> object:
    kind = value.WhichOneof("value")
    if kind is None:
        return None
    if kind == "array_value":
        return [_value(v) for v in value.array_value.values]
    return getattr(value, kind)


def _number(value: object) -> int:
    return value if isinstance(value, int) else 0


def _duration_s(span: Span) -> float:
    return (span.end_time_unix_nano - span.start_time_unix_nano) / 1e9


class _Servicer(TraceServiceServicer):
    def __init__(self, baseline: Baseline) -> None:
        self._baseline = baseline

    def Export(  # noqa: N802 - gRPC's name
        self, request: ExportTraceServiceRequest, _: grpc.ServicerContext
    ) -> ExportTraceServiceResponse:
        """Count one request."""
        self._baseline.export(request)
        return ExportTraceServiceResponse()


def application(baseline: Baseline) -> Starlette:
    """`/v1/traces` and `/metrics`."""

    async def take(request: Request) -> Response:
        message = ExportTraceServiceRequest.FromString(await request.body())
        baseline.export(message)
        answer = ExportTraceServiceResponse().SerializeToString()
        return Response(answer, media_type="application/x-protobuf")

    def show(_: Request) -> Response:
        return Response(generate_latest(baseline.registry), media_type=CONTENT_TYPE_LATEST)

    return Starlette(
        routes=[
            Route("/v1/traces", take, methods=["POST"]),
            Route("/metrics", show, methods=["GET"]),
        ]
    )


def main() -> None:
    """Serve until SIGTERM."""
    logging.basicConfig(level=logging.INFO)
    baseline = Baseline()
    rpc = grpc.server(
        ThreadPoolExecutor(4), options=[("grpc.max_receive_message_length", _MAX_BYTES)]
    )
    add_TraceServiceServicer_to_server(_Servicer(baseline), rpc)  # type: ignore[no-untyped-call]
    rpc_port = rpc.add_insecure_port("127.0.0.1:0")
    rpc.start()
    listener = socket.create_server(("127.0.0.1", 0), backlog=128)
    address = f"127.0.0.1:{listener.getsockname()[1]}"
    _logger.info("listening for metrics on %s", address)
    _logger.info("listening for OTLP/HTTP on %s", address)
    _logger.info("listening for OTLP/gRPC on 127.0.0.1:%d", rpc_port)
    config = uvicorn.Config(application(baseline), log_config=None, access_log=False)
    uvicorn.Server(config).run(sockets=[listener])
    rpc.stop(None)


if __name__ == "__main__":
    main()
