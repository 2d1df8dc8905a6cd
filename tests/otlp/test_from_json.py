"""OTLP/JSON: what the mapping allows, and what it does not."""

from __future__ import annotations

import math
from typing import Any

import pytest

from llm_trace_exporter.errors import DecodeError
from llm_trace_exporter.otlp.decode import decode_logs_json, decode_traces_json
from llm_trace_exporter.otlp.json_text import load
from tests.otlp.decoding import depth_of, keys, trace_json

pytestmark = pytest.mark.usefixtures("engine")

_TIME = f"an integer from 0 to {2**64 - 1}, also as a string"
_INT64 = f"an integer from {-(2**63)} to {2**63 - 1}, also as a string"


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
    ("fields", "path", "found", "allowed"),
    [
        ('"name":7', "name", "a number", "a string"),
        ('"name":' + "9" * 5000, "", "a number of too many digits", "fewer digits"),
        ('"kind":"SPAN_KIND_NONSENSE"', "kind", "another string", "a number or name of SpanKind"),
        ('"kind":"\\ud800"', "kind", "another string", "a number or name of SpanKind"),
        ('"kind":2.5', "kind", "a fraction", "a number or name of SpanKind"),
        ('"kind":true', "kind", "a boolean", "a number or name of SpanKind"),
        ('"kind":99999999999', "kind", "a number out of range", "a number or name of SpanKind"),
        ('"startTimeUnixNano":"1_000"', "startTimeUnixNano", "another string", _TIME),
        ('"startTimeUnixNano":-1', "startTimeUnixNano", "a number out of range", _TIME),
        ('"startTimeUnixNano":18446744073709551616', "startTimeUnixNano",
         "a number out of range", _TIME),
        ('"startTimeUnixNano":1e400', "startTimeUnixNano", "a fraction", _TIME),
        ('"traceId":12345', "traceId", "a number", "a string of hexadecimal digits"),
        ('"parentSpanId":"xyz"', "parentSpanId", "another string",
         "a string of hexadecimal digits"),
        ('"status":{"code":"\\ud800"}', "status.code", "another string",
         "a number or name of StatusCode"),
        ('"status":[]', "status", "an array", "an object"),
        ('"attributes":{}', "attributes", "an object", "an array"),
        ('"attributes":[null,7]', "attributes[1]", "a number", "an object"),
        ('"attributes":[{"key":7}]', "attributes[0].key", "a number", "a string"),
        ('"attributes":[{"key":"a","value":{"boolValue":"true"}}]',
         "attributes[0].value.boolValue", "a string", "true or false"),
        ('"attributes":[{"key":"a","value":{"intValue":"9223372036854775808"}}]',
         "attributes[0].value.intValue", "a number out of range", _INT64),
        ('"attributes":[{"key":"a","value":{"intValue":"1.5"}}]',
         "attributes[0].value.intValue", "another string", _INT64),
        ('"attributes":[{"key":"a","value":{"doubleValue":true}}]',
         "attributes[0].value.doubleValue", "a boolean", "a number, also as a string"),
        ('"attributes":[{"key":"a","value":{"doubleValue":"one"}}]',
         "attributes[0].value.doubleValue", "another string", "a number, also as a string"),
        ('"attributes":[{"key":"a","value":{"bytesValue":"*"}}]',
         "attributes[0].value.bytesValue", "another string", "a string in base64"),
        ('"attributes":[{"key":"a","value":"x"}]', "attributes[0].value", "a string", "an object"),
        ('"events":[{"attributes":[{"key":"a","value":{"kvlistValue":{"values":['
         '{"key":"b","value":{"intValue":{}}}]}}}]}]',
         "events[0].attributes[0].value.kvlistValue.values[0].value.intValue",
         "an object", _INT64),
    ],
)  # fmt: skip
def test_a_malformed_member_rejects_its_span_and_is_named(
    fields: str, path: str, found: str, allowed: str
) -> None:
    batch = decode_traces_json(trace_json(fields), keys())
    where = "resourceSpans[0].scopeSpans[0].spans[0]" + (path and f".{path}")
    assert (batch.spans, batch.rejected) == ([], [f"{where}: found {found}, allowed: {allowed}"])


@pytest.mark.parametrize(
    "fields",
    [
        '"droppedAttributesCount":-1',
        '"droppedEventsCount":"none"',
        '"links":{"traceId":7}',
        '"flags":null,"unknown":NaN',
        '"attributes":[{"key":"unread","value":{"intValue":"many"}}]',
        '"attributes":[{"key":"unread","value":[1,2]}]',
        '"attributes":[{"key":"unread","value":[-1' + "0" * 50 + "]}]",
        '"attributes":[{"key":"unread","value":' + "[" * 700 + "]" * 700 + "}]",
        '"attributes":[{"key":"unread","value":{"doubleValue":1e999}}]',
        '"events":[{"attributes":[{"key":"unread","value":7}]}]',
    ],
)
def test_what_nobody_reads_rejects_nothing(fields: str) -> None:
    batch = decode_traces_json(trace_json(fields), keys())
    assert (len(batch.spans), batch.rejected) == (1, [])


SPAN = trace_json('"name":"good"').decode().removeprefix(
    '{"resourceSpans":[{"scopeSpans":[{"spans":['
).removesuffix("]}]}]}")  # fmt: skip
GROUP = f'{{"scopeSpans":[{{"spans":[{SPAN}]}}]}}'


@pytest.mark.parametrize(
    ("groups", "taken", "rejected"),
    [
        (f"{GROUP},null", 1, ["resourceSpans[1]: found null, allowed: an object"]),
        (f'{{"scopeSpans":{{}}}},{GROUP}', 1,
         ["resourceSpans[0].scopeSpans: found an object, allowed: an array"]),
        (f'{{"scopeSpans":[7,{{"spans":[{SPAN}]}}]}}', 1,
         ["resourceSpans[0].scopeSpans[0]: found a number, allowed: an object"]),
        (f'{{"scopeSpans":[{{"spans":{{}}}},{{"spans":[{SPAN}]}}]}}', 1,
         ["resourceSpans[0].scopeSpans[0].spans: found an object, allowed: an array"]),
        (f'{{"scopeSpans":[{{"spans":[null,{SPAN}]}}]}}', 1,
         ["resourceSpans[0].scopeSpans[0].spans[0]: found null, allowed: an object"]),
        (f'{{"resource":7,"scopeSpans":[{{"spans":[{SPAN},{SPAN}]}}]}},{GROUP}', 1,
         ["resourceSpans[0].resource: found a number, allowed: an object"] * 2),
        (f'{{"resource":{{"attributes":[{{"key":"a","value":"x"}}]}},"scopeSpans":[7,'
         f'{{"spans":[{SPAN}]}}]}},{GROUP}', 1,
         ["resourceSpans[0].resource.attributes[0].value: found a string, allowed: an object"] * 2),
        (f'{{"scopeSpans":[{{"scope":[],"spans":[{SPAN},{SPAN}]}},{{"spans":[{SPAN}]}}]}}', 1,
         ["resourceSpans[0].scopeSpans[0].scope: found an array, allowed: an object"] * 2),
        (f'{GROUP},{{"resource":null,"scopeSpans":null}},{{"unknown":1}}', 1, []),
    ],
)  # fmt: skip
def test_a_malformed_container_takes_no_neighbour_along(
    groups: str, taken: int, rejected: list[str]
) -> None:
    batch = decode_traces_json(f'{{"resourceSpans":[{groups}]}}'.encode(), keys())
    assert (len(batch.spans), batch.rejected) == (taken, rejected)


def test_log_records_are_each_their_own() -> None:
    records = '{"timeUnixNano":5},{"timeUnixNano":"x"},{"severityText":7},{"body":{"intValue":"x"}}'
    body = f'{{"resourceLogs":[{{"scopeLogs":[{{"logRecords":[{records}]}}]}}]}}'.encode()
    batch = decode_logs_json(body, keys())
    where = "resourceLogs[0].scopeLogs[0].logRecords"
    assert [log.time_ns for log in batch.logs] == [5, 0]
    assert batch.rejected == [
        f"{where}[1].timeUnixNano: found another string, allowed: {_TIME}",
        f"{where}[3].body.intValue: found another string, allowed: {_INT64}",
    ]


def test_log_records_that_differ_in_what_nobody_reads_are_two() -> None:
    def record(value: str) -> str:
        return f'{{"timeUnixNano":5,"attributes":[{{"key":"unread","value":{value}}}]}}'

    records = ",".join(map(record, ("7", "8", "7")))
    body = f'{{"resourceLogs":[{{"scopeLogs":[{{"logRecords":[{records}]}}]}}]}}'.encode()
    prints = [log.fingerprint for log in decode_logs_json(body, keys()).logs]
    assert len(prints) == 3
    assert len(set(prints)) == 2


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"7",
        b"nul",
        b'"x"',
        b"{",
        b"\xff\xfe{}",
        b"{} {}",
        b'{"resourceSpans":{},"resourceLogs":7}',
        b'{"resourceSpans":[]',
        b'{"resourceLogs":[}',
    ],
)
def test_body_that_is_no_json_object_is_refused(body: bytes) -> None:
    for convert in (decode_traces_json, decode_logs_json):
        with pytest.raises(DecodeError):
            convert(body, keys())


def test_json_with_byte_order_mark_is_taken() -> None:
    assert decode_traces_json(b"\xef\xbb\xbf{}", keys()).spans == []


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


def test_swarm_of_json_values_is_refused_before_it_is_read() -> None:
    with pytest.raises(DecodeError, match="more than"):
        decode_traces_json(b'{"resourceSpans":[' + b"{}," * 1_000_000 + b"{}]}", keys())


def test_marks_in_texts_are_none() -> None:
    text = '[1,2],{}\\\\,\\",' * 50_000
    (span,) = decode_traces_json(trace_json(f'"name":"{text}"'), keys()).spans
    assert span.name.startswith("[1,2],{}\\,")


def test_a_span_with_too_much_in_it_is_rejected_alone() -> None:
    much = trace_json('"attributes":[' + '{"key":"abcdef"},' * 210_000 + "{}]")
    body = much.replace(b'"spans":[', b'"spans":[' + SPAN.encode() + b",")
    batch = decode_traces_json(body, keys())
    assert (len(batch.spans), len(batch.rejected)) == (1, 1)
    assert "spans[1]: found more than 400000 values" in batch.rejected[0]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('{"a":NaN,"b":[-Infinity ,Infinity]}', {"a": math.inf, "b": [-math.inf, math.inf]}),
        ('{"a":"\\ud800","b":"\\\\ud800","c":"\\ud83d\\ude00","d":"\\udc00\\ud800"}',
         {"a": "\ufffd", "b": "\\ud800", "c": "\U0001f600", "d": "\ufffd\ufffd"}),
        ('{"a":1e400,"b":"\ufffd"}', {"a": math.inf, "b": "\ufffd"}),
    ],
)  # fmt: skip
def test_what_javascript_and_python_write_beyond_json_is_read(text: str, value: object) -> None:
    assert load(text.encode()) == value
    assert load(b'{"a":"\xff"}') == {"a": "\ufffd"}
