"""What fuzzing starts from: real requests, valid configurations, and the words of the formats."""

from __future__ import annotations

import gzip
import json
import re
import zlib
from pathlib import Path
from typing import Any

import msgspec
import zstandard
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from llm_trace_exporter.config import Settings
from llm_trace_exporter.dialects import Context, RecordParser, wanted_keys
from llm_trace_exporter.engine.engine import Engine
from llm_trace_exporter.storage import Entry
from tests.e2e.wire import to_otlp_json
from tests.spans import chat, raw_span
from tests.telling import Door, Reporter

ROOT = Path(__file__).parents[1]
CORPUS = ROOT / "corpus"
SCHEMA = ROOT.parent / "exporter/llm_trace_exporter/receivers/scores/schema.json"
SMALL = 8_000
"""Bytes of the largest request that is a seed: the larger, the slower."""


KEPT = Path(__file__).parent / "corpus"
"""A folder for each target: the smallest inputs that together reach what was ever reached."""
ROUTES = {
    "verdicts": "/v1/verdicts",
    "feedback": "/v1/feedback",
    "langfuse": "/api/public/scores",
    "langfuse-batch": "/api/public/ingestion",
    "langsmith": "/feedback",
}
"""Target -> the route of scores."""
TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
RUN = "b7ad6b71-6920-3331-8000-000000000001"
SCORES: dict[str, list[object]] = {
    "verdicts": [
        {"judge": "tone", "verdict": "fail", "id": "1", "trace_id": TRACE, "span_id": SPAN},
        {"verdicts": [{"judge": "tone", "score": 0.5, "kind": "human", "response_id": "r"}]},
        [{"judge": "tone", "label": "pass", "time": "2026-01-31T00:00:00Z", "model": "m"}],
    ],
    "feedback": [
        {"rating": "thumbs_up", "trace_id": TRACE, "source": "page", "service": "shop"},
        {"feedback": [{"stars": 4, "dimensions": {"feature": "x"}}, {"rating": True}]},
    ],
    "langfuse": [
        {"id": "1", "name": "tone", "value": 0, "dataType": "BOOLEAN", "traceId": TRACE},
        [{"name": "user-feedback", "value": 1, "dataType": "NUMERIC", "observationId": SPAN}],
        {"name": "tone", "value": "good", "dataType": "CATEGORICAL", "traceId": TRACE},
    ],
    "langfuse-batch": [
        {"batch": [{"id": "1", "type": "score-create", "timestamp": "2026-01-31T00:00:00Z",
                    "body": {"name": "tone", "value": 1, "traceId": TRACE}},
                   {"id": "2", "type": "trace-create", "body": {"id": TRACE}}]},
    ],
    "langsmith": [
        {"id": RUN, "run_id": RUN, "trace_id": RUN, "key": "tone", "score": 1,
         "feedback_source": {"type": "api"}},
        [{"key": "user", "value": "good", "run_id": RUN, "feedback_source": {"type": "model"}}],
    ],
}  # fmt: skip
"""Documents that each route understands."""


def seeds(target: str) -> list[bytes]:
    """Inputs that are understood, and those that were kept, for the fuzzer to vary."""
    return [*_understood(target), *(f.read_bytes() for f in sorted((KEPT / target).glob("*")))]


def _understood(target: str) -> list[bytes]:
    if target in SCORES:
        return [json.dumps(document).encode() for document in SCORES[target]]
    if target == "state":
        return _rows()
    if target in ("traces", "logs", "traces-json", "logs-json"):
        signal, _, form = target.partition("-")
        bodies = _requests(signal)
        if not form:
            return bodies
        kind = ExportTraceServiceRequest if signal == "traces" else ExportLogsServiceRequest
        return [to_otlp_json(kind.FromString(body)) for body in bodies]
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
        entry = Entry(1.0, "file", (RecordParser(Context()).span(raw_span(chat())),))
        return [msgspec.msgpack.encode(entry)]
    return [bytes(range(256))]


def _rows() -> list[bytes]:
    """Parts of every memory, series and entries, each behind the byte that chooses its kind."""
    engine, reporter = Engine(Settings()), Reporter(1)
    door = Door(engine)
    for _ in range(30):
        door.send(reporter.next())
    parts = engine.ingester.save(every=True).parts
    names = sorted({part.name for part in parts} | {"budgets", "judge"})
    encode = msgspec.msgpack.encode
    return [
        *(bytes([names.index(part.name)]) + encode((1, part.value)) for part in parts),
        bytes([names.index("judge")]) + encode((1, encode((20_000, 1.5)))),
        bytes([len(names)]) + encode((1.0, 2.0, [3.0])),
        bytes([len(names) + 1]) + seeds("journal")[0],
    ]


def words(target: str) -> list[bytes]:
    """Tokens that guessing would take long to find."""
    if target == "config":
        schema = Path(__file__).parents[2] / "exporter/llm_trace_exporter/config/schema.json"
        return [word.encode() for word in _names(json.loads(schema.read_text()))]
    if target in SCORES:
        members = _names(json.loads(SCHEMA.read_text()))
        return [name.encode() for name in members | set(re.findall(r"\w+", json.dumps(SCORES)))]
    if target.endswith("json"):
        message = ExportLogsServiceRequest if "logs" in target else ExportTraceServiceRequest
        return [name.encode() for name in sorted(_fields(message.DESCRIPTOR, set()))]
    return [key.encode() for key in sorted(wanted_keys(Context()))]


def _requests(signal: str) -> list[bytes]:
    files = sorted(CORPUS.glob(f"*/*.{signal}.pb"))
    return [body for file in files if len(body := file.read_bytes()) <= SMALL]


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
