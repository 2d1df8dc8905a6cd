"""TLS of the listeners, against real clients."""

from __future__ import annotations

import socket
import ssl
import time
from functools import partial
from pathlib import Path

import pytest
import requests

from llm_trace_exporter.server.tls import TlsContext, is_named, plain_name
from tests.server.certs import Authority, Pair, server_pair
from tests.server.running import address, eventually, get, running, samples, settings_with

FORBIDDEN = (requests.exceptions.SSLError, requests.exceptions.ConnectionError)


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority()


def write(folder: Path, pair: Pair, authority: Authority, more: str = "") -> Path:
    """A web configuration beside its certificates."""
    pair.write(folder, "server")
    (folder / "ca.crt").write_bytes(authority.cert)
    path = folder / "web.yml"
    path.write_text(f"tls_server_config:\n  cert_file: server.crt\n  key_file: server.key\n{more}")
    return path


def shown(where: str, ca: Path) -> int:
    """Serial number of the certificate that a server shows now."""
    host, port = where.rsplit(":", 1)
    context = ssl.create_default_context(cafile=str(ca))
    with (
        socket.create_connection((host, int(port)), 5) as plain,
        context.wrap_socket(plain, server_hostname="localhost") as secured,
    ):
        told = secured.getpeercert()
    assert told is not None
    return int(str(told["serialNumber"]), 16)


def test_metrics_and_otlp_are_served_over_tls(tmp_path: Path, authority: Authority) -> None:
    path = write(tmp_path, server_pair(authority), authority)
    with running(settings_with(path, path)) as exporter:
        url = f"https://{address(exporter, 'metrics')}"
        answer = get(f"{url}/metrics", verify=str(tmp_path / "ca.crt"))
        assert answer.status_code == 200 and "llm_exporter_build_info" in answer.text
        otlp = f"https://{address(exporter, 'OTLP/HTTP')}/v1/traces"
        sent = {"Content-Type": "application/json"}
        taken = requests.post(otlp, "{}", headers=sent, verify=str(tmp_path / "ca.crt"), timeout=5)
        assert taken.status_code == 200
        with pytest.raises(FORBIDDEN):
            get(f"http://{address(exporter, 'metrics')}/metrics")


def test_a_changed_certificate_is_shown_without_a_restart(
    tmp_path: Path, authority: Authority
) -> None:
    first, second = server_pair(authority), server_pair(authority)
    path = write(tmp_path, first, authority)
    with running(settings_with(path, path, path)) as exporter:
        for purpose in ("metrics", "OTLP/HTTP", "OTLP/gRPC"):
            assert shown(address(exporter, purpose), tmp_path / "ca.crt") == first.serial
        second.write(tmp_path, "server")
        for purpose in ("metrics", "OTLP/HTTP", "OTLP/gRPC"):
            where = address(exporter, purpose)
            eventually(partial(is_shown, where, tmp_path / "ca.crt", second))


def test_a_broken_certificate_keeps_the_old_one_and_says_so(
    tmp_path: Path, authority: Authority, caplog: pytest.LogCaptureFixture
) -> None:
    first, second = server_pair(authority), server_pair(authority)
    path = write(tmp_path, first, authority)
    name = "llm_exporter_security_last_reload_successful"
    with running(settings_with(path)) as exporter:
        assert samples(exporter).total(name, part="web") == 1
        (tmp_path / "server.crt").write_bytes(second.cert)
        eventually(lambda: samples(exporter).total(name, part="web") == 0)
        time.sleep(1.2)
        told = [record.getMessage() for record in caplog.records if record.levelname == "ERROR"]
        # A look at a half-written file may have told another problem before.
        assert len(told) <= 2 and "found a key of another certificate" in told[-1]
        assert "web.yml:3: tls_server_config.key_file" in told[-1]
        assert shown(address(exporter, "metrics"), tmp_path / "ca.crt") == first.serial
        (tmp_path / "server.key").write_bytes(second.key)
        eventually(lambda: samples(exporter).total(name, part="web") == 1)
        assert shown(address(exporter, "metrics"), tmp_path / "ca.crt") == second.serial


def is_shown(where: str, ca: Path, pair: Pair) -> bool:
    return shown(where, ca) == pair.serial


def test_it_ends_in_time_with_idle_connections(tmp_path: Path, authority: Authority) -> None:
    path = write(tmp_path, server_pair(authority), authority)
    with requests.Session() as session, running(settings_with(path)) as exporter:
        url = f"https://{address(exporter, 'metrics')}/metrics"
        assert session.get(url, verify=str(tmp_path / "ca.crt"), timeout=5).status_code == 200
        started_s = time.monotonic()
        exporter.stop()
        assert time.monotonic() - started_s < 5


CLIENTS = (None, "known", "stranger")


@pytest.mark.parametrize(
    ("kind", "let_in"),
    [
        ("RequestClientCert", {None, "known", "stranger"}),
        ("VerifyClientCertIfGiven", {None, "known"}),
        ("RequireAndVerifyClientCert", {"known"}),
    ],
)
def test_client_certificates(
    tmp_path: Path, authority: Authority, kind: str, let_in: set[str | None]
) -> None:
    ca = "" if kind == "RequestClientCert" else "  client_ca_file: ca.crt\n"
    more = f"  client_auth_type: {kind}\n{ca}"
    path = write(tmp_path, server_pair(authority), authority, more)
    authority.issue("prometheus").write(tmp_path, "known")
    Authority("Other CA").issue("prometheus").write(tmp_path, "stranger")
    with running(settings_with(path)) as exporter:
        url = f"https://{address(exporter, 'metrics')}/-/healthy"
        for client in CLIENTS:
            cert = (str(tmp_path / f"{client}.crt"), str(tmp_path / f"{client}.key"))
            options = {"verify": str(tmp_path / "ca.crt"), "cert": cert if client else None}
            if client in let_in:
                assert get(url, **options).status_code == 200
            else:
                with pytest.raises(FORBIDDEN):
                    get(url, **options)


@pytest.mark.parametrize(
    ("allowed", "name", "is_let_in"),
    [
        ("prometheus.example", "prometheus.example", True),
        ("prometheus.example", "grafana.example", False),
        ("'::1'", "0:0:0:0:0:0:0:1", True),
    ],
)
def test_only_allowed_names_of_clients_enter(
    tmp_path: Path, authority: Authority, allowed: str, name: str, is_let_in: bool
) -> None:
    more = (
        "  client_auth_type: RequireAndVerifyClientCert\n  client_ca_file: ca.crt\n"
        f"  client_allowed_sans: [{allowed}]\n"
    )
    path = write(tmp_path, server_pair(authority), authority, more)
    cert, key = authority.issue(name).write(tmp_path, "client")
    with running(settings_with(path)) as exporter:
        url = f"https://{address(exporter, 'metrics')}/metrics"
        options = {"verify": str(tmp_path / "ca.crt"), "cert": (str(cert), str(key))}
        if is_let_in:
            assert get(url, **options).status_code == 200
        else:
            with pytest.raises(FORBIDDEN):
                get(url, **options)


@pytest.mark.parametrize(
    ("allowed", "names", "is_let_in"),
    [
        ((), (), True),
        (("a",), (), False),
        (("a",), (("DNS", "b"), ("DNS", "a")), True),
        (("a",), (("DNS", "a.evil"),), False),
        (("spiffe://shop/p",), (("URI", "spiffe://shop/p"),), True),
        (("spiffe://shop/p",), (("URI", "spiffe://shop/q"),), False),
        (("2001:DB8::1",), (("IP Address", "2001:DB8:0:0:0:0:0:1"),), True),
        (("10.0.0.1",), (("IP Address", "10.0.0.2"),), False),
        (("ops@example.org",), (("email", "ops@example.org"),), True),
    ],
)
def test_names_are_compared_whole(
    allowed: tuple[str, ...], names: tuple[tuple[str, str], ...], is_let_in: bool
) -> None:
    context = TlsContext(ssl.PROTOCOL_TLS_SERVER)
    context.allowed_names = frozenset(map(plain_name, allowed))
    assert context.lets_in({"subjectAltName": names}) is is_let_in
    assert is_named(allowed, tuple(name for _, name in names)) is is_let_in


def test_a_client_ca_that_is_taken_away_is_taken_away_at_once(
    tmp_path: Path, authority: Authority
) -> None:
    more = "  client_auth_type: RequireAndVerifyClientCert\n  client_ca_file: clients.crt\n"
    old, new = Authority("Old clients"), Authority("New clients")
    (tmp_path / "clients.crt").write_bytes(old.cert)
    path = write(tmp_path, server_pair(authority), authority, more)
    cert, key = old.issue("prometheus").write(tmp_path, "client")
    with running(settings_with(path)) as exporter:
        url = f"https://{address(exporter, 'metrics')}/metrics"
        options = {"verify": str(tmp_path / "ca.crt"), "cert": (str(cert), str(key))}
        assert get(url, **options).status_code == 200
        (tmp_path / "clients.crt").write_bytes(new.cert)

        def is_shut() -> bool:
            try:
                get(url, **options)
            except FORBIDDEN:
                return True
            return False

        eventually(is_shut)


def test_versions_and_ciphers(tmp_path: Path, authority: Authority) -> None:
    more = (
        "  max_version: TLS12\n  cipher_suites: [TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384]\n"
        "  curve_preferences: [CurveP384]\n"
    )
    path = write(tmp_path, server_pair(authority), authority, more)
    with running(settings_with(path)) as exporter:
        host, port = address(exporter, "metrics").rsplit(":", 1)
        context = ssl.create_default_context(cafile=str(tmp_path / "ca.crt"))
        with (
            socket.create_connection((host, int(port)), 5) as plain,
            context.wrap_socket(plain, server_hostname="localhost") as secured,
        ):
            assert secured.version() == "TLSv1.2"
            assert secured.cipher() == ("ECDHE-ECDSA-AES256-GCM-SHA384", "TLSv1.2", 256)
        context.set_ciphers("ECDHE-ECDSA-AES128-GCM-SHA256")
        with (
            socket.create_connection((host, int(port)), 5) as plain,
            pytest.raises(ssl.SSLError),
        ):
            context.wrap_socket(plain, server_hostname="localhost")


def test_slow_handshakes_do_not_hold_up_others(tmp_path: Path, authority: Authority) -> None:
    path = write(tmp_path, server_pair(authority), authority)
    with running(settings_with(path)) as exporter:
        where = address(exporter, "metrics")
        host, port = where.rsplit(":", 1)
        slow = [socket.create_connection((host, int(port)), 5) for _ in range(100)]
        for client in slow[:50]:
            client.sendall(b"\x16\x03\x01\x02")  # a hello that never ends
        started = time.monotonic()
        answer = get(f"https://{where}/metrics", verify=str(tmp_path / "ca.crt"))
        assert answer.status_code == 200
        assert time.monotonic() - started < 5
        for client in slow:
            client.close()
