"""OTLP/JSON request bodies to the protobuf bodies that say the same.

There is one reading of OTLP, the one of protobuf; JSON is brought to it. The walk follows the
message descriptors of opentelemetry-proto, so every field of the schema is known.

Source: OTLP 1.10, "JSON Protobuf Encoding", and the proto3 JSON mapping it refers to: ids are hex
in either case, 64-bit integers numbers or strings, enums numbers (names are taken too), bytes
base64 in either alphabet, null is absent, unknown and snake_case names are ignored. Bytes that are
not UTF-8 and lone surrogates become U+FFFD; of equal keys the last wins.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from functools import cache
from typing import Any

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from ..errors import DecodeError
from .attributes import MAX_DEPTH

MAX_CONTAINERS = 2_000_000
"""Objects and arrays of one body; Python needs up to 230 bytes of memory for each."""

_HEX_FIELDS = frozenset({"trace_id", "span_id", "parent_span_id"})
_UNREAD = frozenset({"opentelemetry.proto.trace.v1.Span.links"})
_NESTING = frozenset({"array_value", "kvlist_value"})
_DECIMAL = re.compile(r"[+-]?[0-9]{1,20}", re.ASCII)
_NOT_FINITE = {"NaN": float("nan"), "Infinity": float("inf"), "-Infinity": float("-inf")}


def traces(body: bytes) -> bytes:
    """An ExportTraceServiceRequest in JSON as the serialised message.

    Raises: DecodeError where `body` is not such a request.
    """
    return _convert(body, ExportTraceServiceRequest())


def logs(body: bytes) -> bytes:
    """An ExportLogsServiceRequest in JSON as the serialised message.

    Raises: DecodeError where `body` is not such a request.
    """
    return _convert(body, ExportLogsServiceRequest())


def load(body: bytes) -> Any:
    """Any JSON document of bounded size and depth.

    Raises: DecodeError where `body` is not one.
    """
    if body.count(b"{") + body.count(b"[") > MAX_CONTAINERS:
        raise DecodeError(f"more than {MAX_CONTAINERS} JSON objects and arrays in one request")
    try:
        return json.loads(body.decode("utf-8-sig", "replace"))
    except RecursionError as error:
        raise DecodeError("JSON is nested too deeply") from error
    except ValueError as error:
        raise DecodeError("not valid JSON") from error


def _convert(body: bytes, message: Any) -> bytes:
    _fill(message, load(body), 0)
    serialised: bytes = message.SerializeToString()
    return serialised


def _fill(message: Any, source: Any, depth: int) -> None:
    if not isinstance(source, dict):
        raise DecodeError(f"{message.DESCRIPTOR.name} is not a JSON object")
    fields = _fields(message.DESCRIPTOR)
    for name, value in source.items():
        field = fields.get(name)
        if field is None or value is None:
            continue
        if field.is_repeated:
            _fill_repeated(message, field, value, depth)
        elif field.type == FieldDescriptor.TYPE_MESSAGE:
            _fill_message(message, field, value, depth)
        else:
            try:
                setattr(message, field.name, _SCALARS[field.type](field, value))
            except (ValueError, OverflowError) as error:
                raise _wrong(field) from error


@cache
def _fields(message: Descriptor) -> dict[str, FieldDescriptor]:
    # Not `fields_by_camelcase_name`: that one also finds the original names.
    return {f.camelcase_name: f for f in message.fields if f.full_name not in _UNREAD}


def _fill_message(message: Any, field: FieldDescriptor, value: Any, depth: int) -> None:
    part = getattr(message, field.name)
    part.SetInParent()
    if field.name in _NESTING:
        if depth >= MAX_DEPTH:
            return
        depth += 1
    _fill(part, value, depth)


def _fill_repeated(message: Any, field: FieldDescriptor, value: Any, depth: int) -> None:
    if not isinstance(value, list):
        raise DecodeError(f"{field.camelcase_name} is not a JSON array")
    parts = getattr(message, field.name)
    if field.type == FieldDescriptor.TYPE_MESSAGE:
        for item in value:
            _fill(parts.add(), {} if item is None else item, depth)
    else:
        parts.extend(_SCALARS[field.type](field, item) for item in value)


def _wrong(field: FieldDescriptor) -> DecodeError:
    return DecodeError(f"{field.camelcase_name} has a value of the wrong type or range")


def _string(field: FieldDescriptor, value: Any) -> str:
    if not isinstance(value, str):
        raise _wrong(field)
    if value.isascii():
        return value
    return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _boolean(field: FieldDescriptor, value: Any) -> bool:
    if not isinstance(value, bool):
        raise _wrong(field)
    return value


def _integer(field: FieldDescriptor, value: Any) -> int:
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, str) and _DECIMAL.fullmatch(value):
        return int(value)
    raise _wrong(field)


def _enum(field: FieldDescriptor, value: Any) -> int:
    if field.enum_type is None or not isinstance(value, str):
        return _integer(field, value)
    named = field.enum_type.values_by_name.get(value)
    return _integer(field, value) if named is None else named.number


def _double(field: FieldDescriptor, value: Any) -> float:
    if isinstance(value, str) and value in _NOT_FINITE:
        return _NOT_FINITE[value]
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise _wrong(field)
    return float(value)


def _bytes(field: FieldDescriptor, value: Any) -> bytes:
    if not isinstance(value, str):
        raise _wrong(field)
    if field.name in _HEX_FIELDS:
        return binascii.unhexlify(value)
    plain = value.rstrip("=").replace("-", "+").replace("_", "/")
    return base64.b64decode(plain + "=" * (-len(plain) % 4), validate=True)


_SCALARS = {
    FieldDescriptor.TYPE_STRING: _string,
    FieldDescriptor.TYPE_BOOL: _boolean,
    FieldDescriptor.TYPE_BYTES: _bytes,
    FieldDescriptor.TYPE_DOUBLE: _double,
    FieldDescriptor.TYPE_ENUM: _enum,
    FieldDescriptor.TYPE_FIXED32: _integer,
    FieldDescriptor.TYPE_FIXED64: _integer,
    FieldDescriptor.TYPE_INT32: _integer,
    FieldDescriptor.TYPE_INT64: _integer,
    FieldDescriptor.TYPE_UINT32: _integer,
}
