"""OTLP/JSON: what the mapping allows, and what it does not."""

from __future__ import annotations

import math
from typing import Any

import pytest

from llm_trace_exporter.errors import DecodeError
from llm_trace_exporter.otlp.decode import (
    decode_logs_json,
    decode_traces_json,
)
from tests.otlp.decoding import depth_of, keys, trace_json


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


def test_swarm_of_json_objects_is_refused() -> None:
    with pytest.raises(DecodeError, match="more than"):
        decode_traces_json(b"[" + b"{}," * 2_000_001 + b"{}]", keys())
