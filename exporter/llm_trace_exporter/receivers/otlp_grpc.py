"""OTLP/gRPC: TraceService, LogsService and MetricsService on grpcio's asyncio server.

Messages pass as bytes, so that both receivers share a consumer. The methods are declared as taking
a stream, which is the same on the wire: a call is then seen before its message has arrived, and
can be turned away, timed out and counted.

Source: OTLP 1.10, docs/specification.md, "OTLP/gRPC": INVALID_ARGUMENT for what cannot be decoded,
RESOURCE_EXHAUSTED (without RetryInfo: not to be sent again) for what is too large, UNAVAILABLE
with RetryInfo for throttling.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

import grpc
from google.rpc import status_pb2
from grpc import aio

from ..consumer import Consumer, Tenant
from ..otlp.records import SignalName
from .admission import Admission
from .auth import Credentials, Gate, OpenGate, credentials_of
from .connections import ConnectionLimits, ConnectionState
from .rejection import Refusal, refusal_of
from .status import export_response, status

SERVICES: dict[str, SignalName] = {
    "opentelemetry.proto.collector.trace.v1.TraceService": "traces",
    "opentelemetry.proto.collector.logs.v1.LogsService": "logs",
    "opentelemetry.proto.collector.metrics.v1.MetricsService": "metrics",
}
# grpc.health.v1: HealthCheckResponse{status: SERVING}, for Kubernetes' gRPC probes.
_HEALTH = "grpc.health.v1.Health"
_SERVING = b"\x08\x01"
_CODES = {code.value[0]: code for code in grpc.StatusCode}
_MAX_STREAMS = 100


class GrpcReceiver:
    """The handlers of one server; `close` it after its server has stopped."""

    def __init__(
        self,
        sink: Consumer,
        *,
        max_request_bytes: int = 32 * 1024 * 1024,
        max_concurrent_requests: int = 64,
        read_timeout_s: float = 30.0,
        gate: Gate | None = None,
        limits: ConnectionLimits | None = None,
    ) -> None:
        self._sink = sink
        self._gate = gate or OpenGate()
        self.limits = limits or ConnectionLimits()
        self._max_bytes = max_request_bytes
        self._read_timeout_s = read_timeout_s
        self.admission = Admission(max_concurrent_requests, 4 * max_request_bytes)
        # One: two would take turns in the interpreter, each with memory of its own.
        self._workers = ThreadPoolExecutor(1, thread_name_prefix="otlp-grpc")

    def server(self) -> aio.Server:
        """A server without an address yet; to be made in the event loop that runs it."""
        silent_ms = round(self.limits.patience_s[ConnectionState.SILENT] * 1000)
        server = aio.server(
            compression=None,
            options=[
                ("grpc.max_receive_message_length", self._max_bytes),
                ("grpc.max_concurrent_streams", _MAX_STREAMS),
                ("grpc.so_reuseport", 0),
                ("grpc.max_allowed_incoming_connections", self.limits.max_connections),
                # Until the client's first frame, and until its answer to ours.
                ("grpc.server_handshake_timeout_ms", silent_ms),
                ("grpc.http2.settings_timeout", silent_ms),
                (
                    "grpc.max_connection_idle_ms",
                    round(self.limits.patience_s[ConnectionState.IDLE] * 1000),
                ),
            ],
        )
        methods = {
            (service, "Export"): grpc.stream_unary_rpc_method_handler(self._handler(signal))
            for service, signal in SERVICES.items()
        }
        methods[_HEALTH, "Check"] = grpc.unary_unary_rpc_method_handler(_serving)
        server.add_generic_rpc_handlers(
            tuple(
                grpc.method_handlers_generic_handler(service, {method: handler})
                for (service, method), handler in methods.items()
            )
        )
        return server

    def close(self) -> None:
        """Wait for exports under way and end the worker threads."""
        self._workers.shutdown()

    def _handler(self, signal: SignalName) -> Callable[[Any, Any], Awaitable[bytes]]:
        async def export(messages: AsyncIterator[bytes], context: Any) -> bytes:
            try:
                tenant = await self._gate.enter(_credentials(context))
                return await self._export(signal, messages, tenant)
            except Refusal as refusal:
                self._sink.count_rejection("otlp_grpc", refusal.reason)
                answer = status(refusal)
            # Not while the error is handled: its frames hold the body, and would stay in memory in
            # a ring with the one that the library ends a call with.
            await _abort(context, answer)
            return b""

        return export

    async def _export(
        self, signal: SignalName, messages: AsyncIterator[bytes], tenant: Tenant
    ) -> bytes:
        try:
            with self.admission.enter() as ticket:
                async with ticket.reading(self._read_timeout_s):
                    body = await _only(messages)
                    ticket.grow(len(body))
                outcome = await asyncio.get_running_loop().run_in_executor(
                    self._workers,
                    self._sink.ingest_request,
                    signal,
                    "protobuf",
                    body,
                    "otlp_grpc",
                    tenant,
                )
        except Refusal:
            raise  # as its own cause, it would be a ring that holds the body
        except Exception as error:
            raise refusal_of(error) from error
        response: bytes = export_response(signal, outcome).SerializeToString()
        return response


async def _only(messages: AsyncIterator[bytes]) -> bytes:
    """The message of a call, once the client has said that there is no other.

    A stream that is not read to its end stays in memory, in a ring with its call.

    Raises: Refusal where there is not exactly one.
    """
    first: bytes | None = None
    count = 0
    async for message in messages:
        count += 1
        first = message if first is None else first
    if first is None:
        # The library has turned the message away: that looks as if none had been sent.
        raise Refusal("too_large", "no message, or one larger than the limit")
    if count > 1:
        raise Refusal("malformed", "an export is one message, and this call had more")
    return first


def _credentials(context: Any) -> Credentials:
    metadata = {k: v for k, v in context.invocation_metadata() if isinstance(v, str)}
    names = context.auth_context().get("x509_subject_alternative_name", ())
    return credentials_of(metadata, tuple(name.decode("utf-8", "replace") for name in names))


async def _serving(_request: bytes, _context: Any) -> bytes:
    return _SERVING


async def _abort(context: Any, answer: status_pb2.Status) -> None:
    # Where the client has left, nobody is there to be told: that is no error of ours.
    with suppress(aio.InternalError):
        await context.abort(
            _CODES[answer.code],
            answer.message,
            (("grpc-status-details-bin", answer.SerializeToString()),),
        )
