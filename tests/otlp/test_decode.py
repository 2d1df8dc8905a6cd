"""Decoding of OTLP requests: what is taken, what is rejected, what is refused."""

from __future__ import annotations

import base64
import dataclasses
import json
import math
import re
from pathlib import Path
from typing import Any

import pytest
from google.protobuf import json_format
from hypothesis import example, given, settings
from hypothesis import strategies as st
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from llm_trace_exporter.errors import DecodeError
from llm_trace_exporter.otlp import decode
from llm_trace_exporter.otlp.decode import (
    KeyFilter,
    decode_logs,
    decode_logs_json,
    decode_traces,
    decode_traces_json,
)
from llm_trace_exporter.otlp.raw import Attributes, Batch, RawSpan

KEYS = ("a", "b", "gen_ai.request.model", "service.name", "kept." + "k" * 140)
DECODERS = (decode_traces, decode_logs, decode_traces_json, decode_logs_json)
CORPUS = Path(__file__).parents[1] / "corpus"


def keys() -> KeyFilter:
    return KeyFilter(KEYS, re.compile(r"(?:kept|llm)\..*", re.DOTALL))


def good_span(**fields: Any) -> Span:
    values: dict[str, Any] = {
        "trace_id": b"t" * 16,
        "span_id": b"s" * 8,
        "name": "chat",
        "start_time_unix_nano": 10**18,
        "end_time_unix_nano": 10**18 + 5,
    }
    return Span(**(values | fields))


def request(*spans: Span) -> ExportTraceServiceRequest:
    message = ExportTraceServiceRequest()
    message.resource_spans.add().scope_spans.add().spans.extend(spans)
    return message


def decode_one(span: Span) -> RawSpan:
    batch = decode_traces(request(span).SerializeToString(), keys())
    assert batch.rejected == []
    return batch.spans[0]


def varint(number: int) -> bytes:
    out = b""
    while number > 0x7F:
        out += bytes([number & 0x7F | 0x80])
        number >>= 7
    return out + bytes([number])


def field(number: int, content: bytes) -> bytes:
    return varint(number << 3 | 2) + varint(len(content)) + content


def body_with_attributes(*parts: bytes) -> bytes:
    raw = good_span().SerializeToString() + b"".join(field(9, part) for part in parts)
    return field(1, field(2, field(2, raw)))


def attributes_of(*parts: bytes) -> Attributes:
    return decode_traces(body_with_attributes(*parts), keys()).spans[0].attrs


def plain(batch: Batch) -> object:
    """A batch as nested plain values, with NaN made comparable."""

    def walk(value: Any) -> Any:
        if dataclasses.is_dataclass(value):
            return {f.name: walk(getattr(value, f.name)) for f in dataclasses.fields(value)}
        if isinstance(value, dict):
            return {key: walk(item) for key, item in value.items()}
        if isinstance(value, list | tuple):
            return [walk(item) for item in value]
        if isinstance(value, float) and math.isnan(value):
            return "NaN"
        return (type(value).__name__, value)

    return walk(batch)


# --- one span


def test_span_fields_arrive_as_sent() -> None:
    span = good_span(parent_span_id=b"p" * 8, kind=3, trace_state="ot=th:8")
    span.status.code = 2
    span.status.message = "Error code: 429"
    span.attributes.add(key="a").value.int_value = 7
    event = span.events.add(name="exception", time_unix_nano=10**18 + 1)
    event.attributes.add(key="b").value.string_value = "x"
    message = request(span)
    group = message.resource_spans[0]
    group.resource.attributes.add(key="service.name").value.string_value = "shop"
    group.scope_spans[0].scope.name = "openai"
    group.scope_spans[0].scope.version = "1.2"
    group.scope_spans[0].scope.attributes.add(key="a").value.bool_value = True

    (got,) = decode_traces(message.SerializeToString(), keys()).spans

    assert (got.trace_id, got.span_id, got.parent_span_id) == (b"t" * 16, b"s" * 8, b"p" * 8)
    assert (got.name, got.kind, got.trace_state) == ("chat", 3, "ot=th:8")
    assert (got.start_ns, got.end_ns) == (10**18, 10**18 + 5)
    assert (got.status_code, got.status_message) == (2, "Error code: 429")
    assert got.attrs == {"a": 7}
    assert [(e.name, e.time_ns, e.attrs) for e in got.events] == [
        ("exception", 10**18 + 1, {"b": "x"})
    ]
    assert got.resource.attrs == {"service.name": "shop"}
    assert (got.scope.name, got.scope.version, got.scope.attrs) == ("openai", "1.2", {"a": True})


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"trace_id": b""}, decode.BAD_TRACE_ID),
        ({"trace_id": b"t" * 15}, decode.BAD_TRACE_ID),
        ({"trace_id": bytes(16)}, decode.BAD_TRACE_ID),
        ({"span_id": b"s" * 9}, decode.BAD_SPAN_ID),
        ({"span_id": bytes(8)}, decode.BAD_SPAN_ID),
        ({"parent_span_id": b"p"}, decode.BAD_PARENT_ID),
        ({"start_time_unix_nano": 0}, decode.NO_START_TIME),
        ({"start_time_unix_nano": 2**63}, decode.BAD_TIME),
        ({"end_time_unix_nano": 2**64 - 1}, decode.BAD_TIME),
    ],
)
def test_impossible_span_is_rejected_and_the_rest_taken(
    fields: dict[str, Any], reason: str
) -> None:
    body = request(good_span(**fields), good_span(name="good")).SerializeToString()
    batch = decode_traces(body, keys())
    assert batch.rejected == [reason]
    assert [span.name for span in batch.spans] == ["good"]


def test_end_before_start_is_kept_and_missing_end_is_the_start() -> None:
    assert decode_one(good_span(end_time_unix_nano=5)).end_ns == 5
    assert decode_one(good_span(end_time_unix_nano=0)).end_ns == 10**18


def test_parent_of_zeros_is_a_root() -> None:
    assert decode_one(good_span(parent_span_id=bytes(8))).parent_span_id == b""


def test_unknown_enum_numbers_read_as_unset() -> None:
    raw = good_span().SerializeToString()
    raw += varint(6 << 3) + varint(77) + field(15, varint(3 << 3) + varint(9))
    (span,) = decode_traces(field(1, field(2, field(2, raw))), keys()).spans
    assert (span.kind, span.status_code) == (0, 0)


def test_long_names_and_messages_are_cut() -> None:
    span = good_span(name="n" * 10_000)
    span.status.message = "m" * 10_000
    got = decode_one(span)
    assert (len(got.name), len(got.status_message)) == (1024, 4096)


# --- attributes on the wire


def test_keys_that_nobody_reads_are_left_out() -> None:
    span = good_span()
    for key in ("a", "gen_ai.input.messages", "llm.x", "kept.y", "z" * 300):
        span.attributes.add(key=key).value.string_value = "text " * 100
    assert set(decode_one(span).attrs) == {"a", "llm.x", "kept.y"}


A_IS_1 = field(1, b"a") + field(2, b"\x18\x01")


@pytest.mark.parametrize(
    ("part", "expected"),
    [
        (A_IS_1, {"a": 1}),
        (field(2, b"\x18\x01") + field(1, b"a"), {"a": 1}),
        (field(1, b"zzz") + field(2, b"\x18\x01") + field(1, b"a"), {"a": 1}),
        (field(1, b"a") + field(2, b"\x18\x01") + field(1, b"zzz"), {}),
        (field(1, b"a") + field(2, b"\x18\x01") + field(2, b"\x18\x02"), {"a": 2}),
        (A_IS_1 + field(15, b"unknown") + b"\x78\x05", {"a": 1}),
        (field(15, b"unknown") + A_IS_1, {"a": 1}),
        (b"\x8a\x00\x01a" + field(2, b"\x18\x01"), {"a": 1}),
        (b"\x0a\x81\x00a" + field(2, b"\x18\x01"), {"a": 1}),
        (field(1, b"a") + b"\x12\x82\x80\x00\x18\x01", {"a": 1}),
        (field(1, b"a") + field(2, b"\x18\x81\x00"), {"a": 1}),
        (field(1, b"a") + field(2, b"\x10\x02"), {"a": True}),
        (field(1, b"a"), {"a": None}),
        (field(1, b"a") + field(2, b""), {"a": None}),
        (field(1, b"a") + field(2, b"\x40\x07"), {"a": None}),
        (field(1, b"a") + field(2, b"\x18\x01\x0a\x01x"), {"a": "x"}),
        (field(1, b"a") + field(2, b"\x0a\x01x\x18\x01"), {"a": 1}),
        (field(1, b"a") + field(2, field(1, b"caf\xc3")), {"a": "caf\N{REPLACEMENT CHARACTER}"}),
        (
            field(1, b"a") + field(2, field(5, field(1, field(1, b"\xff")))),
            {"a": ["\N{REPLACEMENT CHARACTER}"]},
        ),
        (
            field(1, b"a") + field(2, field(5, field(1, b"\x18\x01")) * 2),
            {"a": [1, 1]},
        ),
        (field(1, KEYS[-1].encode()) + field(2, b"\x18\x01"), {KEYS[-1]: 1}),
        (field(1, b"\xff") + field(2, b"\x18\x01"), {}),
        (b"", {}),
    ],
)
def test_every_legal_encoding_of_an_attribute_reads_the_same(
    part: bytes, expected: Attributes
) -> None:
    keep = keys()
    body = body_with_attributes(part)
    first = decode_traces(body, keep).spans[0].attrs
    again = decode_traces(body, keep).spans[0].attrs
    assert first == again == expected


def test_of_equal_keys_the_last_wins() -> None:
    two = field(1, b"a") + field(2, b"\x18\x02")
    assert attributes_of(A_IS_1, two) == {"a": 2}
    assert attributes_of(two, A_IS_1) == {"a": 1}


@pytest.mark.parametrize("part", [b"\x0a", b"\x0a\x05a", field(1, b"a") + b"\x12\x7f", b"\x0b"])
def test_attribute_that_is_no_message_fails_the_request(part: bytes) -> None:
    with pytest.raises(DecodeError):
        attributes_of(part)


def test_remembered_values_are_independent() -> None:
    keep = keys()
    span = good_span()
    span.attributes.add(key="a").value.array_value.values.add().int_value = 1
    body = request(span).SerializeToString()
    first = decode_traces(body, keep).spans[0].attrs["a"]
    second = decode_traces(body, keep).spans[0].attrs["a"]
    assert isinstance(second, list)
    second.append(2)
    third = decode_traces(body, keep).spans[0].attrs["a"]
    assert first == third == [1]


def test_what_is_remembered_is_bounded() -> None:
    keep = keys()
    for start in range(0, 60_000, 20_000):
        span = good_span()
        for number in range(start, start + 20_000):
            span.attributes.add(key="a").value.int_value = number
            span.attributes.add(key=f"llm.{number}").value.array_value.values.add().int_value = 1
        assert len(decode_one_with(span, keep).attrs) == 20_001
    sizes = [len(getattr(keep, name)) for name in ("_heads", "_scalars", "_lists")]
    assert max(sizes) <= 16_384
    assert len(keep._heads) <= 8_192


def decode_one_with(span: Span, keep: KeyFilter) -> RawSpan:
    return decode_traces(request(span).SerializeToString(), keep).spans[0]


def nested(depth: int) -> AnyValue:
    value = AnyValue(int_value=1)
    for _ in range(depth):
        outer = AnyValue()
        outer.array_value.values.append(value)
        value = outer
    return value


def depth_of(value: Any) -> int:
    return 1 + depth_of(value[0]) if isinstance(value, list) and value else 0


def test_nesting_is_bounded() -> None:
    shallow = good_span(attributes=[KeyValue(key="a", value=nested(20))])
    deep = good_span(attributes=[KeyValue(key="a", value=nested(40))])
    assert depth_of(decode_one(shallow).attrs["a"]) == 20
    assert depth_of(decode_one(deep).attrs["a"]) == 32
    part = b"\x18\x01"
    for _ in range(3_000):
        part = field(5, field(1, part))
    assert depth_of(attributes_of(field(1, b"a") + field(2, part))["a"]) == 32


def test_nested_json_is_bounded() -> None:
    value = '{"arrayValue":{"values":[' * 40 + '{"intValue":1}' + "]}}" * 40
    body = trace_json('"attributes":[{"key":"a","value":' + value + "}]")
    got = decode_traces_json(body, keys()).spans[0].attrs["a"]
    assert depth_of(got) == 32


@pytest.mark.parametrize("text", ['{"a":' * 50_000, "[" * 50_000, '{"a":[' * 50_000])
@pytest.mark.parametrize("convert", [decode_traces_json, decode_logs_json])
def test_endless_json_nesting_is_refused(text: str, convert: Any) -> None:
    with pytest.raises(DecodeError):
        convert(text.encode(), keys())


@pytest.mark.parametrize(
    ("convert", "body"),
    [
        (decode_traces, field(1, b"") * (decode.MAX_PARTS + 1)),
        (decode_logs, field(1, field(2, field(2, b"") * (decode.MAX_PARTS + 1)))),
        (decode_traces, field(1, field(2, field(2, field(9, b"") * (decode.MAX_PARTS + 1))))),
        (decode_logs, field(1, field(2, field(2, field(6, b"") * (decode.MAX_PARTS + 1))))),
    ],
    ids=["groups", "records", "span attributes", "log attributes"],
)
def test_swarm_of_empty_parts_is_refused(convert: Any, body: bytes) -> None:
    with pytest.raises(DecodeError, match="more than"):
        convert(body, keys())


def test_swarm_of_json_objects_is_refused() -> None:
    with pytest.raises(DecodeError, match="more than"):
        decode_traces_json(b"[" + b"{}," * 2_000_001 + b"{}]", keys())


# --- logs


def log_request(**fields: Any) -> ExportLogsServiceRequest:
    message = ExportLogsServiceRequest()
    record = message.resource_logs.add().scope_logs.add().log_records.add()
    for name, value in fields.items():
        if isinstance(value, AnyValue):
            getattr(record, name).CopyFrom(value)
        else:
            setattr(record, name, value)
    return message


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"time_unix_nano": 5, "observed_time_unix_nano": 6}, {"time_ns": 5}),
        ({"observed_time_unix_nano": 6}, {"time_ns": 6}),
        ({}, {"time_ns": 0, "body": "", "event_name": "", "trace_id": b"", "span_id": b""}),
        ({"trace_id": b"t" * 16, "span_id": b"s" * 8}, {"trace_id": b"t" * 16}),
        ({"trace_id": bytes(16), "span_id": bytes(8)}, {"trace_id": b"", "span_id": b""}),
        ({"trace_id": b"t", "span_id": b"s"}, {"trace_id": b"", "span_id": b""}),
        ({"event_name": "gen_ai.evaluation.result"}, {"event_name": "gen_ai.evaluation.result"}),
        ({"severity_number": 9}, {"severity": 9}),
        ({"body": AnyValue(string_value="\N{SNOWMAN}" * 200)}, {"body": "\N{SNOWMAN}" * 200}),
        ({"body": AnyValue(string_value="x" * 201)}, {"body": ""}),
        ({"body": AnyValue(string_value="x" * 9000)}, {"body": ""}),
        ({"body": AnyValue(int_value=1)}, {"body": ""}),
    ],
)
def test_log_fields(fields: dict[str, Any], expected: dict[str, Any]) -> None:
    (log,) = decode_logs(log_request(**fields).SerializeToString(), keys()).logs
    assert {name: getattr(log, name) for name in expected} == expected


def test_log_beyond_all_time_is_rejected() -> None:
    batch = decode_logs(log_request(time_unix_nano=2**64 - 1).SerializeToString(), keys())
    assert (batch.logs, batch.rejected) == ([], [decode.BAD_TIME])


def fingerprint(message: ExportLogsServiceRequest) -> bytes:
    return decode_logs(message.SerializeToString(), keys()).logs[0].fingerprint


def test_log_fingerprint_tells_records_apart_by_all_they_say() -> None:
    base = log_request(time_unix_nano=5)
    text = log_request(time_unix_nano=5, body=AnyValue(string_value="x" * 900))
    unread = log_request(time_unix_nano=5)
    unread.resource_logs[0].scope_logs[0].log_records[0].attributes.add(key="unread")
    scope = log_request(time_unix_nano=5)
    scope.resource_logs[0].scope_logs[0].scope.name = "other"
    resource = log_request(time_unix_nano=5)
    resource.resource_logs[0].resource.attributes.add(key="host")
    prints = [fingerprint(m) for m in (base, text, unread, scope, resource)]
    assert {len(value) for value in prints} == {16}
    assert len(set(prints)) == 5


def test_log_fingerprint_survives_rebatching() -> None:
    one = log_request(time_unix_nano=5)
    two = log_request(time_unix_nano=4)
    scope_logs = two.resource_logs[0].scope_logs[0]
    scope_logs.log_records.append(one.resource_logs[0].scope_logs[0].log_records[0])
    logs = decode_logs(two.SerializeToString(), keys()).logs
    assert logs[1].fingerprint == fingerprint(one)


# --- JSON


def trace_json(fields: str) -> bytes:
    span = (
        '{"traceId":"5b8efff798038103d269b633813fc60c","spanId":"EEE19B7EC3C1B174",'
        '"startTimeUnixNano":"1544712660000000000","endTimeUnixNano":1544712661000000000,'
        f"{fields}}}"
    )
    return f'{{"resourceSpans":[{{"scopeSpans":[{{"spans":[{span}]}}]}}]}}'.encode()


@pytest.mark.parametrize(
    ("fields", "attribute", "expected"),
    [
        ('"kind":3', "kind", 3),
        ('"kind":"SPAN_KIND_CLIENT"', "kind", 3),
        ('"kind":"3"', "kind", 3),
        ('"status":{"code":"STATUS_CODE_ERROR","message":"x"}', "status_code", 2),
        ('"status":null,"attributes":null', "status_code", 0),
        ('"trace_state":"ignored"', "trace_state", ""),
        ('"unknown":{"deep":[1]}', "name", ""),
        ('"name":"x","name":"y"', "name", "y"),
        ('"name":"\\ud83d\\ude00"', "name", "\N{GRINNING FACE}"),
        ('"name":"\\ud800!"', "name", "\N{REPLACEMENT CHARACTER}!"),
        ('"parentSpanId":""', "parent_span_id", b""),
        ('"links":[{"traceId":"zz"}]', "name", ""),
        ('"endTimeUnixNano":1.5447126600000001e18', "end_ns", 1544712660000000000),
    ],
)
def test_json_fields(fields: str, attribute: str, expected: object) -> None:
    (span,) = decode_traces_json(trace_json(fields), keys()).spans
    assert getattr(span, attribute) == expected
    assert span.span_id == bytes.fromhex("eee19b7ec3c1b174")


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ('{"intValue":"-9223372036854775808"}', -(2**63)),
        ('{"intValue":9223372036854775807}', 2**63 - 1),
        ('{"intValue":12.0}', 12),
        ('{"doubleValue":"Infinity"}', math.inf),
        ('{"doubleValue":"-Infinity"}', -math.inf),
        ('{"doubleValue":"1.5"}', 1.5),
        ('{"doubleValue":2}', 2.0),
        ('{"boolValue":false}', False),
        ('{"stringValue":""}', ""),
        ('{"bytesValue":"_-8"}', b"\xff\xef"),
        ('{"bytesValue":"/+8="}', b"\xff\xef"),
        ('{"kvlistValue":{"values":[{"key":"x","value":{"intValue":1}}]}}', {"x": 1}),
        ('{"arrayValue":{}}', []),
        ("{}", None),
        ("null", None),
        ('{"stringValue":null}', None),
    ],
)
def test_json_values(value: str, expected: object) -> None:
    body = trace_json(f'"attributes":[{{"key":"a","value":{value}}}]')
    (span,) = decode_traces_json(body, keys()).spans
    assert span.attrs == {"a": expected}
    assert type(span.attrs["a"]) is type(expected)


def test_json_nan() -> None:
    body = trace_json('"attributes":[{"key":"a","value":{"doubleValue":"NaN"}}]')
    value = decode_traces_json(body, keys()).spans[0].attrs["a"]
    assert isinstance(value, float)
    assert math.isnan(value)


@pytest.mark.parametrize(
    "fields",
    [
        '"name":7',
        '"kind":"SPAN_KIND_NONSENSE"',
        '"kind":2.5',
        '"kind":true',
        '"kind":99999999999',
        '"startTimeUnixNano":"1_000"',
        '"startTimeUnixNano":-1',
        '"startTimeUnixNano":18446744073709551616',
        '"startTimeUnixNano":1e400',
        '"parentSpanId":"xyz"',
        '"parentSpanId":5',
        '"attributes":{}',
        '"attributes":[7]',
        '"attributes":[{"key":"a","value":{"boolValue":"true"}}]',
        '"attributes":[{"key":"a","value":{"intValue":"9223372036854775808"}}]',
        '"attributes":[{"key":"a","value":{"intValue":"1.5"}}]',
        '"attributes":[{"key":"a","value":{"doubleValue":true}}]',
        '"attributes":[{"key":"a","value":{"doubleValue":"one"}}]',
        '"attributes":[{"key":"a","value":{"bytesValue":"*"}}]',
        '"attributes":[{"key":"a","value":"x"}]',
        '"status":[]',
        '"name":' + "9" * 5000,
    ],
)
def test_json_of_the_wrong_type_is_refused_without_quoting_it(fields: str) -> None:
    with pytest.raises(DecodeError) as caught:
        decode_traces_json(trace_json(fields), keys())
    assert "NONSENSE" not in str(caught.value)


@pytest.mark.parametrize("body", [b"", b"[]", b"7", b"nul", b'"x"', b"{", b"\xff\xfe{}"])
def test_body_that_is_no_json_object_is_refused(body: bytes) -> None:
    for convert in (decode_traces_json, decode_logs_json):
        with pytest.raises(DecodeError):
            convert(body, keys())


def test_json_with_byte_order_mark_is_taken() -> None:
    assert decode_traces_json(b"\xef\xbb\xbf{}", keys()).spans == []


# --- whatever is sent


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
values = st.recursive(
    st.one_of(
        st.builds(AnyValue),
        st.builds(AnyValue, string_value=texts),
        st.builds(AnyValue, bool_value=st.booleans()),
        st.builds(AnyValue, int_value=st.integers(-(2**63), 2**63 - 1)),
        st.builds(AnyValue, double_value=st.floats()),
        st.builds(AnyValue, bytes_value=st.binary(max_size=9)),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3).map(lambda items: AnyValue(array_value={"values": items})),
        st.lists(st.builds(KeyValue, key=texts, value=inner), max_size=3).map(
            lambda items: AnyValue(kvlist_value={"values": items})
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
                kind=draw(st.integers(0, 5)),  # type: ignore[arg-type]
                start_time_unix_nano=draw(times),
                end_time_unix_nano=draw(times),
                attributes=draw(attributes),
            )
            span.status.code = draw(st.integers(0, 2))  # type: ignore[assignment]
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
            severity_number=draw(st.integers(0, 24)),  # type: ignore[arg-type]
            severity_text=draw(texts),
            body=draw(values),
            event_name=draw(texts),
            attributes=draw(attributes),
        )
    return message


def to_otlp_json(message: Any) -> bytes:
    """The message as OTLP/JSON by protobuf's own mapping, with its ids turned to hex."""

    def walk(node: Any) -> Any:
        if isinstance(node, list):
            return [walk(item) for item in node]
        if not isinstance(node, dict):
            return node
        return {
            name: base64.b64decode(value).hex().upper()
            if name in ("traceId", "spanId", "parentSpanId")
            else walk(value)
            for name, value in node.items()
        }

    return json.dumps(
        walk(json_format.MessageToDict(message, use_integers_for_enums=True))
    ).encode()


@given(message=trace_requests())
@settings(max_examples=150, deadline=None)
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
@settings(max_examples=100, deadline=None)
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
@settings(deadline=None)
def test_attributes_read_as_protobuf_reads_them(sent: list[KeyValue]) -> None:
    keep = keys()
    expected = {item.key: reference(item.value) for item in sent if keep.keep(item.key)}
    got = decode_one(good_span(attributes=sent)).attrs
    assert repr(got) == repr(expected) or got == expected


@given(message=trace_requests(), data=st.data())
@settings(deadline=None)
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


@pytest.mark.parametrize(
    "path", sorted(CORPUS.rglob("*.traces.*")) + sorted(CORPUS.rglob("*.logs.*")), ids=str
)
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
