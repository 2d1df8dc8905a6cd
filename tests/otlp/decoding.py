"""Requests and short cuts for the tests of decoding."""

from __future__ import annotations

import dataclasses
import math
import re
from typing import Any

from msgspec import Struct
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import (
    AnyValue,
)
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from llm_trace_exporter.otlp.decode import KeyFilter, decode_traces
from llm_trace_exporter.otlp.native import EngineName
from llm_trace_exporter.otlp.records import Attributes, Batch, RawSpan

KEYS = ("a", "b", "gen_ai.request.model", "service.name", "kept." + "k" * 140)


PATTERN = re.compile(r"(?:kept|llm)\..*", re.DOTALL)
ENGINE: EngineName = "python"
"""Whom `keys` lets read; the fixture `engine` of tests/otlp/engines.py sets it."""


def keys() -> KeyFilter:
    return KeyFilter(KEYS, PATTERN, engine=ENGINE)


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


def padded(number: int, padding: int) -> bytes:
    """A varint of so many bytes more than it needs."""
    short = varint(number)
    if not padding:
        return short
    return short[:-1] + bytes([short[-1] | 0x80]) + b"\x80" * (padding - 1) + b"\x00"


def field(number: int, content: bytes) -> bytes:
    return varint(number << 3 | 2) + varint(len(content)) + content


def body_with_attributes(*parts: bytes, then: bytes = b"") -> bytes:
    raw = good_span().SerializeToString() + b"".join(field(9, part) for part in parts) + then
    return field(1, field(2, field(2, raw)))


def attributes_of(*parts: bytes) -> Attributes:
    return decode_traces(body_with_attributes(*parts), keys()).spans[0].attrs


def plain(batch: Batch) -> object:
    """A batch as nested plain values, with NaN made comparable."""

    def walk(value: Any) -> Any:
        if isinstance(value, Struct):
            return {name: walk(getattr(value, name)) for name in value.__struct_fields__}
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


def trace_json(fields: str) -> bytes:
    span = (
        '{"traceId":"5b8efff798038103d269b633813fc60c","spanId":"EEE19B7EC3C1B174",'
        '"startTimeUnixNano":"1544712660000000000","endTimeUnixNano":1544712661000000000,'
        f"{fields}}}"
    )
    return f'{{"resourceSpans":[{{"scopeSpans":[{{"spans":[{span}]}}]}}]}}'.encode()
