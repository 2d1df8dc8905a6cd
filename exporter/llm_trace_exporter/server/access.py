"""All guards of one exporter together."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Literal

import grpc
from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp

from ..config import Settings
from ..config.web_file import Listener
from ..consumer import Consumer
from ..metrics.exporter_metrics import ExporterMetrics
from ..receivers.auth import Gate, HttpGate
from .admin_auth import AdminAuth, WithHeaders
from .receiver_auth import ReceiverAuth
from .tokens import PreparedTokens, TokenStore
from .web_config import PreparedGuard, WebConfigGuard

Part = Literal["web", "otlp_http", "otlp_grpc", "tokens"]


@dataclass(frozen=True, slots=True)
class PreparedAccess:
    """Who may come in, once it is committed."""

    tokens: PreparedTokens
    guards: Mapping[Listener, PreparedGuard]


class AccessControl:
    """What stands in front of the listeners, kept up to date."""

    def __init__(self, settings: Settings, metrics: ExporterMetrics) -> None:
        """Read all files with secrets.

        Raises: ConfigError with a line for each problem.
        """
        self._metrics = metrics
        # Files change and reloads come at the same time.
        self._changing = threading.Lock()
        otlp = settings.otlp
        self._guards: dict[Listener, WebConfigGuard] = {
            "web": WebConfigGuard("web", settings.web.config_file),
            "otlp_http": WebConfigGuard("otlp_http", otlp.http.config_file),
            "otlp_grpc": WebConfigGuard("otlp_grpc", otlp.grpc.config_file),
        }
        self._token_store = TokenStore(otlp.tokens)
        for part in (*self._guards, "tokens"):
            metrics.security_loaded(part, is_success=True)
        self._show_tokens()

    def web_app(self, app: ASGIApp) -> ASGIApp:
        """The pages behind their guard."""
        guard = self._guards["web"]

        def refused(reason: str) -> None:
            self._metrics.rejected("web", reason)

        return WithHeaders(AdminAuth(app, guard, refused), guard)

    def otlp_app(self, app: ASGIApp, sink: Consumer, origins: tuple[str, ...] = ()) -> ASGIApp:
        """All that the OTLP/HTTP listener takes, behind its guard; browsers ask before it."""
        guard = self._guards["otlp_http"]
        guarded = WithHeaders(HttpGate(app, self.gate("otlp_http"), sink), guard)
        if not origins:
            return guarded
        headers = ["authorization", "content-type", "x-api-key"]
        return CORSMiddleware(
            guarded, allow_origins=origins, allow_methods=["POST"], allow_headers=headers
        )

    def gate(self, listener: Listener) -> Gate:
        """Who may send OTLP."""
        return ReceiverAuth(self._guards[listener], self._token_store, self._metrics.token_request)

    def context(self, listener: Listener) -> ssl.SSLContext | None:
        """For a listener over TLS."""
        return self._guards[listener].context()

    def grpc_credentials(self) -> grpc.ServerCredentials | None:
        """For OTLP/gRPC over TLS."""
        return self._guards["otlp_grpc"].grpc_credentials()

    def has_lifecycle(self, settings: Settings) -> bool:
        """Whether who comes in may reload: as configured, or where nobody comes in unknown."""
        return settings.web.enable_lifecycle or self._guards["web"].asks_for_credentials

    def has_tls(self, listener: Listener) -> bool:
        """Whether a listener's connections are encrypted."""
        return self._guards[listener].has_tls

    def prepare(self, settings: Settings) -> PreparedAccess:
        """Another configuration's tokens, and all files as they are now; nothing is changed.

        Raises: ConfigError where any of them cannot be used.
        """
        return PreparedAccess(
            self._token_store.prepare(settings.otlp.tokens),
            {listener: guard.prepare() for listener, guard in self._guards.items()},
        )

    def commit(self, prepared: PreparedAccess) -> None:
        """Go on with what was prepared."""
        with self._changing:
            self._token_store.commit(prepared.tokens)
            for listener, guard in self._guards.items():
                guard.commit(prepared.guards[listener])
        self._show_tokens()
        self._tell("tokens", True)
        for listener in self._guards:
            self._tell(listener, True)

    def refreshes(self) -> Iterator[Callable[[], None]]:
        """Yield what takes changed files in, one for each part."""
        for listener, guard in self._guards.items():
            yield partial(self._refresh, listener, guard.refresh)
        yield partial(self._refresh, "tokens", self._token_store.refresh)

    def _refresh(self, part: Part, refresh: Callable[[], bool | None]) -> None:
        is_success: bool | None = False
        try:
            with self._changing:
                is_success = refresh()
        finally:
            self._tell(part, is_success)

    def _tell(self, part: Part, is_success: bool | None) -> None:
        if is_success is not None:
            self._metrics.security_loaded(part, is_success=is_success)

    def _show_tokens(self) -> None:
        for name in self._token_store.names:
            self._metrics.token_request(name, 0)
