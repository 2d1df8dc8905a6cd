"""What is read of the SDK's records is what is decoded of the requests that its exporter sends."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry._logs import LogRecord, SeverityNumber
from opentelemetry.exporter.otlp.proto.common._log_encoder import encode_logs
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.sdk._logs import ReadableLogRecord
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Event, ReadableSpan
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import SpanContext, SpanKind, Status, StatusCode, TraceFlags, TraceState

from llm_trace_exporter.content import filters
from llm_trace_exporter.dialects import Context
from llm_trace_exporter.inprocess.records import Reader
from llm_trace_exporter.otlp.decode import decode_logs, decode_traces
from llm_trace_exporter.otlp.records import RawLog, RawSpan

KEYS = (
    "gen_ai.operation.name",
    "gen_ai.usage.input_tokens",
    "gen_ai.response.finish_reasons",
    "gen_ai.input.messages",
    "llm.token_count.prompt",
    "event.name",
    "service.name",
    "something.else",
)
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
SCALARS = (
    TEXTS
    | st.booleans()
    | st.integers(-(2**65), 2**65)
    | st.floats(allow_nan=False)
    | st.binary(max_size=9)
)
VALUES = st.recursive(
    SCALARS | st.none(),
    lambda inner: (
        st.lists(inner, max_size=3).map(tuple) | st.dictionaries(TEXTS, inner, max_size=3)
    ),
    max_leaves=6,
)
ATTRIBUTES = st.dictionaries(st.sampled_from(KEYS), VALUES)
RESOURCES = ATTRIBUTES.map(Resource)
NS = st.integers(1, 2**63 - 1)
SCOPES = st.builds(InstrumentationScope, TEXTS, TEXTS, st.none(), ATTRIBUTES)
CONTEXTS = st.builds(
    SpanContext,
    st.integers(1, 2**128 - 1),
    st.integers(1, 2**64 - 1),
    st.just(False),
    st.just(TraceFlags(1)),
    st.sampled_from([None, TraceState([("ot", "th:8"), ("rojo", "00f067aa")])]),
)
SPANS = st.builds(
    ReadableSpan,
    TEXTS,
    CONTEXTS,
    st.none() | CONTEXTS,
    RESOURCES,
    ATTRIBUTES,
    st.lists(st.builds(Event, TEXTS, ATTRIBUTES, NS), max_size=2),
    kind=st.sampled_from(SpanKind),
    status=st.sampled_from([Status(), Status(StatusCode.OK)])
    | TEXTS.map(lambda text: Status(StatusCode.ERROR, text)),
    start_time=NS,
    end_time=NS,
    instrumentation_scope=SCOPES,
)


@pytest.fixture(autouse=True)
def _quiet() -> None:
    """The SDK logs each attribute that it cannot send."""
    logging.getLogger("opentelemetry").setLevel(logging.CRITICAL)


def told(record: RawSpan | RawLog) -> dict[str, Any]:
    """All that a record says, its resource and scope included."""
    fields = {name: getattr(record, name) for name in record.__struct_fields__}
    resource, scope = fields.pop("resource"), fields.pop("scope")
    if isinstance(record, RawSpan):
        fields["events"] = [(e.name, e.time_ns, e.attrs) for e in record.events]
    else:
        assert len(fields.pop("fingerprint")) == 16
    return {**fields, "of": (resource.attrs, scope.name, scope.version, scope.attrs)}


@given(SPANS)
def test_a_span_reads_as_it_would_be_sent(span: ReadableSpan) -> None:
    keys = filters(Context(), with_texts=False)
    (sent,) = decode_traces(encode_spans([span]).SerializeToString(), keys[0]).spans
    assert told(Reader(*keys).span(span)) == told(sent)


@given(
    NS | st.none(),
    NS,
    TEXTS | st.none(),
    VALUES,
    ATTRIBUTES,
    st.integers(0, 2**128 - 1),
    st.integers(0, 2**64 - 1),
    RESOURCES,
    SCOPES,
)
def test_a_log_record_reads_as_it_would_be_sent(
    time_ns: int | None, seen_ns: int, name: str | None, body: Any, attributes: dict[str, Any],
    trace_id: int, span_id: int, resource: Resource, scope: InstrumentationScope,
) -> None:  # fmt: skip
    record = LogRecord(
        timestamp=time_ns,
        observed_timestamp=seen_ns,
        severity_number=SeverityNumber.WARN,
        body=body if isinstance(body, str) else None,
        attributes=attributes,
        event_name=name,
    )
    record.trace_id, record.span_id, record.trace_flags = trace_id, span_id, TraceFlags(1)
    emitted = ReadableLogRecord(record, resource, scope)
    keys = filters(Context(), with_texts=False)
    (sent,) = decode_logs(encode_logs([emitted]).SerializeToString(), keys[1]).logs
    assert told(Reader(*keys).log(emitted)) == told(sent)


def test_two_records_that_say_different_things_are_two() -> None:
    reader = Reader(*filters(Context(), with_texts=False))
    made = []
    for attributes in ({"a": 1}, {"a": 2}, {"a": 2}):
        record = LogRecord(timestamp=1, observed_timestamp=2, attributes=attributes)
        made.append(reader.log(ReadableLogRecord(record, Resource({}))).fingerprint)
    assert made[0] != made[1] == made[2]
