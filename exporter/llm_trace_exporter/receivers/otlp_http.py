"""OTLP/HTTP: an ASGI application that takes traces, logs and metrics.

Source: OTLP 1.10, docs/specification.md, "OTLP/HTTP"; RFC 9110 where that says nothing (405 with
Allow, 415 with Accept or Accept-Encoding). Cross-origin requests of browsers are not allowed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from starlette.requests import ClientDisconnect, Request
from starlette.types import Receive, Scope, Send

from ..consumer import Consumer, Outcome, RejectionReason
from ..otlp.compression import TooLarge, decompress
from ..otlp.records import Encoding, SignalName
from .admission import Admission, Ticket
from .auth import tenant_of
from .rejection import Refusal, refusal_of
from .responses import CONTENT_TYPES, encoding_of, refuse, start
from .status import export_response, serialise

_T = TypeVar("_T")

# Where SDKs post when their vendor's base address is replaced by the one of this server.
_PREFIXES = ("", "/api/public/otel", "/otel")
_SIGNALS: tuple[SignalName, ...] = ("traces", "logs", "metrics")
PATHS: dict[str, SignalName] = {
    f"{prefix}/v1/{signal}": signal for prefix in _PREFIXES for signal in _SIGNALS
}
"""Path -> signal: the specification's, the Langfuse SDK's and the LangSmith SDK's."""


class HttpReceiver:
    """The application; `close` it after its server has stopped.

    Bodies are read within `max_request_bytes` (compressed and decompressed) and `read_timeout_s`,
    and handed to the consumer in a worker thread.
    """

    def __init__(
        self,
        sink: Consumer,
        *,
        max_request_bytes: int = 32 * 1024 * 1024,
        max_concurrent_requests: int = 64,
        read_timeout_s: float = 30.0,
    ) -> None:
        self._sink = sink
        self._max_bytes = max_request_bytes
        self._read_timeout_s = read_timeout_s
        self.admission = Admission(max_concurrent_requests, 4 * max_request_bytes)
        # One: two would take turns in the interpreter, each with memory of its own.
        self._workers = ThreadPoolExecutor(1, thread_name_prefix="otlp-http")

    def close(self) -> None:
        """Wait for exports under way and end the worker threads."""
        self._workers.shutdown()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            return
        request = Request(scope, receive)
        encoding = encoding_of(request)
        try:
            signal, outcome = await self._export(request, encoding)
        except Refusal as refusal:
            self.refused(refusal.reason)
            if refusal.reason != "aborted":
                await refuse(request, send, refusal)
        else:
            used = encoding or "json"
            body = serialise(export_response(signal, outcome), used)
            await send(start(200, body, [("Content-Type", CONTENT_TYPES[used])]))
            await send({"type": "http.response.body", "body": body})

    async def _export(
        self, request: Request, encoding: Encoding | None
    ) -> tuple[SignalName, Outcome]:
        signal = PATHS.get(request.url.path.rstrip("/"))
        if signal is None:
            raise Refusal("path", "OTLP is taken at /v1/traces, /v1/logs and /v1/metrics")
        if request.method != "POST":
            raise Refusal("method", "OTLP is sent by POST")
        if encoding is None:
            raise Refusal(
                "unsupported_media_type",
                "the content type is neither application/x-protobuf nor application/json",
            )
        tenant = tenant_of(request.scope)
        outcome = await self.take(
            request,
            lambda body: self._sink.ingest_request(signal, encoding, body, "otlp_http", tenant),
        )
        return signal, outcome

    async def take(self, request: Request, work: Callable[[bytes], _T]) -> _T:
        """Read a request's body within the limits; what `work` makes of it, in a worker thread.

        Raises: Refusal.
        """
        try:
            with self.admission.enter() as ticket:
                async with ticket.reading(self._read_timeout_s):
                    body = await self._read(request, ticket)
                content_encoding = ",".join(request.headers.getlist("content-encoding"))
                return await asyncio.get_running_loop().run_in_executor(
                    self._workers,
                    lambda: work(decompress(content_encoding, body, self._max_bytes)),
                )
        except ClientDisconnect as error:
            raise Refusal("aborted", "the client left") from error
        except Refusal:
            raise  # as its own cause, it would be a ring that holds the body
        except Exception as error:
            raise refusal_of(error) from error

    def refused(self, reason: RejectionReason) -> None:
        """Count a request that was answered with an error."""
        self._sink.count_rejection("otlp_http", reason)

    async def _read(self, request: Request, ticket: Ticket) -> bytes:
        length = request.headers.get("content-length", "")
        if length.isdecimal() and int(length[:20]) > self._max_bytes:
            raise TooLarge(f"the body is larger than {self._max_bytes} bytes")
        chunks: list[bytes] = []
        size = 0
        async for chunk in request.stream():
            size += len(chunk)
            if size > self._max_bytes:
                raise TooLarge(f"the body is larger than {self._max_bytes} bytes")
            ticket.grow(len(chunk))
            chunks.append(chunk)
        return b"".join(chunks)
