"""One malformed member, over HTTP and gRPC: it is named, and everything beside it counts."""

from __future__ import annotations

import json
from collections.abc import Iterator

import grpc
import pytest
import requests
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)

from tests.e2e.process import DEADLINE_S, Exporter, running
from tests.e2e.wire import call, to_otlp_json, traces
from tests.otlp.decoding import field

SERVICE = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"


@pytest.fixture(scope="module")
def exporter(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Exporter]:
    """One process for all of it."""
    config = {"decision_wait": "0s", "zero_hold": "0s"}
    with running(tmp_path_factory.mktemp("malformed"), config=config) as started:
        yield started


MALFORMED: dict[str, tuple[str, str]] = {
    "kind": ('"SPAN_KIND_NEW"', "found another string, allowed: a number or name of SpanKind"),
    "status": ('{"code":"\\ud800"}', "allowed: a number or name of StatusCode"),
    "traceId": ("12345", "found a number, allowed: a string of hexadecimal digits"),
    "events": ("{}", "found an object, allowed: an array"),
    "attributes": ('[{"key":"gen_ai.usage.input_tokens","value":{"intValue":"many"}}]',
                   "attributes[0].value.intValue: found another string"),
}  # fmt: skip
UNREAD = {
    "droppedAttributesCount": "-1",
    "links": "7",
    "attributes": '[{"key":"nobody.reads.this","value":{"intValue":"many"}}]',
}


def test_one_malformed_member_of_json_spoils_no_other(exporter: Exporter) -> None:
    before = exporter.metrics()
    good = _json_of(traces(call((10, 5)), service="members"))
    document = json.loads(good)
    (span,) = document["resourceSpans"][0]["scopeSpans"][0]["spans"]
    spans = document["resourceSpans"][0]["scopeSpans"][0]["spans"]
    spans.append(None)
    for number, (name, written) in enumerate([*((k, v) for k, (v, _) in MALFORMED.items()),
                                              *UNREAD.items()]):  # fmt: skip
        value = json.loads(written)
        if name == "attributes":
            value = [*span["attributes"], *value]
        spans.append({**span, "spanId": f"{number + 1:016x}", name: value})
    document["resourceSpans"] += [
        {"resource": 7, "scopeSpans": [{"spans": [span]}]}, {"scopeSpans": 7},
    ]  # fmt: skip
    answer = requests.post(
        f"{exporter.http}/v1/traces", json=document, timeout=DEADLINE_S
    )  # fmt: skip
    rejected = len(MALFORMED) + 3
    assert answer.status_code == 200
    partial = answer.json()["partialSuccess"]
    assert partial["rejectedSpans"] == str(rejected)
    path = "resourceSpans[0].scopeSpans[0].spans[1]"
    assert partial["errorMessage"].startswith(f"{path}: found null, allowed: an object; ")
    assert partial["errorMessage"].endswith(f"; and {rejected - 3} more")
    at = exporter.wait_until_settled()
    counted = 1 + len(UNREAD)
    assert at.by("llm_requests_total", "outcome", service="members") == {"ok": counted}
    tokens = {"input": 10 * counted, "output": 5 * counted}
    assert at.by("llm_tokens_total", "type", service="members") == tokens
    invalid = "llm_exporter_discarded_total"
    grown = at.total(invalid, reason="invalid") - before.total(invalid, reason="invalid")
    assert grown == rejected


@pytest.mark.parametrize("name", MALFORMED)
def test_a_malformed_member_is_named(exporter: Exporter, name: str) -> None:
    written, told = MALFORMED[name]
    document = json.loads(_json_of(traces(call(), service="named")))
    document["resourceSpans"][0]["scopeSpans"][0]["spans"][0][name] = json.loads(written)
    answer = requests.post(f"{exporter.http}/v1/traces", json=document, timeout=DEADLINE_S)
    partial = answer.json()["partialSuccess"]
    assert (answer.status_code, partial["rejectedSpans"]) == (200, "1")
    assert f"resourceSpans[0].scopeSpans[0].spans[0].{name}" in partial["errorMessage"]
    assert told in partial["errorMessage"]


def test_a_damaged_span_is_rejected_alone_over_http_and_grpc(exporter: Exporter) -> None:
    """Answered alike, and the span beside it counts."""
    message = ExportTraceServiceRequest.FromString(traces(call((10, 5)), service="damaged"))
    scoped = message.resource_spans[0].scope_spans[0]
    answers = set()
    for number, send in enumerate((_over_http, _over_grpc)):
        scoped.spans[0].span_id = (number + 77).to_bytes(8, "big")
        whole = scoped.SerializeToString() + b"\x12\x02\x0a\x7f"
        body = field(1, field(1, message.resource_spans[0].resource.SerializeToString())
                      + field(2, whole))  # fmt: skip
        answers.add(send(exporter, body))
    ((rejected, told),) = answers
    assert rejected == 1
    assert told.startswith("resourceSpans[0].scopeSpans[0].spans[1]: ")
    at = exporter.wait_until_settled()
    assert at.total("llm_requests_total", service="damaged") == 2


def _over_http(exporter: Exporter, body: bytes) -> tuple[int, str]:
    answer = exporter.post(body)
    assert answer.status_code == 200
    partial = ExportTraceServiceResponse.FromString(answer.content).partial_success
    return partial.rejected_spans, partial.error_message


def _over_grpc(exporter: Exporter, body: bytes) -> tuple[int, str]:
    with grpc.insecure_channel(exporter.grpc) as channel:
        export = channel.unary_unary(SERVICE, bytes, ExportTraceServiceResponse.FromString)
        partial = export(body, timeout=DEADLINE_S).partial_success
    return partial.rejected_spans, partial.error_message


def _json_of(body: bytes) -> bytes:
    return to_otlp_json(ExportTraceServiceRequest.FromString(body))
