"""Private protobuf types of OTLP's wire format that keep each repeated part as bytes.

Field numbers and wire types are those of opentelemetry-proto 1.x (`trace.proto`, `logs.proto`,
`common.proto`); only the declared types differ:

- every repeated message is `repeated bytes`, so a part is parsed only when it is wanted, prompt
  text is never turned into Python objects, and a hostile request of empty messages costs 16 bytes
  of memory for each instead of hundreds;
- attributes are columns: what is declared to be sent once is merged where it is sent often, so all
  keys of a record become one list and all values another, in C;
- every string is `bytes`: protobuf rejects a whole request for one byte of invalid UTF-8 (a text
  cut in the middle of a character), here it is replaced by U+FFFD when the text is read;
- singular messages stay messages, so that a field sent in several pieces is merged as protobuf
  prescribes.
"""

from __future__ import annotations

from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.message import Message

_PACKAGE = "llm_trace_exporter.wire"
_SCALARS = {
    "bytes": descriptor_pb2.FieldDescriptorProto.TYPE_BYTES,
    "bool": descriptor_pb2.FieldDescriptorProto.TYPE_BOOL,
    "double": descriptor_pb2.FieldDescriptorProto.TYPE_DOUBLE,
    "fixed64": descriptor_pb2.FieldDescriptorProto.TYPE_FIXED64,
    "int32": descriptor_pb2.FieldDescriptorProto.TYPE_INT32,
    "int64": descriptor_pb2.FieldDescriptorProto.TYPE_INT64,
}

_MESSAGES: dict[str, dict[str, tuple[int, str]]] = {
    "Request": {"groups": (1, "bytes*")},
    "Group": {"resource": (1, "Resource"), "scopes": (2, "bytes*")},
    "Resource": {"attributes": (1, "Attributes")},
    "ScopeGroup": {"scope": (1, "Scope"), "records": (2, "bytes*")},
    "Scope": {"name": (1, "bytes"), "version": (2, "bytes"), "attributes": (3, "Attributes")},
    "Span": {
        "trace_id": (1, "bytes"),
        "span_id": (2, "bytes"),
        "trace_state": (3, "bytes"),
        "parent_span_id": (4, "bytes"),
        "name": (5, "bytes"),
        "kind": (6, "int32"),
        "start_ns": (7, "fixed64"),
        "end_ns": (8, "fixed64"),
        "attributes": (9, "Attributes"),
        "events": (11, "bytes*"),
        "status": (15, "Status"),
    },
    "Status": {"message": (2, "bytes"), "code": (3, "int32")},
    "Event": {"time_ns": (1, "fixed64"), "name": (2, "bytes"), "attributes": (3, "Attributes")},
    "Log": {
        "time_ns": (1, "fixed64"),
        "severity": (2, "int32"),
        "body": (5, "AnyValue"),
        "attributes": (6, "Attributes"),
        "trace_id": (9, "bytes"),
        "span_id": (10, "bytes"),
        "observed_ns": (11, "fixed64"),
        "event_name": (12, "bytes"),
    },
    "Attributes": {"keys": (1, "bytes*"), "values": (2, "bytes*")},
    "KeyValue": {"key": (1, "bytes"), "value": (2, "AnyValue")},
    "AnyValue": {
        "string_value": (1, "bytes"),
        "bool_value": (2, "bool"),
        "int_value": (3, "int64"),
        "double_value": (4, "double"),
        "array_value": (5, "Values"),
        "kvlist_value": (6, "Values"),
        "bytes_value": (7, "bytes"),
        "string_value_strindex": (8, "int32"),
    },
    "Values": {"values": (1, "bytes*")},
}
"""Message -> field -> (number, type); `*` marks repeated fields, a capital another message."""

_ONEOFS = {"AnyValue": "value"}


def _field(
    proto: descriptor_pb2.DescriptorProto, package: str, name: str, number: int, kind: str
) -> None:
    field = proto.field.add(name=name, number=number)
    base = kind.removesuffix("*")
    field.label = (
        descriptor_pb2.FieldDescriptorProto.LABEL_REPEATED
        if kind.endswith("*")
        else descriptor_pb2.FieldDescriptorProto.LABEL_OPTIONAL
    )
    if base in _SCALARS:
        field.type = _SCALARS[base]
    else:
        field.type = descriptor_pb2.FieldDescriptorProto.TYPE_MESSAGE
        field.type_name = f".{package}.{base}"
    if proto.oneof_decl:
        field.oneof_index = 0


def _build(package: str, attributes: str) -> dict[str, Any]:
    file = descriptor_pb2.FileDescriptorProto(
        name=f"{package}.proto", package=package, syntax="proto3"
    )
    for message, fields in _MESSAGES.items():
        proto = file.message_type.add(name=message)
        if message in _ONEOFS:
            proto.oneof_decl.add(name=_ONEOFS[message])
        for name, (number, kind) in fields.items():
            is_attributes = kind == "Attributes"
            _field(proto, package, name, number, attributes if is_attributes else kind)
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return {
        name: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{package}.{name}"))
        for name in _MESSAGES
    }


_types = _build(_PACKAGE, "Attributes")
_types_in_parts = _build(f"{_PACKAGE}_in_parts", "bytes*")

# The classes are made at import: their fields are known to protobuf only, hence Any.
Request: Any = _types["Request"]
"""ExportTraceServiceRequest and ExportLogsServiceRequest: `groups`."""
Group: Any = _types["Group"]
"""ResourceSpans and ResourceLogs: `resource`, `scopes`."""
ScopeGroup: Any = _types["ScopeGroup"]
"""ScopeSpans and ScopeLogs: `scope`, `records`."""
Span: Any = _types["Span"]
Event: Any = _types["Event"]
Log: Any = _types["Log"]
KeyValue: Any = _types["KeyValue"]
AnyValue: Any = _types["AnyValue"]

IN_PARTS: dict[Any, Any] = {_types[name]: _types_in_parts[name] for name in _MESSAGES}
"""Type -> the same with `attributes` as serialised KeyValues, one by one."""

__all__ = [
    "IN_PARTS",
    "AnyValue",
    "Event",
    "Group",
    "KeyValue",
    "Log",
    "Message",
    "Request",
    "ScopeGroup",
    "Span",
]
