"""Any request: JSON like protobuf, like protobuf's own classes, and never a surprise."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import (
    AnyValue,
    ArrayValue,
    KeyValue,
    KeyValueList,
)
from opentelemetry.proto.logs.v1.logs_pb2 import SeverityNumber
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from llm_trace_exporter.errors import DecodeError
from llm_trace_exporter.otlp.decode import (
    decode_logs,
    decode_logs_json,
    decode_traces,
    decode_traces_json,
)
from llm_trace_exporter.otlp.records import Batch
from tests.draws import draws
from tests.e2e.wire import to_otlp_json
from tests.every import every
from tests.otlp.decoding import KEYS, decode_one, good_span, keys, plain

pytestmark = pytest.mark.usefixtures("engine")

DECODERS = (decode_traces, decode_logs, decode_traces_json, decode_logs_json)
CORPUS = Path(__file__).parents[1] / "corpus"


@pytest.mark.parametrize("convert", [decode_traces, decode_logs])
def test_empty_request_is_an_empty_batch(convert: Any) -> None:
    assert plain(convert(b"", keys())) == plain(Batch())


@given(body=st.binary(max_size=300))
@example(b"\x0a\x04\x12\x02\x12\x00")
def test_random_bytes_raise_nothing_but_decode_errors(body: bytes) -> None:
    for convert in DECODERS:
        try:
            convert(body, keys())
        except DecodeError:
            continue


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "resourceSpans",
                    "resourceLogs",
                    "resource",
                    "scopeSpans",
                    "scopeLogs",
                    "spans",
                    "logRecords",
                    "attributes",
                    "key",
                    "value",
                    "intValue",
                    "arrayValue",
                    "kvlistValue",
                    "values",
                    "traceId",
                    "kind",
                    "startTimeUnixNano",
                    "events",
                    "status",
                    "body",
                    "bytesValue",
                    "doubleValue",
                ]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=30,
)


@given(document=json_values)
def test_random_json_raises_nothing_but_decode_errors(document: object) -> None:
    body = json.dumps(document).encode()
    for convert in (decode_traces_json, decode_logs_json):
        try:
            convert(body, keys())
        except DecodeError:
            continue


texts = st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=12)
# JSON has one NaN; protobuf would tell the bits of others apart.
_floats = st.floats().map(lambda number: math.nan if math.isnan(number) else number)
values = st.recursive(
    st.one_of(
        st.builds(AnyValue),
        st.builds(AnyValue, string_value=texts),
        st.builds(AnyValue, bool_value=st.booleans()),
        st.builds(AnyValue, int_value=st.integers(-(2**63), 2**63 - 1)),
        st.builds(AnyValue, double_value=_floats),
        st.builds(AnyValue, bytes_value=st.binary(max_size=9)),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3).map(
            lambda items: AnyValue(array_value=ArrayValue(values=items))
        ),
        st.lists(st.builds(KeyValue, key=texts, value=inner), max_size=3).map(
            lambda items: AnyValue(kvlist_value=KeyValueList(values=items))
        ),
    ),
    max_leaves=6,
)
attributes = st.lists(
    st.builds(KeyValue, key=st.sampled_from([*KEYS, "unread", "llm.x", ""]), value=values),
    max_size=6,
)
ids = st.sampled_from([16, 8, 0, 3]).flatmap(lambda size: st.binary(min_size=size, max_size=size))
times = st.integers(0, 2**64 - 1) | st.integers(10**18, 2 * 10**18)


@st.composite
def trace_requests(draw: st.DrawFn) -> ExportTraceServiceRequest:
    message = ExportTraceServiceRequest()
    for _ in range(draw(st.integers(0, 2))):
        group = message.resource_spans.add()
        group.resource.attributes.extend(draw(attributes))
        scope_spans = group.scope_spans.add()
        scope_spans.scope.name = draw(texts)
        scope_spans.scope.attributes.extend(draw(attributes))
        for _ in range(draw(st.integers(0, 2))):
            span = scope_spans.spans.add(
                trace_id=draw(st.just(b"t" * 16) | ids),
                span_id=draw(st.just(b"s" * 8) | ids),
                parent_span_id=draw(st.just(b"") | ids),
                trace_state=draw(texts),
                name=draw(texts),
                kind=draw(st.sampled_from(Span.SpanKind.values())),
                start_time_unix_nano=draw(times),
                end_time_unix_nano=draw(times),
                attributes=draw(attributes),
            )
            span.status.code = draw(st.sampled_from(Status.StatusCode.values()))
            span.status.message = draw(texts)
            span.events.add(
                name=draw(texts), time_unix_nano=draw(times), attributes=draw(attributes)
            )
    return message


@st.composite
def log_requests(draw: st.DrawFn) -> ExportLogsServiceRequest:
    message = ExportLogsServiceRequest()
    group = message.resource_logs.add()
    group.resource.attributes.extend(draw(attributes))
    scope_logs = group.scope_logs.add()
    scope_logs.scope.name = draw(texts)
    for _ in range(draw(st.integers(0, 2))):
        scope_logs.log_records.add(
            trace_id=draw(ids),
            span_id=draw(ids),
            time_unix_nano=draw(times),
            observed_time_unix_nano=draw(times),
            severity_number=draw(st.sampled_from(SeverityNumber.values())),
            severity_text=draw(texts),
            body=draw(values),
            event_name=draw(texts),
            attributes=draw(attributes),
        )
    return message


@given(message=trace_requests())
@draws(60)
def test_traces_in_json_and_protobuf_give_the_same_batch(
    message: ExportTraceServiceRequest,
) -> None:
    keep = keys()
    from_protobuf = decode_traces(message.SerializeToString(), keep)
    assert plain(from_protobuf) == plain(decode_traces_json(to_otlp_json(message), keep))
    assert len(from_protobuf.spans) + len(from_protobuf.rejected) == sum(
        len(s.spans) for g in message.resource_spans for s in g.scope_spans
    )


@given(message=log_requests())
@draws(100)
def test_logs_in_json_and_protobuf_give_the_same_batch(message: ExportLogsServiceRequest) -> None:
    keep = keys()
    from_protobuf = decode_logs(message.SerializeToString(), keep)
    assert plain(from_protobuf) == plain(decode_logs_json(to_otlp_json(message), keep))


def reference(value: AnyValue) -> object:
    """A value as protobuf's own classes read it."""
    kind = value.WhichOneof("value")
    if kind is None:
        return None
    if kind == "array_value":
        return [reference(item) for item in value.array_value.values]
    if kind == "kvlist_value":
        return {item.key: reference(item.value) for item in value.kvlist_value.values}
    return getattr(value, kind)


@given(sent=attributes)
def test_attributes_read_as_protobuf_reads_them(sent: list[KeyValue]) -> None:
    keep = keys()
    expected = {item.key: reference(item.value) for item in sent if keep.keep(item.key)}
    got = decode_one(good_span(attributes=sent)).attrs
    assert repr(got) == repr(expected) or got == expected


@given(message=trace_requests(), data=st.data())
@draws(60)
def test_truncated_and_flipped_bodies_raise_nothing_but_decode_errors(
    message: ExportTraceServiceRequest, data: st.DataObject
) -> None:
    body = bytearray(message.SerializeToString())
    if body:
        at = data.draw(st.integers(0, len(body) - 1))
        body[at] ^= data.draw(st.integers(1, 255))
        del body[data.draw(st.integers(0, len(body))) :]
    for convert in (decode_traces, decode_logs):
        try:
            convert(bytes(body), keys())
        except DecodeError:
            continue


@every(sorted(CORPUS.rglob("*.traces.*")) + sorted(CORPUS.rglob("*.logs.*")))
def test_every_captured_request_decodes_whole(path: Path) -> None:
    name, encoding = path.name.split(".")[1:3]
    convert = {
        ("traces", "pb"): decode_traces,
        ("traces", "json"): decode_traces_json,
        ("logs", "pb"): decode_logs,
        ("logs", "json"): decode_logs_json,
    }[name, encoding]
    batch = convert(path.read_bytes(), keys())
    assert batch.rejected == []
    assert batch.spans or batch.logs
