"""Counting inside of an application: what a span costs its thread, and the thread beside it.

The baseline on the application's thread is the SDK's own batch processor, which an application has
that sends its spans elsewhere; that one's export is not in it.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import KeyValue
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.trace import Span, SpanKind, set_span_in_context

from bench.effort import BUDGET_BYTES, Effort
from bench.inprocess import relaxed_collector
from bench.payloads import Shape, requests
from bench.table import Row
from llm_trace_exporter.inprocess import LLMMetricsSpanProcessor

BUDGET_US = 15.0
"""On the thread of the application."""

_MILLION = 1e6
_KINDS = dict(enumerate(SpanKind, 1))


def measure(effort: Effort, _: Path) -> list[Row]:
    """Rows for both threads by size of the texts."""
    took_us = {}
    for size in effort.content_bytes:
        with relaxed_collector():
            took_us[size] = _took_us(effort, size)
    rows = []
    for size, (ours, theirs, _beside) in took_us.items():
        budget = BUDGET_US if size == BUDGET_BYTES else None
        rows.append(_row("its own thread", size, ours, theirs, budget))
    return rows + [_row("beside it", size, beside) for size, (*_both, beside) in took_us.items()]


def _row(
    thread: str, size: int, ours: float, theirs: float | None = None, budget: float | None = None
) -> Row:
    what = f"{size / 1_000:g} KB of text" if size else "no text"
    return Row(f"in an application, {thread}", what, "µs/span", "lower", ours, theirs, budget)


def _took_us(effort: Effort, size: int) -> tuple[float, float, float]:
    """Of the processor, of the SDK's batch processor, and of the thread beside it."""
    counting = LLMMetricsSpanProcessor(registry=None, zero_hold_s=0.0)
    took_us = []
    for number in range(effort.rounds + 1):
        bodies = requests(
            effort.requests,
            Shape(content_bytes=size),
            now_ns=time.time_ns(),
            first_seed=number * effort.requests,
        )
        ended = list(_ended(bodies))
        # Its queue is as long as ours: what it drops would cost less.
        batch: SpanProcessor = BatchSpanProcessor(_Nowhere(), max_queue_size=len(ended) + 1)
        theirs_s = _on_end_s(batch, ended)
        batch.shutdown()
        started_s = time.process_time()
        ours_s = _on_end_s(counting, ended)
        counting.force_flush()
        beside_s = time.process_time() - started_s - ours_s
        if number:  # the first round fills caches
            per_span = _MILLION / len(ended)
            took_us.append((ours_s * per_span, theirs_s * per_span, beside_s * per_span))
    counting.shutdown()
    ours, theirs, beside = zip(*took_us, strict=True)
    return min(ours), min(theirs), min(beside)


def _on_end_s(processor: SpanProcessor, ended: Sequence[ReadableSpan]) -> float:
    started_s = time.thread_time()
    for span in ended:
        processor.on_end(span)
    return time.thread_time() - started_s


class _Nowhere(SpanExporter):
    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:  # noqa: ARG002
        return SpanExportResult.SUCCESS


def _ended(bodies: Sequence[bytes]) -> Iterator[ReadableSpan]:
    """The spans of requests, written again by the SDK."""
    for body in bodies:
        for group in ExportTraceServiceRequest.FromString(body).resource_spans:
            provider = TracerProvider(resource=Resource(_attributes(group.resource.attributes)))
            by_id: dict[bytes, Span] = {}
            for scope in group.scope_spans:
                tracer = provider.get_tracer(scope.scope.name, scope.scope.version)
                for told in scope.spans:
                    parent = by_id.get(told.parent_span_id)
                    span = by_id[told.span_id] = tracer.start_span(
                        told.name,
                        set_span_in_context(parent) if parent else None,
                        _KINDS[told.kind],
                        _attributes(told.attributes),
                        start_time=told.start_time_unix_nano,
                    )
                    span.end(told.end_time_unix_nano)
                    if isinstance(span, ReadableSpan):
                        yield span


def _attributes(pairs: Sequence[KeyValue]) -> dict[str, str | int | float | list[str]]:
    found: dict[str, str | int | float | list[str]] = {}
    for pair in pairs:
        kind = pair.value.WhichOneof("value")
        if kind == "array_value":
            found[pair.key] = [each.string_value for each in pair.value.array_value.values]
        elif kind is not None:
            found[pair.key] = getattr(pair.value, kind)
    return found
