"""Web configuration files, read and checked as a whole, with the files that they name.

The format is that of Prometheus' exporter-toolkit, so that one file serves every exporter. What it
can say and cannot be done here is refused, so that nobody trusts in it.
Source: prometheus/exporter-toolkit, docs/web-configuration.md and web/tls_config.go.
"""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

from ..errors import ConfigError
from .bind import load_schema
from .load import as_lines, located_in, parse_as, read_text
from .pem import PemError, load_authorities, load_pair
from .problems import Problem
from .rule_checks import Finding
from .validate import line_of
from .web_settings import Pem, TlsSettings, WebFile

Listener = Literal["web", "otlp_http", "otlp_grpc"]

_MAX_PEM_BYTES = 1024 * 1024
_TLS = "tls_server_config"
_VERIFYING = ("VerifyClientCertIfGiven", "RequireAndVerifyClientCert")
_PAIRS = (("cert", "cert_file"), ("key", "key_file"), ("client_ca", "client_ca_file"))


def load_web_file(path: Path, listener: Listener) -> tuple[WebFile, Pem]:
    """A web configuration for a listener, and the content of its certificates.

    Raises:
        ConfigError: With a line for each problem of the file, and of the files that it names.
    """
    together = (_sources, _clients, _versions, *((_of_grpc,) if listener == "otlp_grpc" else ()))
    schema = load_schema("web_schema.json")
    file, root = parse_as(WebFile, read_text(path), str(path), schema, together)
    tls = _located(file.tls_server_config, path.parent)
    file = replace(file, tls_server_config=tls)
    pem, findings = Pem(), list[Finding]()
    if tls.is_enabled:
        pem, findings = _read_pem(tls)
        findings += [] if findings else list(_unusable(tls, pem))
    if findings:
        problems = [Problem(line_of(root, at), at, what, right) for at, what, right in findings]
        raise ConfigError(as_lines(problems, str(path)))
    return file, pem


def _located(tls: TlsSettings, folder: Path) -> TlsSettings:
    return replace(
        tls,
        cert_file=located_in(folder, tls.cert_file),
        key_file=located_in(folder, tls.key_file),
        client_ca_file=located_in(folder, tls.client_ca_file),
    )


def _read_pem(tls: TlsSettings) -> tuple[Pem, list[Finding]]:
    content: dict[str, bytes] = {}
    findings: list[Finding] = []
    for inline, key in _PAIRS:
        path = getattr(tls, key)
        try:
            content[inline] = _read(Path(path)) if path else getattr(tls, inline).encode()
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            findings.append(((_TLS, key), f"{path}: {reason}", "a readable PEM file"))
    return Pem(**content), findings


def _read(path: Path) -> bytes:
    with path.open("rb") as file:
        content = file.read(_MAX_PEM_BYTES + 1)
    if len(content) > _MAX_PEM_BYTES:
        raise ValueError("more than 1 MiB")
    return content


def _unusable(tls: TlsSettings, pem: Pem) -> Iterator[Finding]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        load_pair(context, pem.cert, pem.key)
    except PemError as error:
        yield _of_part(tls, error), str(error), "a PEM certificate chain and its unencrypted key"
    if pem.client_ca:
        try:
            load_authorities(context, pem.client_ca)
        except PemError as error:
            yield _of_part(tls, error), str(error), "PEM certificates"


def _of_part(tls: TlsSettings, error: PemError) -> tuple[str, str]:
    file = f"{error.part}_file"
    return _TLS, file if getattr(tls, file) else error.part


def _section(tree: dict[str, Any]) -> dict[str, Any]:
    tls = tree.get(_TLS)
    return tls if isinstance(tls, dict) else {}


def _sources(tree: dict[str, Any]) -> Iterator[Finding]:
    tls = _section(tree)
    asks = any(tls.get(key) for pair in _PAIRS for key in pair)
    asks = asks or tls.get("client_auth_type", "NoClientCert") != "NoClientCert"
    for inline, file in _PAIRS:
        if tls.get(inline) and tls.get(file):
            yield (_TLS, inline), f"{inline} besides {file}", "one of the two"
        if asks and inline != "client_ca" and not tls.get(inline) and not tls.get(file):
            yield (_TLS, file), "nothing", f"{inline} or {file}, which TLS needs"


def _clients(tree: dict[str, Any]) -> Iterator[Finding]:
    tls = _section(tree)
    kind = tls.get("client_auth_type", "NoClientCert")
    has_authorities = bool(tls.get("client_ca") or tls.get("client_ca_file"))
    verifies = kind in _VERIFYING
    at = (_TLS, "client_auth_type")
    if verifies and not has_authorities:
        yield (_TLS, "client_ca_file"), "nothing", f"client_ca or client_ca_file, for {kind}"
    if has_authorities and not verifies:
        yield at, f"{kind} besides a client CA", " or ".join(_VERIFYING)
    if tls.get("client_allowed_sans") and not verifies:
        yield at, f"{kind} besides client_allowed_sans", " or ".join(_VERIFYING)


def _versions(tree: dict[str, Any]) -> Iterator[Finding]:
    tls = _section(tree)
    if tls.get("min_version") == "TLS13" and tls.get("max_version") == "TLS12":
        yield (_TLS, "max_version"), '"TLS12"', "a version that is not below min_version"


def _of_grpc(tree: dict[str, Any]) -> Iterator[Finding]:
    """What gRPC's own TLS leaves to nobody."""
    tls = _section(tree)
    kinds = ("NoClientCert", "RequireAndVerifyClientCert")
    kind = tls.get("client_auth_type", "NoClientCert")
    if kind not in kinds:
        yield (_TLS, "client_auth_type"), f"{kind} for OTLP/gRPC", " or ".join(kinds)
    for key, value in (("min_version", "TLS12"), ("max_version", "TLS13")):
        if tls.get(key, value) != value:
            yield (_TLS, key), f"{tls[key]} for OTLP/gRPC", f"{value}: gRPC takes TLS 1.2 and 1.3"
    for key in ("cipher_suites", "curve_preferences"):
        if tls.get(key):
            yield (_TLS, key), "a list for OTLP/gRPC", "none: gRPC chooses itself"
