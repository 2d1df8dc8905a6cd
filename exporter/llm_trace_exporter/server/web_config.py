"""What guards one listener, as its web configuration says now."""

from __future__ import annotations

import ssl
from dataclasses import dataclass, field
from pathlib import Path

import grpc

from ..config.web_file import Listener, load_web_file
from ..config.web_settings import Pem, RateSettings, TlsSettings, WebFile
from ..errors import ConfigError
from ..receivers.auth import Credentials
from ..receivers.rejection import Refusal
from .basic_auth import Hashes, Users
from .file_refresh import Refresh
from .file_watch import FileWatch
from .rate_limit import Bucket
from .tls import TlsContext, context_of, grpc_credentials, is_named, live_context

_CHALLENGE = 'Basic realm="LLM Trace Exporter", charset="UTF-8"'


@dataclass(frozen=True, slots=True)
class PreparedGuard:
    """All that follows from a web configuration and the files that it names."""

    file: WebFile = field(default_factory=WebFile)
    pem: Pem = field(default_factory=Pem)
    context: TlsContext | None = None
    bucket: Bucket | None = None
    hashes: Hashes = field(default_factory=Hashes)
    watch: FileWatch = field(default_factory=FileWatch)


class WebConfigGuard:
    """Certificates, users, headers and rate limit of a listener; without a file, none of them.

    Changed files are taken in by `refresh`; whether there is TLS at all, and for gRPC whether
    clients need a certificate, stays as it was at the start.
    """

    def __init__(self, listener: Listener, path: str) -> None:
        """Read the file.

        Raises: ConfigError with a line for each problem.
        """
        self.listener: Listener = listener
        self._path = Path(path) if path else None
        self._in_force = PreparedGuard()
        self.users = Users()
        if self._path is not None:
            self.commit(self._read(self._path))
        self.refresh = Refresh(
            path, has_changed=self._has_changed, prepare=self.prepare, commit=self.commit
        )
        """Takes changed files in."""

    def prepare(self) -> PreparedGuard:
        """What the files say now; nothing is changed.

        Raises: ConfigError with a line for each problem, or for what only a start can change.
        """
        if self._path is None:
            return self._in_force
        prepared = self._read(self._path)
        self._refuse_other_kind(prepared.file)
        return prepared

    def commit(self, prepared: PreparedGuard) -> None:
        """Go on with what was prepared."""
        self._in_force = prepared
        self.users.commit(prepared.hashes)

    @property
    def headers(self) -> dict[str, str]:
        """Headers of every answer."""
        headers = self._in_force.file.http_server_config.headers
        return {name: value for name, value in headers.items() if value}

    @property
    def has_tls(self) -> bool:
        """Whether connections are encrypted."""
        return self._in_force.context is not None

    @property
    def asks_for_credentials(self) -> bool:
        """Whether nobody comes in without a password or a certificate."""
        auth_type = self._in_force.file.tls_server_config.client_auth_type
        return bool(self.users) or auth_type == "RequireAndVerifyClientCert"

    def context(self) -> ssl.SSLContext | None:
        """A context for a listener over TLS, whose connections get what is in force then."""
        return live_context(self._context) if self.has_tls else None

    def grpc_credentials(self) -> grpc.ServerCredentials | None:
        """The same for gRPC."""
        return grpc_credentials(self._certificates) if self.has_tls else None

    def limit(self) -> None:
        """Count a request against the rate limit.

        Raises: Refusal when it is used up.
        """
        bucket = self._in_force.bucket
        if bucket is not None and (wait_s := bucket.take()):
            raise Refusal("rate_limited", "too many requests on this listener", wait_s)

    def name(self, credentials: Credentials) -> None:
        """Look at the names of a gRPC client's certificate.

        Raises: Refusal when none of them is allowed.
        """
        if not is_named(
            self._in_force.file.tls_server_config.client_allowed_sans, credentials.names
        ):
            raise Refusal("unauthenticated", "the client certificate has no allowed name")

    async def authenticate(self, credentials: Credentials) -> None:
        """Look at user and password, where any are asked for.

        Raises: Refusal when they are missing or wrong.
        """
        if self.users and not await self.users.know(credentials.user, credentials.password):
            raise Refusal("unauthenticated", "no user with this password", challenge=_CHALLENGE)

    def _context(self) -> ssl.SSLContext:
        context = self._in_force.context
        assert context is not None  # noqa: S101  # asked for only where there was one
        return context

    def _certificates(self) -> tuple[TlsSettings, Pem]:
        return self._in_force.file.tls_server_config, self._in_force.pem

    def _has_changed(self) -> bool:
        return self._in_force.watch.has_changed()

    def _read(self, path: Path) -> PreparedGuard:
        """The files as they are, marked before they are read, so that no change is missed."""
        watch = FileWatch((path,))
        while True:
            file, pem = load_web_file(path, self.listener)
            tls = file.tls_server_config
            named = (tls.cert_file, tls.key_file, tls.client_ca_file)
            paths = (path, *(Path(name) for name in named if name))
            if set(paths) == set(watch.paths):
                break
            watch = FileWatch(paths)
        before = self._in_force
        is_same_rate = before.bucket is not None and file.rate_limit == before.file.rate_limit
        return PreparedGuard(
            file=file,
            pem=pem,
            context=context_of(tls, pem) if tls.is_enabled else None,
            bucket=before.bucket if is_same_rate else _bucket(file.rate_limit),
            hashes=Hashes(file.basic_auth_users),
            watch=watch,
        )

    def _refuse_other_kind(self, file: WebFile) -> None:
        before = self._in_force.file
        old, new = before.tls_server_config, file.tls_server_config
        if file == WebFile() != before:
            # As a file is that somebody is writing; it would let everybody in.
            allowed = "what is to guard the listener; nothing at the start only"
            raise ConfigError([f"{self._path}: found nothing; allowed: {allowed}"])
        if old.is_enabled != new.is_enabled:
            raise ConfigError([f"{self._path}: TLS is turned on and off at the start only"])
        if self.listener == "otlp_grpc" and old.client_auth_type != new.client_auth_type:
            raise ConfigError([f"{self._path}: gRPC takes client_auth_type at the start only"])


def _bucket(rate: RateSettings) -> Bucket | None:
    return Bucket(1 / rate.interval_s, rate.burst) if rate.interval_s else None
