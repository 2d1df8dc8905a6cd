"""One gate in front of everything that the OTLP listeners take."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import Any

import grpc
import pytest
import requests
from google.rpc.error_details_pb2 import RetryInfo
from google.rpc.status_pb2 import Status
from hypothesis import given
from hypothesis import strategies as st

from llm_trace_exporter.consumer import Tenant
from llm_trace_exporter.receivers.auth import Credentials, HttpGate, credentials_of
from llm_trace_exporter.receivers.otlp_grpc import GrpcReceiver
from llm_trace_exporter.receivers.otlp_http import HttpReceiver
from llm_trace_exporter.receivers.rejection import Refusal
from llm_trace_exporter.server.listeners import GrpcServer, HttpServer
from tests.otlp import payloads
from tests.otlp.conftest import RecordingConsumer

TENANT = Tenant("credit", (("team", "credit"),))
EXPORT = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"


class OneWord:
    """Lets in whoever knows the word, by any of the ways to say it; `slow` comes too often."""

    async def enter(self, credentials: Credentials) -> Tenant:
        said = {credentials.bearer, credentials.password}
        if "slow" in said:
            raise Refusal("rate_limited", "too many requests", 7)
        if "word" not in said:
            raise Refusal("unauthenticated", "no token that is known", challenge="Bearer")
        return TENANT


@pytest.fixture
def http_gate(sink: RecordingConsumer) -> Iterator[str]:
    receiver = HttpReceiver(sink)
    server = HttpServer("otlp-http", HttpGate(receiver, OneWord(), sink), ["127.0.0.1:0"])
    server.start()
    yield f"http://{server.addresses[0]}"
    server.stop(2)
    receiver.close()


@pytest.fixture
def grpc_gate(sink: RecordingConsumer) -> Iterator[Any]:
    receiver = GrpcReceiver(sink, gate=OneWord())
    server = GrpcServer(receiver, "127.0.0.1:0")
    server.start()
    with grpc.insecure_channel(server.addresses[0]) as channel:
        yield channel
    server.stop(2)
    receiver.close()


def basic(user: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


def _as_basic(content: bytes) -> str:
    return f"Basic {base64.b64encode(content).decode()}"


ACCEPTED = [
    {"Authorization": "Bearer word"},
    {"authorization": "bearer  word "},
    {"Authorization": basic("pk-lf-anything", "word")},
    {"X-Api-Key": "word"},
]
REFUSED = [
    {},
    {"Authorization": "word"},
    {"Authorization": "Bearer wor"},
    {"Authorization": "Bearer"},
    {"Authorization": "Basic %%%"},
    {"Authorization": basic("word", "")},
    {"Authorization": "Digest word"},
    {"Authorization": "Bearer other", "X-Api-Key": "word"},
    {"X-Api-Key": ""},
]


@pytest.mark.parametrize("headers", ACCEPTED)
def test_http_credentials_let_in(
    http_gate: str, sink: RecordingConsumer, headers: dict[str, str]
) -> None:
    sent = {"Content-Type": "application/x-protobuf", **headers}
    answer = requests.post(f"{http_gate}/v1/traces", payloads.traces(), headers=sent, timeout=10)
    assert answer.status_code == 200
    assert sink.tenants == [TENANT]


@pytest.mark.parametrize("headers", REFUSED)
def test_http_refuses_everybody_else(
    http_gate: str, sink: RecordingConsumer, headers: dict[str, str]
) -> None:
    sent = {"Content-Type": "application/x-protobuf", **headers}
    answer = requests.post(f"{http_gate}/v1/traces", payloads.traces(), headers=sent, timeout=10)
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"] == "Bearer"
    status = Status.FromString(answer.content)
    assert status.code == grpc.StatusCode.UNAUTHENTICATED.value[0]
    assert sink.calls == []
    assert sink.refusals == [("otlp_http", "unauthenticated")]


@pytest.mark.parametrize("path", ["/", "/v1/unknown", "/v1/logs/", "/otel/v1/traces"])
@pytest.mark.parametrize("method", ["GET", "POST", "PUT"])
def test_no_route_is_in_front_of_the_gate(http_gate: str, path: str, method: str) -> None:
    assert requests.request(method, http_gate + path, timeout=10).status_code == 401


def test_http_says_when_to_come_back(http_gate: str) -> None:
    headers = {"Authorization": "Bearer slow", "Content-Type": "application/json"}
    answer = requests.post(f"{http_gate}/v1/traces", b"{}", headers=headers, timeout=10)
    assert answer.status_code == 429
    assert answer.headers["Retry-After"] == "7"


@pytest.mark.parametrize("headers", ACCEPTED)
def test_grpc_credentials_let_in(
    grpc_gate: Any, sink: RecordingConsumer, headers: dict[str, str]
) -> None:
    metadata = [(key.lower(), value) for key, value in headers.items()]
    grpc_gate.unary_unary(EXPORT)(payloads.traces(), metadata=metadata, timeout=10)
    assert sink.tenants == [TENANT]


@pytest.mark.parametrize("headers", REFUSED)
def test_grpc_refuses_everybody_else(
    grpc_gate: Any, sink: RecordingConsumer, headers: dict[str, str]
) -> None:
    metadata = [(key.lower(), value) for key, value in headers.items()]
    with pytest.raises(grpc.RpcError) as refused:
        grpc_gate.unary_unary(EXPORT)(payloads.traces(), metadata=metadata, timeout=10)
    assert refused.value.code() is grpc.StatusCode.UNAUTHENTICATED
    assert sink.calls == []
    assert sink.refusals == [("otlp_grpc", "unauthenticated")]


def test_grpc_says_when_to_come_back(grpc_gate: Any) -> None:
    metadata = [("authorization", "Bearer slow")]
    with pytest.raises(grpc.RpcError) as refused:
        grpc_gate.unary_unary(EXPORT)(payloads.traces(), metadata=metadata, timeout=10)
    assert refused.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    trailers: dict[str, Any] = dict(refused.value.trailing_metadata())  # type: ignore[arg-type]
    status = Status.FromString(trailers["grpc-status-details-bin"])
    retry = RetryInfo()
    assert status.details[0].Unpack(retry)
    assert retry.retry_delay.seconds == 7


def test_a_gateway_s_probe_needs_no_credentials(grpc_gate: Any) -> None:
    assert grpc_gate.unary_unary("/grpc.health.v1.Health/Check")(b"", timeout=10) == b"\x08\x01"


@given(
    st.dictionaries(
        st.sampled_from(["authorization", "x-api-key"]),
        st.text() | st.text().map(lambda text: f"Basic {text}") | st.binary().map(_as_basic),
    )
)
def test_no_header_breaks_the_gate(headers: dict[str, str]) -> None:
    found = credentials_of(headers)
    assert all(isinstance(word, str) for word in (found.bearer, found.user, found.password))


def test_credentials_are_not_shown() -> None:
    for headers in ({"authorization": "Bearer sesame"}, {"authorization": basic("u", "sesame")}):
        assert "sesame" not in repr(credentials_of(headers))
