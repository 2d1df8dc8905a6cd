"""OTLP requests kept in files, for replay.

Read are: protobuf with one request a file or many, each after its length as a varint; JSON with
one request; JSON lines with one request each, as the Collector's file exporter writes them, signals
mixed; all of them plain, gzip or zstd; folders, in the order of their names; standard input.

The signal is taken from the name (`NNN.traces.pb`), else from the content. The three protobuf
requests have the same outline, so their content is told apart by parsing strictly: a span has an
id of 16 bytes where a log record has a time and a metric its name. A protobuf request without any
record reads as `traces`, which is as empty.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from google.protobuf.message import DecodeError as ProtobufError
from google.protobuf.unknown_fields import UnknownFieldSet
from opentelemetry.proto.metrics.v1.metrics_pb2 import Metric

from ..errors import DecodeError
from . import wire
from .attributes import parse
from .compression import decompress
from .json_text import document, members_of
from .records import Encoding, SignalName

MAX_FILE_BYTES = 1024 * 1024 * 1024
"""Of one file, decompressed."""

_MAGIC = {b"\x1f\x8b": "gzip", b"\x28\xb5\x2f\xfd": "zstd"}
_PACKED_SUFFIXES = (".gz", ".zst", ".zstd")
_NOT_OTLP = frozenset({"index.jsonl", "truth.json", "expected.json"})
_SUFFIXES = (".pb", ".bin", ".binpb", ".proto", ".otlp", ".json", ".jsonl", ".ndjson")
_JSON_KEYS: dict[str, SignalName] = {
    "resourceSpans": "traces",
    "resourceLogs": "logs",
    "resourceMetrics": "metrics",
}
_NO_STREAM = "not OTLP: neither JSON, nor a protobuf request, nor a stream of such requests"


@dataclass(frozen=True, slots=True)
class FileRequest:
    """One request found in a file."""

    signal: SignalName
    encoding: Encoding
    body: bytes
    name: str
    """The file, and the request's number in it where it holds several."""


def iter_requests(path: str | Path, note: Callable[[str], None]) -> Iterator[FileRequest]:
    """Every OTLP request of a file, a folder or (`-`) standard input.

    `note` is told of files that are passed over in folders.

    Raises: DecodeError where a file that was asked for is not OTLP; OSError.
    """
    if str(path) == "-":
        yield from requests_of(sys.stdin.buffer.read(MAX_FILE_BYTES + 1), "-")
        return
    path = Path(path)
    if not path.is_dir():
        yield from requests_of(_read(path), str(path))
        return
    for file in sorted(found for found in path.rglob("*") if found.is_file()):
        if not _looks_like_otlp(file):
            continue
        try:
            yield from requests_of(_read(file), str(file))
        except DecodeError as error:
            note(f"{file}: passed over: {error}")


def requests_of(content: bytes, name: str) -> Iterator[FileRequest]:
    """The requests in one file's content; `name` may hint at the signal.

    Raises: DecodeError where there are none.
    """
    content = _unpack(content)
    hint = _hint(name)
    if content.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] == b"{":
        yield from _json_requests(content, name)
        return
    bodies = [content] if _signal_of(content, hint) else _split(content)
    for number, body in enumerate(bodies, 1):
        signal = _signal_of(body, hint)
        if signal is None:
            raise DecodeError("not an OTLP request")
        label = name if len(bodies) == 1 else f"{name}#{number}"
        yield FileRequest(signal, "protobuf", body, label)


def _looks_like_otlp(file: Path) -> bool:
    if file.name in _NOT_OTLP or any(part.startswith(".") for part in file.parts[-2:]):
        return False
    stem = file.name
    for suffix in _PACKED_SUFFIXES:
        stem = stem.removesuffix(suffix)
    return stem.endswith(_SUFFIXES)


def _read(file: Path) -> bytes:
    if file.stat().st_size > MAX_FILE_BYTES:
        raise DecodeError(f"larger than {MAX_FILE_BYTES} bytes")
    return file.read_bytes()


def _unpack(content: bytes) -> bytes:
    for magic, encoding in _MAGIC.items():
        if content.startswith(magic):
            return decompress(encoding, content, MAX_FILE_BYTES)
    return decompress("identity", content, MAX_FILE_BYTES)


def _hint(name: str) -> SignalName | None:
    parts = Path(name).name.split(".")
    for signal in _JSON_KEYS.values():
        if signal in parts:
            return signal
    return None


def _json_requests(content: bytes, name: str) -> Iterator[FileRequest]:
    lines = [line for line in content.splitlines() if line.strip()]
    if len(lines) == 1 or not _is_json(lines[0]):
        yield from _json_request(content, name)
        return
    for number, line in enumerate(lines, 1):
        try:
            yield from _json_request(line, f"{name}:{number}")
        except DecodeError as error:
            raise DecodeError(f"line {number}: {error}") from error


def _is_json(line: bytes) -> bool:
    try:
        document(line)
    except DecodeError:
        return False
    return True


def _json_request(body: bytes, name: str) -> Iterator[FileRequest]:
    members = members_of(document(body))
    signals = [_JSON_KEYS[key] for key in _JSON_KEYS if key in members]
    if members and not signals:
        raise DecodeError("JSON without resourceSpans, resourceLogs or resourceMetrics")
    for signal in signals:
        yield FileRequest(signal, "json", body, name)


def _signal_of(body: bytes, hint: SignalName | None) -> SignalName | None:
    """The signal of a protobuf request, None where `body` is none; a hint is believed."""
    try:
        request = parse(wire.Request, body)
        if len(UnknownFieldSet(request)):
            return None
        groups = [parse(wire.Group, raw) for raw in request.groups]
        scopes = [parse(wire.ScopeGroup, raw) for group in groups for raw in group.scopes]
    except DecodeError:
        return None
    if hint:
        return hint
    records = [raw for scope in scopes for raw in scope.records]
    for signal, looks_like in _LOOKS.items():
        if all(looks_like(raw) for raw in records):
            return signal
    return None


def _is_span(raw: bytes) -> bool:
    try:
        span = parse(wire.Span, raw)
    except DecodeError:
        return False
    return len(span.trace_id) == 16 and len(span.span_id) == 8


def _is_log(raw: bytes) -> bool:
    try:
        log = parse(wire.Log, raw)
    except DecodeError:
        return False
    return bool(log.time_ns or log.observed_ns or log.HasField("body"))


def _is_metric(raw: bytes) -> bool:
    try:
        metric = Metric.FromString(raw)
    except ProtobufError:
        return False
    return bool(metric.name and metric.WhichOneof("data"))


_LOOKS: dict[SignalName, Callable[[bytes], bool]] = {
    "traces": _is_span,
    # Before logs: a metric's data may pass for a log record's body, never the other way round.
    "metrics": _is_metric,
    "logs": _is_log,
}


def _split(content: bytes) -> list[bytes]:
    """The messages of a stream in which each follows its length.

    Raises: DecodeError where `content` is no such stream.
    """
    bodies = []
    at = 0
    while at < len(content):
        length = shift = 0
        while True:
            if at >= len(content) or shift > 28:
                raise DecodeError(_NO_STREAM)
            byte = content[at]
            at += 1
            length |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                break
        body = content[at : at + length]
        if len(body) != length:
            raise DecodeError(_NO_STREAM)
        bodies.append(body)
        at += length
    return bodies
