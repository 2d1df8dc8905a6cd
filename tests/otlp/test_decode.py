"""Decoding of OTLP requests: what is taken, what is rejected."""

from __future__ import annotations

from typing import Any

import pytest
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import (
    AnyValue,
)
from opentelemetry.proto.trace.v1.trace_pb2 import Status

from llm_trace_exporter.otlp import decode
from llm_trace_exporter.otlp.decode import decode_logs, decode_traces
from tests.otlp.decoding import decode_one, field, good_span, keys, request, varint

pytestmark = pytest.mark.usefixtures("engine")


def test_span_fields_arrive_as_sent() -> None:
    span = good_span(parent_span_id=b"p" * 8, kind=3, trace_state="ot=th:8")
    span.status.code = Status.STATUS_CODE_ERROR
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


def test_an_end_before_the_start_and_a_missing_one_are_told_as_they_are() -> None:
    for end_ns in (0, 5):
        span = decode_one(good_span(end_time_unix_nano=end_ns))
        assert (span.end_ns, span.has_end, span.ended_ns) == (end_ns, False, 10**18)


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
