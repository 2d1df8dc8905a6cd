"""Certificates and keys, put into contexts; what is wrong with them, in words."""

from __future__ import annotations

import os
import ssl
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

_REASONS = {
    "KEY_VALUES_MISMATCH": "a key of another certificate",
    "EE_KEY_TOO_SMALL": "a certificate with a key that is too short",
    "CA_MD_TOO_WEAK": "a signature that is too weak",
}
_OF_KEY = ("KEY_VALUES_MISMATCH",)


class PemError(Exception):
    """Something that no TLS can be served with: which part of it, and what it is."""

    def __init__(self, part: Literal["cert", "key", "client_ca"], what: str) -> None:
        super().__init__(what)
        self.part = part


def load_pair(context: ssl.SSLContext, cert: bytes, key: bytes) -> None:
    """Give a context its certificate chain and key.

    Raises: PemError.
    """
    if b"-----BEGIN CERTIFICATE" not in cert:
        raise PemError("cert", "text without a PEM certificate")
    if b"PRIVATE KEY-----" not in key:
        raise PemError("key", "text without a PEM key")
    try:
        # What comes in as bytes is what was checked; files may change between two looks at them.
        with _as_file(cert) as cert_path, _as_file(key) as key_path:
            context.load_cert_chain(cert_path, key_path, password=_no_password)
    except _EncryptedError as error:
        raise PemError("key", "an encrypted key") from error
    except (ssl.SSLError, ValueError) as error:
        part: Literal["cert", "key"] = "key" if _reason(error) in _OF_KEY else "cert"
        raise PemError(part, _words(error)) from error


def load_authorities(context: ssl.SSLContext, client_ca: bytes) -> None:
    """Give a context the certificates that clients' ones are verified with.

    Raises: PemError.
    """
    if b"-----BEGIN CERTIFICATE" not in client_ca:
        raise PemError("client_ca", "text without a PEM certificate")
    try:
        context.load_verify_locations(cadata=client_ca.decode("ascii"))
    except (ssl.SSLError, ValueError) as error:
        raise PemError("client_ca", _words(error)) from error


class _EncryptedError(Exception):
    pass


def _no_password() -> bytes:
    # Otherwise the library asks for it at the terminal.
    raise _EncryptedError


def _reason(error: Exception) -> str:
    return getattr(error, "reason", "") or ""


def _words(error: Exception) -> str:
    reason = _reason(error)
    return _REASONS.get(reason) or (
        f"what OpenSSL calls {reason.lower().replace('_', ' ')}" if reason else "damaged PEM text"
    )


@contextmanager
def _as_file(content: bytes) -> Iterator[str]:
    """A path under which the content can be read, in memory where the system has that."""
    if hasattr(os, "memfd_create"):
        number = os.memfd_create("pem")
        try:
            with os.fdopen(os.dup(number), "wb") as file:
                file.write(content)
            yield f"/proc/self/fd/{number}"
        finally:
            os.close(number)
        return
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "pem"
        path.write_bytes(content)
        yield str(path)
