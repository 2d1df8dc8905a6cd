"""Certificates and keys, put into contexts; what is wrong with them, in words."""

from __future__ import annotations

import os
import ssl
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_REASONS = {
    "KEY_VALUES_MISMATCH": "a key of another certificate",
    "NO_START_LINE": "text without a PEM block",
    "BAD_DECRYPT": "an encrypted key",
    "EE_KEY_TOO_SMALL": "a key that is too short",
    "CA_MD_TOO_WEAK": "a signature that is too weak",
}


class PemError(Exception):
    """Something that no TLS can be served with; the text says what it is."""


def load_pair(context: ssl.SSLContext, cert: bytes, key: bytes) -> None:
    """Give a context its certificate chain and key.

    Raises: PemError.
    """
    try:
        # What comes in as bytes is what was checked; files may change between two looks at them.
        with _as_file(cert) as cert_path, _as_file(key) as key_path:
            context.load_cert_chain(cert_path, key_path, password=_no_password)
    except _EncryptedError as error:
        raise PemError("an encrypted key") from error
    except (ssl.SSLError, ValueError) as error:
        raise PemError(_words(error)) from error


def load_authorities(context: ssl.SSLContext, client_ca: bytes) -> None:
    """Give a context the certificates that clients' ones are verified with.

    Raises: PemError.
    """
    try:
        context.load_verify_locations(cadata=client_ca.decode("ascii"))
    except UnicodeDecodeError as error:
        raise PemError("text without a PEM block") from error
    except (ssl.SSLError, ValueError) as error:
        raise PemError(_words(error)) from error


class _EncryptedError(Exception):
    pass


def _no_password() -> bytes:
    # Otherwise the library asks for it at the terminal.
    raise _EncryptedError


def _words(error: Exception) -> str:
    reason = getattr(error, "reason", "") or ""
    if reason:
        return _REASONS.get(reason, f"what OpenSSL calls {reason.lower().replace('_', ' ')}")
    return "text without a certificate and its key in PEM"


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
