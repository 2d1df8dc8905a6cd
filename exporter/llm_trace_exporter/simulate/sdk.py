"""The traffic sent by the OpenTelemetry SDK, as the applications themselves would send it.

Ids and times are those of the simulation; batching, retries and the wire are the SDK's.
"""

from __future__ import annotations

import urllib.request
from collections.abc import Mapping
from typing import Any
from urllib.error import HTTPError, URLError

from opentelemetry._logs import LogRecord, SeverityNumber
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
from opentelemetry.sdk.metrics.export import MetricsData
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Span, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.id_generator import IdGenerator
from opentelemetry.trace import (
    NonRecordingSpan,
    SpanContext,
    SpanKind,
    Status,
    StatusCode,
    TraceFlags,
    set_span_in_context,
)

from ..otlp.records import RawLog, RawSpan
from .scene import Place
from .traffic import Sent

_QUEUE = 65_536
"""Nothing is dropped while the receiver is slow for a moment."""
_SDK_KINDS = {1: SpanKind.INTERNAL, 2: SpanKind.SERVER, 3: SpanKind.CLIENT}
_TIMEOUT_S = 10.0
_GIVEN_FLAGS = TraceFlags(TraceFlags.SAMPLED)


class Sender:
    """Sends to one OTLP/HTTP endpoint, with an SDK for each application."""

    def __init__(self, endpoint: str, headers: Mapping[str, str]) -> None:
        """Nothing is sent yet.

        Args:
            endpoint: Base address, without `/v1/traces`.
            headers: Further ones of each request.
        """
        self._endpoint = endpoint.rstrip("/")
        self._headers = dict(headers)
        self._applications: dict[tuple[str, str], _Application] = {}
        self._metrics = OTLPMetricExporter(f"{self._endpoint}/v1/metrics", headers=self._headers)

    def send(self, sent: Sent) -> None:
        """Hand over to the SDK, which sends in the background."""
        application = self._application(sent.place)
        application.trace(sent.spans)
        for log in sent.logs:
            application.log(log)
        if sent.metrics:
            self._metrics.export(MetricsData([]))
        if sent.malformed:
            self._send_nonsense()

    def close(self) -> None:
        """Send what waits."""
        for application in self._applications.values():
            application.close()
        self._metrics.shutdown()

    def _application(self, place: Place) -> _Application:
        key = (place.service.name, place.environment)
        found = self._applications.get(key)
        if found is None:
            found = self._applications[key] = _Application(place, self._endpoint, self._headers)
        return found

    def _send_nonsense(self) -> None:
        request = urllib.request.Request(  # noqa: S310 - the endpoint was checked
            f"{self._endpoint}/v1/traces",
            data=b"\xff not a trace",
            headers={**self._headers, "Content-Type": "application/x-protobuf"},
        )
        try:
            urllib.request.urlopen(request, timeout=_TIMEOUT_S).close()  # noqa: S310 - as above
        except HTTPError as refused:
            refused.close()
        except URLError:
            return


class _Ids(IdGenerator):
    """Gives the ids of the simulation."""

    def __init__(self) -> None:
        self.trace = self.span = 0

    def generate_trace_id(self) -> int:
        return self.trace

    def generate_span_id(self) -> int:
        return self.span


class _Application:
    """The SDK of one application."""

    def __init__(self, place: Place, endpoint: str, headers: dict[str, str]) -> None:
        resource = Resource({k: str(v) for k, v in place.resource.attrs.items()})
        self._ids = _Ids()
        self._tracers = TracerProvider(resource=resource, id_generator=self._ids)
        self._tracers.add_span_processor(
            BatchSpanProcessor(
                OTLPSpanExporter(f"{endpoint}/v1/traces", headers=headers), max_queue_size=_QUEUE
            )
        )
        self._loggers = LoggerProvider(resource=resource)
        self._loggers.add_log_record_processor(
            BatchLogRecordProcessor(
                OTLPLogExporter(f"{endpoint}/v1/logs", headers=headers), max_queue_size=_QUEUE
            )
        )
        self._tracer = self._tracers.get_tracer(place.scope.name, place.scope.version)
        self._logger = self._loggers.get_logger(place.scope.name, place.scope.version)

    def trace(self, spans: tuple[RawSpan, ...]) -> None:
        """Tell one trace; parents come before their children."""
        started: dict[bytes, Span] = {}
        for span in spans:
            self._ids.trace = int.from_bytes(span.trace_id, "big")
            self._ids.span = int.from_bytes(span.span_id, "big")
            parent = started.get(span.parent_span_id)
            sdk_span: Any = self._tracer.start_span(
                span.name,
                None if parent is None else set_span_in_context(parent),
                kind=_SDK_KINDS[span.kind],
                attributes=span.attrs,
                start_time=span.start_ns,
            )
            started[span.span_id] = sdk_span
        for span in reversed(spans):
            sdk_span = started[span.span_id]
            for event in span.events:
                sdk_span.add_event(event.name, event.attrs, timestamp=event.time_ns)
            if span.status_code == 2:
                sdk_span.set_status(Status(StatusCode.ERROR, span.status_message))
            sdk_span.end(span.end_ns)

    def log(self, log: RawLog) -> None:
        """Tell one log record."""
        self._logger.emit(
            LogRecord(
                timestamp=log.time_ns,
                observed_timestamp=log.time_ns,
                context=_context_of(log),
                severity_number=SeverityNumber.INFO,
                attributes=log.attrs,
                event_name=log.event_name,
            )
        )

    def close(self) -> None:
        """Send what waits."""
        self._tracers.shutdown()
        self._loggers.shutdown()


def _context_of(log: RawLog) -> Context:
    trace_id, span_id = (int.from_bytes(i, "big") for i in (log.trace_id, log.span_id))
    about = SpanContext(trace_id, span_id, is_remote=False, trace_flags=_GIVEN_FLAGS)
    return set_span_in_context(NonRecordingSpan(about))
