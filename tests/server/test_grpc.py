"""OTLP/gRPC behind certificates, users and limits."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import bcrypt
import grpc
import pytest

from tests.otlp.payloads import traces
from tests.server.certs import Authority, Pair, server_pair
from tests.server.running import address, eventually, running, samples, settings_with

EXPORT = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"


def export(
    where: str, ca: bytes, client: Pair | None = None, *metadata: tuple[str, str]
) -> grpc.StatusCode:
    """How one request ends."""
    credentials = grpc.ssl_channel_credentials(
        ca, client.key if client else None, client.cert if client else None
    )
    port = where.rsplit(":", 1)[1]
    with grpc.secure_channel(f"localhost:{port}", credentials) as channel:
        try:
            call: Any = channel.unary_unary(EXPORT)  # type: ignore[call-arg]
            call(traces(), metadata=metadata, timeout=5)
        except grpc.RpcError as error:
            code: grpc.StatusCode = error.code()
            return code
        return grpc.StatusCode.OK


def write(folder: Path, authority: Authority, more: str) -> Path:
    server_pair(authority).write(folder, "server")
    (folder / "clients.crt").write_bytes(authority.cert)
    path = folder / "web.yml"
    path.write_text(f"tls_server_config:\n  cert_file: server.crt\n  key_file: server.key\n{more}")
    return path


def test_client_certificates_their_names_and_authorities(tmp_path: Path) -> None:
    authority, other = Authority(), Authority("Other CA")
    more = (
        "  client_auth_type: RequireAndVerifyClientCert\n  client_ca_file: clients.crt\n"
        "  client_allowed_sans: [collector.example, '::1']\n"
    )
    path = write(tmp_path, authority, more)
    known, by_address = authority.issue("collector.example"), authority.issue("0:0:0:0:0:0:0:1")
    unnamed, stranger = authority.issue("shop.example"), other.issue("collector.example")
    with running(settings_with(grpc=path)) as exporter:
        where = address(exporter, "OTLP/gRPC")
        assert export(where, authority.cert, known) is grpc.StatusCode.OK
        assert export(where, authority.cert, by_address) is grpc.StatusCode.OK
        assert export(where, authority.cert, unnamed) is grpc.StatusCode.UNAUTHENTICATED
        assert export(where, authority.cert, stranger) is grpc.StatusCode.UNAVAILABLE
        assert export(where, authority.cert) is grpc.StatusCode.UNAVAILABLE
        (tmp_path / "clients.crt").write_bytes(other.cert)
        eventually(lambda: export(where, authority.cert, stranger) is grpc.StatusCode.OK)
        assert export(where, authority.cert, known) is grpc.StatusCode.UNAVAILABLE


def test_users_where_there_are_no_tokens(tmp_path: Path) -> None:
    authority = Authority()
    hashed = bcrypt.hashpw(b"sesame", bcrypt.gensalt(4)).decode()
    path = write(tmp_path, authority, f"basic_auth_users:\n  collector: {hashed}\n")
    with running(settings_with(grpc=path)) as exporter:
        where = address(exporter, "OTLP/gRPC")

        def ended(user: str, password: str) -> grpc.StatusCode:
            word = base64.b64encode(f"{user}:{password}".encode()).decode()
            return export(where, authority.cert, None, ("authorization", f"Basic {word}"))

        assert ended("collector", "sesame") is grpc.StatusCode.OK
        assert ended("collector", "wrong") is grpc.StatusCode.UNAUTHENTICATED
        assert ended("nobody", "sesame") is grpc.StatusCode.UNAUTHENTICATED
        assert export(where, authority.cert) is grpc.StatusCode.UNAUTHENTICATED
        counted = samples(exporter).total(
            "llm_exporter_requests_rejected_total", source="otlp_grpc", reason="unauthenticated"
        )
        assert counted == 3


@pytest.mark.parametrize("burst", [0, 2])
def test_the_listener_s_rate_limit(tmp_path: Path, burst: int) -> None:
    authority = Authority()
    path = write(tmp_path, authority, f"rate_limit:\n  interval: 1h\n  burst: {burst}\n")
    with running(settings_with(grpc=path)) as exporter:
        where = address(exporter, "OTLP/gRPC")
        ended = [export(where, authority.cert) for _ in range(burst + 2)]
    limited = grpc.StatusCode.RESOURCE_EXHAUSTED
    assert ended == [grpc.StatusCode.OK] * burst + [limited, limited]
