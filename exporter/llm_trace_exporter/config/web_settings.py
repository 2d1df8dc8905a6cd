"""What a web configuration file says, as frozen records with defaults.

Field names are the keys of the file. Source: prometheus/exporter-toolkit,
docs/web-configuration.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

ClientAuth = Literal[
    "NoClientCert", "RequestClientCert", "VerifyClientCertIfGiven", "RequireAndVerifyClientCert"
]
TlsVersion = Literal["TLS10", "TLS11", "TLS12", "TLS13"]


@dataclass(frozen=True, slots=True)
class TlsSettings:
    """Certificate of the server, and what is asked of clients."""

    cert: str = ""
    key: str = field(default="", repr=False)
    client_ca: str = ""
    cert_file: str = ""
    key_file: str = ""
    client_ca_file: str = ""
    client_auth_type: ClientAuth = "NoClientCert"
    client_allowed_sans: tuple[str, ...] = ()
    min_version: TlsVersion = "TLS12"
    max_version: TlsVersion = "TLS13"
    cipher_suites: tuple[str, ...] = ()
    """Go's names."""
    prefer_server_cipher_suites: bool = True
    curve_preferences: tuple[str, ...] = ()
    """Go's names."""

    @property
    def is_enabled(self) -> bool:
        """Whether there is anything that asks for TLS, as the toolkit sees it."""
        asks = (self.cert, self.cert_file, self.key, self.key_file, self.client_ca)
        return any((*asks, self.client_ca_file, self.client_auth_type != "NoClientCert"))


@dataclass(frozen=True, slots=True)
class AnswerSettings:
    """How is answered."""

    http2: bool = True
    """Read and without effect."""
    headers: Mapping[str, str] = field(default_factory=dict)
    """Of every answer; an empty value leaves the header away."""


@dataclass(frozen=True, slots=True)
class RateSettings:
    """How often a listener may be asked."""

    interval_s: float = 0.0
    """Seconds between two requests in the long run; 0: no limit."""
    burst: int = 0
    """Requests at once after a pause."""


@dataclass(frozen=True, slots=True)
class WebFile:
    """A whole file; of one without content, nothing is guarded."""

    tls_server_config: TlsSettings = TlsSettings()
    http_server_config: AnswerSettings = field(default_factory=AnswerSettings)
    basic_auth_users: Mapping[str, str] = field(default_factory=dict, repr=False)
    """User name -> bcrypt hash."""
    rate_limit: RateSettings = RateSettings()


@dataclass(frozen=True, slots=True)
class Pem:
    """What the certificate files of a web configuration hold."""

    cert: bytes = b""
    key: bytes = field(default=b"", repr=False)
    client_ca: bytes = b""
