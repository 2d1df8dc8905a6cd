"""The metrics listener's guard: nothing behind it is seen without a look at it."""

from __future__ import annotations

from collections.abc import Callable

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ..receivers.auth import credentials_of
from ..receivers.rejection import Refusal
from ..receivers.status import HTTP_STATUS
from .web_config import WebConfigGuard


class WithHeaders:
    """An application whose answers have the configured headers, unless it sets them itself."""

    def __init__(self, app: ASGIApp, guard: WebConfigGuard) -> None:
        """Stand in front of `app`."""
        self._app = app
        self._guard = guard

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass one request on."""

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in self._guard.headers.items():
                    headers.setdefault(name, value)
            await send(message)

        await self._app(scope, receive, with_headers)


class AdminAuth:
    """An ASGI application in front of the pages, probes included, as the exporter-toolkit does."""

    def __init__(self, app: ASGIApp, guard: WebConfigGuard, refused: Callable[[str], None]) -> None:
        """Stand in front of `app`; `refused` counts by reason."""
        self._app = app
        self._guard = guard
        self._refused = refused

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass one request on, or refuse it."""
        if scope["type"] == "http":
            try:
                self._guard.limit()
                await self._guard.authenticate(credentials_of(Headers(scope=scope)))
            except Refusal as refusal:
                self._refused(refusal.reason)
                await _answer(refusal)(scope, receive, send)
                return
        await self._app(scope, receive, send)


def _answer(refusal: Refusal) -> PlainTextResponse:
    headers = {"Cache-Control": "no-store"}
    if refusal.challenge:
        headers["WWW-Authenticate"] = refusal.challenge
    if refusal.retry_after_s:
        headers["Retry-After"] = str(refusal.retry_after_s)
    return PlainTextResponse(f"{refusal.message}\n", HTTP_STATUS[refusal.reason], headers)
