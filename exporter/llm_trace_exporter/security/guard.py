"""What guards one listener, as its web configuration says now."""

from __future__ import annotations

import logging
import ssl
from pathlib import Path

import grpc

from ..config.web_file import Listener, load_web_file
from ..config.web_settings import Pem, RateSettings, TlsSettings, WebFile
from ..errors import ConfigError
from ..otlp.gate import Credentials
from ..otlp.refusal import Refusal
from .bucket import Bucket
from .tls import TlsContext, context_of, grpc_credentials, is_named, live_context
from .users import Users
from .watch import Watch

_logger = logging.getLogger(__name__)

_CHALLENGE = 'Basic realm="LLM Trace Exporter", charset="UTF-8"'


class Guard:
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
        self._file = WebFile()
        self._pem = Pem()
        self._context: TlsContext | None = None
        self._bucket: Bucket | None = None
        self._watch = Watch()
        self.users = Users()
        self._failure = ""
        if self._path is not None:
            self._take(*self._read(self._path))

    @property
    def headers(self) -> dict[str, str]:
        """Headers of every answer."""
        headers = self._file.http_server_config.headers
        return {name: value for name, value in headers.items() if value}

    @property
    def has_tls(self) -> bool:
        """Whether connections are encrypted."""
        return self._context is not None

    @property
    def asks_for_credentials(self) -> bool:
        """Whether nobody comes in without a password or a certificate."""
        auth_type = self._file.tls_server_config.client_auth_type
        return bool(self.users) or auth_type == "RequireAndVerifyClientCert"

    def context(self) -> ssl.SSLContext | None:
        """A context for a listener over TLS, whose connections get what is in force then."""
        return live_context(self._in_force) if self._context is not None else None

    def grpc_credentials(self) -> grpc.ServerCredentials | None:
        """The same for gRPC."""
        return grpc_credentials(self._certificates) if self._context is not None else None

    def refresh(self, *, always: bool = False) -> bool | None:
        """Read changed files: whether they could be used, or None without a change."""
        if self._path is None or not (always or self._failure or self._watch.has_changed()):
            return None
        try:
            file, pem = self._read(self._path)
            self._refuse_other_kind(file)
            self._take(file, pem)
        except ConfigError as error:
            if str(error) != self._failure:
                self._failure = str(error)
                _logger.error("%s: the old one stays: %s", self._path, error)  # noqa: TRY400
            return False
        self._failure = ""
        _logger.info("%s was read again", self._path)
        return True

    def limit(self) -> None:
        """Count a request against the rate limit.

        Raises: Refusal when it is used up.
        """
        if self._bucket is not None and (wait_s := self._bucket.take()):
            raise Refusal("rate_limited", "too many requests on this listener", wait_s)

    def name(self, credentials: Credentials) -> None:
        """Look at the names of a gRPC client's certificate.

        Raises: Refusal when none of them is allowed.
        """
        if not is_named(self._file.tls_server_config.client_allowed_sans, credentials.names):
            raise Refusal("unauthenticated", "the client certificate has no allowed name")

    async def authenticate(self, credentials: Credentials) -> None:
        """Look at user and password, where any are asked for.

        Raises: Refusal when they are missing or wrong.
        """
        if self.users and not await self.users.know(credentials.user, credentials.password):
            raise Refusal("unauthenticated", "no user with this password", challenge=_CHALLENGE)

    def _in_force(self) -> ssl.SSLContext:
        assert self._context is not None  # noqa: S101  # asked for only where there was one
        return self._context

    def _certificates(self) -> tuple[TlsSettings, Pem]:
        return self._file.tls_server_config, self._pem

    def _take(self, file: WebFile, pem: Pem) -> None:
        tls = file.tls_server_config
        self._context = context_of(tls, pem) if tls.is_enabled else None
        if self._bucket is None or file.rate_limit != self._file.rate_limit:
            self._bucket = _bucket(file.rate_limit)
        self.users.take(file.basic_auth_users)
        self._file, self._pem = file, pem

    def _read(self, path: Path) -> tuple[WebFile, Pem]:
        """The files as they are, marked before they are read, so that no change is missed."""
        self._watch.look(self._watch.paths)
        while True:
            file, pem = load_web_file(path, self.listener)
            tls = file.tls_server_config
            named = (tls.cert_file, tls.key_file, tls.client_ca_file)
            paths = (path, *(Path(name) for name in named if name))
            if set(paths) == set(self._watch.paths):
                return file, pem
            self._watch.look(paths)

    def _refuse_other_kind(self, file: WebFile) -> None:
        old, new = self._file.tls_server_config, file.tls_server_config
        if old.is_enabled != new.is_enabled:
            raise ConfigError([f"{self._path}: TLS is turned on and off at the start only"])
        if self.listener == "otlp_grpc" and old.client_auth_type != new.client_auth_type:
            raise ConfigError([f"{self._path}: gRPC takes client_auth_type at the start only"])


def _bucket(rate: RateSettings) -> Bucket | None:
    return Bucket(1 / rate.interval_s, rate.burst) if rate.interval_s else None
