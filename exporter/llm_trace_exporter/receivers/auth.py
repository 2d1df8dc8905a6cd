"""Who may send: asked once for each request, in front of everything that a listener takes."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from ..consumer import ANYONE, Consumer, Tenant
from .rejection import Refusal
from .responses import refuse

_TENANT = "llm_trace_exporter.tenant"


@dataclass(frozen=True, slots=True)
class Credentials:
    """What a request presents; left out of `repr`, so that no log line can show it."""

    bearer: str = field(default="", repr=False)
    """The token of `Authorization: Bearer`, or the value of `X-Api-Key` (LangSmith's SDKs)."""
    user: str = field(default="", repr=False)
    password: str = field(default="", repr=False)
    """Of `Authorization: Basic`; Langfuse's SDKs send their two keys so."""
    names: tuple[str, ...] = ()
    """Alternative names of the client's certificate, where the transport has verified one."""


class Gate(Protocol):
    """Decides; its methods are called in the event loop of the listener."""

    async def enter(self, credentials: Credentials) -> Tenant:
        """Let a request in.

        Raises: Refusal when it may not, or not now.
        """
        ...


class OpenGate:
    """Lets everybody in: nothing asks for credentials."""

    async def enter(self, credentials: Credentials) -> Tenant:
        """Let a request in."""
        del credentials
        return ANYONE


class HttpGate:
    """An ASGI application in front of another one: all of its routes, known or not.

    The one behind finds out with `tenant_of` whose request it is.
    """

    def __init__(self, app: ASGIApp, gate: Gate, sink: Consumer) -> None:
        """Stand in front of `app`; refusals are counted by `sink`."""
        self._app = app
        self._gate = gate
        self._sink = sink

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass one request on, or refuse it."""
        if scope["type"] == "http":
            request = Request(scope, receive)
            try:
                scope[_TENANT] = await self._gate.enter(credentials_of(request.headers))
            except Refusal as refusal:
                self._sink.count_rejection("otlp_http", refusal.reason)
                await refuse(request, send, refusal)
                return
        await self._app(scope, receive, send)


def tenant_of(scope: Scope) -> Tenant:
    """Whose request it is that a gate has let in."""
    tenant: Tenant = scope.get(_TENANT, ANYONE)
    return tenant


def credentials_of(headers: Mapping[str, str], names: tuple[str, ...] = ()) -> Credentials:
    """What a request's headers (or a call's metadata) present; nothing where it is malformed."""
    scheme, _, value = headers.get("authorization", "").strip().partition(" ")
    value = value.strip()
    match scheme.lower():
        case "bearer":
            return Credentials(bearer=value, names=names)
        case "basic":
            user, password = _basic(value)
            return Credentials(user=user, password=password, names=names)
        case _:
            return Credentials(bearer=headers.get("x-api-key", "").strip(), names=names)


def _basic(value: str) -> tuple[str, str]:
    try:
        user, _, password = base64.b64decode(value, validate=True).decode().partition(":")
    except (binascii.Error, ValueError):
        return "", ""
    return user, password
