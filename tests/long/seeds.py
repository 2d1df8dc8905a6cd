"""What fuzzing starts from: real requests, valid configurations, and the words of the formats."""

from __future__ import annotations

import gzip
import json
import zlib
from pathlib import Path
from typing import Any

import msgspec
import zstandard
from google.protobuf import json_format
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from llm_trace_exporter.dialects import Context, Reader, wanted_keys
from llm_trace_exporter.state import Entry
from tests.spans import chat, raw_span

ROOT = Path(__file__).parents[1]
CORPUS = ROOT / "corpus"
SMALL = 8_000
"""Bytes of the largest request that is a seed: the larger, the slower."""


def seeds(target: str) -> list[bytes]:
    """Inputs that are understood, for the fuzzer to vary."""
    if target in ("traces", "logs", "traces-json", "logs-json"):
        signal, _, form = target.partition("-")
        bodies = _requests(signal)
        return [_as_json(signal, body) for body in bodies] if form else bodies
    if target == "compression":
        plain = b"hello" * 50
        return [
            bytes([number]) + packed
            for number in range(7)
            for packed in (gzip.compress(plain), zlib.compress(plain), zstandard.compress(plain))
        ]
    if target == "config":
        folder = ROOT / "config"
        return [file.read_bytes() for file in sorted(folder.glob("*/*.yml"))]
    if target == "journal":
        entry = Entry(1.0, "file", (Reader(Context()).span(raw_span(chat())),))
        return [msgspec.msgpack.encode(entry)]
    return [bytes(range(256))]


def words(target: str) -> list[bytes]:
    """Tokens that guessing would take long to find."""
    if target == "config":
        schema = Path(__file__).parents[2] / "exporter/llm_trace_exporter/config/schema.json"
        return [word.encode() for word in _names(json.loads(schema.read_text()))]
    if target.endswith("json"):
        message = ExportLogsServiceRequest if "logs" in target else ExportTraceServiceRequest
        return [name.encode() for name in sorted(_fields(message.DESCRIPTOR, set()))]
    return [key.encode() for key in sorted(wanted_keys(Context().dimensions))]


def _requests(signal: str) -> list[bytes]:
    files = sorted(CORPUS.glob(f"*/*.{signal}.pb"))
    return [body for file in files if len(body := file.read_bytes()) <= SMALL]


def _as_json(signal: str, body: bytes) -> bytes:
    kind = ExportTraceServiceRequest if signal == "traces" else ExportLogsServiceRequest
    plain = json_format.MessageToDict(kind.FromString(body), use_integers_for_enums=True)
    return json.dumps(plain).encode()


def _names(schema: object) -> set[str]:
    if isinstance(schema, list):
        return set().union(*map(_names, schema)) if schema else set()
    if not isinstance(schema, dict):
        return set()
    own = set(schema.get("properties", {}))
    return own.union(*map(_names, schema.values()))


def _fields(message: Any, seen: set[str]) -> set[str]:
    found: set[str] = set()
    if message.full_name in seen:
        return found
    seen.add(message.full_name)
    for field in message.fields:
        found.add(field.camelcase_name)
        if field.message_type is not None:
            found |= _fields(field.message_type, seen)
    return found
