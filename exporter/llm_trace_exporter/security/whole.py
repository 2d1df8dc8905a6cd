"""All guards of one exporter together."""

from __future__ import annotations

import ssl
import threading
from typing import Literal

import grpc
from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp

from ..config import Settings
from ..config.web_file import Listener
from ..metrics.selfmetrics import SelfMetrics
from ..otlp.gate import Gate, HttpGate
from ..otlp.sink import Sink
from .door import Door, WithHeaders
from .guard import Guard
from .otlp_gate import OtlpGate
from .tokens import Keyring

Part = Literal["web", "otlp_http", "otlp_grpc", "tokens"]


class Security:
    """What stands in front of the listeners, kept up to date."""

    def __init__(self, settings: Settings, own: SelfMetrics) -> None:
        """Read all files with secrets.

        Raises: ConfigError with a line for each problem.
        """
        self._own = own
        # Files change and reloads come at the same time.
        self._changing = threading.Lock()
        otlp = settings.otlp
        self._guards: dict[Listener, Guard] = {
            "web": Guard("web", settings.web.config_file),
            "otlp_http": Guard("otlp_http", otlp.http.config_file),
            "otlp_grpc": Guard("otlp_grpc", otlp.grpc.config_file),
        }
        self._keyring = Keyring(otlp.tokens)
        for part in (*self._guards, "tokens"):
            own.security_loaded(part, is_success=True)
        self._show_tokens()

    def web_app(self, app: ASGIApp) -> ASGIApp:
        """The pages behind their guard."""
        guard = self._guards["web"]

        def refused(reason: str) -> None:
            self._own.rejected("web", reason)

        return WithHeaders(Door(app, guard, refused), guard)

    def otlp_app(self, app: ASGIApp, sink: Sink, origins: tuple[str, ...] = ()) -> ASGIApp:
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
        return OtlpGate(self._guards[listener], self._keyring, self._own.token_request)

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

    def take(self, settings: Settings) -> None:
        """Go on with another configuration's tokens, and with all files as they are now.

        Raises: ConfigError when the tokens cannot be used; the old ones stay.
        """
        with self._changing:
            self._keyring.take(settings.otlp.tokens)
            self._show_tokens()
            self._tell("tokens", True)
            for listener, guard in self._guards.items():
                self._tell(listener, guard.refresh(always=True))

    def refresh(self) -> None:
        """Take changed files in."""
        with self._changing:
            for listener, guard in self._guards.items():
                self._tell(listener, guard.refresh())
            self._tell("tokens", self._keyring.refresh())

    def _tell(self, part: Part, is_success: bool | None) -> None:
        if is_success is not None:
            self._own.security_loaded(part, is_success=is_success)

    def _show_tokens(self) -> None:
        for name in self._keyring.names:
            self._own.token_request(name, 0)
