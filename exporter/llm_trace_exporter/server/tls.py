"""TLS as a web configuration wants it, for connections from now on.

Source: prometheus/exporter-toolkit, web/tls_config.go; Go, crypto/tls, for the names.
"""

from __future__ import annotations

import ipaddress
import ssl
from collections.abc import Callable, Mapping
from typing import Any

import grpc

from ..config.pem import load_authorities, load_pair
from ..config.web_settings import Pem, TlsSettings

_VERIFY = {
    "NoClientCert": ssl.CERT_NONE,
    # Nothing looks at a certificate that is not verified, so none is asked for.
    "RequestClientCert": ssl.CERT_NONE,
    "VerifyClientCertIfGiven": ssl.CERT_OPTIONAL,
    "RequireAndVerifyClientCert": ssl.CERT_REQUIRED,
}
_CURVES = {
    "X25519": "X25519",
    "CurveP256": "prime256v1",
    "CurveP384": "secp384r1",
    "CurveP521": "secp521r1",
}
_CIPHER_PARTS = (
    ("TLS_", ""), ("_WITH_", "-"), ("AES_128_CBC", "AES128"), ("AES_256_CBC", "AES256"),
    ("AES_128", "AES128"), ("AES_256", "AES256"), ("POLY1305_SHA256", "POLY1305"), ("_", "-"),
)  # fmt: skip


class TlsContext(ssl.SSLContext):
    """A context that also knows which names of clients are let in; empty: all."""

    allowed_names: frozenset[str] = frozenset()

    def lets_in(self, certificate: Mapping[str, Any] | None) -> bool:
        """Whether a client with this verified certificate, as `getpeercert` tells it, may stay."""
        named = (certificate or {}).get("subjectAltName", ())
        return not self.allowed_names or any(plain_name(n) in self.allowed_names for _, n in named)


class LiveContext(TlsContext):
    """Stands for whichever context is in force when a connection comes in."""

    current: Callable[[], ssl.SSLContext]

    def wrap_bio(self, *args: Any, **kwargs: Any) -> ssl.SSLObject:
        """Begin a connection under the context in force."""
        return self.current().wrap_bio(*args, **kwargs)


def live_context(current: Callable[[], ssl.SSLContext]) -> LiveContext:
    """A context for a listener, whose connections get what `current` says then."""
    context = LiveContext(ssl.PROTOCOL_TLS_SERVER)
    context.current = current
    return context


def context_of(tls: TlsSettings, pem: Pem) -> TlsContext:
    """The context that a configuration asks for.

    Raises: PemError, for what `config.web_file` would have refused.
    """
    context = TlsContext(ssl.PROTOCOL_TLS_SERVER)
    load_pair(context, pem.cert, pem.key)
    # Older versions than 1.2 are broken, and OpenSSL no longer speaks them at its usual level.
    is_newest_only = tls.min_version == "TLS13"
    context.minimum_version = ssl.TLSVersion.TLSv1_3 if is_newest_only else ssl.TLSVersion.TLSv1_2
    if tls.max_version == "TLS12":
        context.maximum_version = ssl.TLSVersion.TLSv1_2
    _choose_ciphers(context, tls)
    for curve in tls.curve_preferences:
        context.set_ecdh_curve(_CURVES[curve])
    if tls.prefer_server_cipher_suites:
        context.options |= ssl.OP_CIPHER_SERVER_PREFERENCE
    else:
        context.options &= ~ssl.OP_CIPHER_SERVER_PREFERENCE
    context.set_alpn_protocols(["http/1.1"])
    context.verify_mode = _VERIFY[tls.client_auth_type]
    if pem.client_ca:
        load_authorities(context, pem.client_ca)
    context.allowed_names = frozenset(map(plain_name, tls.client_allowed_sans))
    return context


def openssl_name(cipher: str) -> str:
    """OpenSSL's name of a cipher suite of TLS 1.2 under Go's name."""
    for go, openssl in _CIPHER_PARTS:
        cipher = cipher.replace(go, openssl)
    return cipher


def _choose_ciphers(context: ssl.SSLContext, tls: TlsSettings) -> None:
    older = [openssl_name(cipher) for cipher in tls.cipher_suites if "_WITH_" in cipher]
    if older:
        context.set_ciphers(":".join(older))
    elif tls.cipher_suites:
        # Those of TLS 1.3 cannot be chosen, in Go neither; without others, only it is left.
        context.minimum_version = ssl.TLSVersion.TLSv1_3


def is_named(allowed: tuple[str, ...], names: tuple[str, ...]) -> bool:
    """Whether one of a client's names is allowed; nothing that is allowed lets everybody in."""
    return not allowed or not {plain_name(a) for a in allowed}.isdisjoint(map(plain_name, names))


def plain_name(name: str) -> str:
    """A name of a client as it is compared; of an IP address the one way to write it."""
    try:
        return str(ipaddress.ip_address(name.strip()))
    except ValueError:
        return name


def grpc_credentials(current: Callable[[], tuple[TlsSettings, Pem]]) -> grpc.ServerCredentials:
    """Credentials for gRPC, whose connections get what `current` says then.

    Whether clients need a certificate is fixed from here on.
    """
    tls, first = current()
    last = [first]

    def changed() -> Any:
        _, pem = current()
        if pem == last[0]:
            return None
        last[0] = pem
        return _certificates(pem)

    return grpc.dynamic_ssl_server_credentials(
        _certificates(first),
        changed,
        require_client_authentication=tls.client_auth_type == "RequireAndVerifyClientCert",
    )


def _certificates(pem: Pem) -> Any:
    return grpc.ssl_server_certificate_configuration(
        [(pem.key, pem.cert)], root_certificates=pem.client_ca or None
    )
