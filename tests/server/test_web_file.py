"""Web configuration files: what the format allows, and every problem at once."""

from __future__ import annotations

from pathlib import Path

import pytest

from llm_trace_exporter.config.web_file import Listener, load_web_file
from llm_trace_exporter.errors import ConfigError
from llm_trace_exporter.server.tls import context_of, openssl_name
from tests.server.certs import Authority, Pair, server_pair

HASH = "$2y$10$X0h1gDsPszWURQaxFh.zoubFi6DXncSjhoQNJgRrnGs7EsimhC7zG"


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority()


@pytest.fixture(scope="module")
def pair(authority: Authority) -> Pair:
    return server_pair(authority)


@pytest.fixture
def folder(tmp_path: Path, authority: Authority, pair: Pair) -> Path:
    pair.write(tmp_path, "server")
    server_pair(authority).write(tmp_path, "other")
    authority.issue("secret", password=b"sesame").write(tmp_path, "locked")
    (tmp_path / "ca.crt").write_bytes(authority.cert)
    (tmp_path / "junk.crt").write_text("junk")
    return tmp_path


def problems(folder: Path, text: str, listener: Listener = "web") -> list[str]:
    """What is told about a file, without the folder."""
    path = folder / "web.yml"
    path.write_text(text)
    try:
        load_web_file(path, listener)
    except ConfigError as error:
        return [line.replace(f"{folder}/", "") for line in error.problems]
    return []


TLS = "tls_server_config:\n  cert_file: server.crt\n  key_file: server.key\n"

GOOD = {
    "empty": "",
    "comment": "# nothing\n",
    "sections": "tls_server_config:\nbasic_auth_users:\nhttp_server_config:\nrate_limit:\n",
    "tls": TLS,
    "quoted": "tls_server_config: {cert_file: 'server.crt', key_file: \"server.key\"}\n",
    "users": f"basic_auth_users:\n  alice: {HASH}\n  'bob smith': {HASH}\n",
    "no-http2": f"{TLS}http_server_config:\n  http2: false\n",
    "old": f"{TLS}  min_version: TLS10\n  max_version: TLS13\n",
    "ciphers": f"{TLS}  cipher_suites:\n  - TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256\n"
    "  - TLS_AES_128_GCM_SHA256\n  prefer_server_cipher_suites: false\n",
    "mtls": f"{TLS}  client_auth_type: RequireAndVerifyClientCert\n  client_ca_file: ca.crt\n",
    "requested": f"{TLS}  client_auth_type: RequestClientCert\n",
    "rate": "rate_limit:\n  interval: 1s\n  burst: 10\n",
    "no-rate": "rate_limit:\n  interval: 0s\n",
}


@pytest.mark.parametrize("name", GOOD)
def test_what_the_toolkit_takes_is_taken(folder: Path, name: str) -> None:
    assert problems(folder, GOOD[name]) == []


def indented(pem: bytes) -> str:
    return "".join(f"    {line}\n" for line in pem.decode().splitlines())


def test_inline_certificates(tmp_path: Path, pair: Pair, authority: Authority) -> None:
    text = (
        f"tls_server_config:\n  cert: |\n{indented(pair.cert)}  key: |\n{indented(pair.key)}"
        f"  client_auth_type: VerifyClientCertIfGiven\n  client_ca: |\n{indented(authority.cert)}"
    )
    assert problems(tmp_path, text) == []
    file, pem = load_web_file(tmp_path / "web.yml", "web")
    assert len(context_of(file.tls_server_config, pem).get_ca_certs()) == 1
    assert "PRIVATE" not in repr(file) and "PRIVATE" not in repr(pem)


BAD = {
    "unknown key": (
        "tls_server_confg: {}\n",
        ["web.yml:1: tls_server_confg: found an unknown key; allowed: tls_server_config, "
         "http_server_config, basic_auth_users, rate_limit (did you mean \"tls_server_config\"?)"],
    ),
    "no key": (
        "tls_server_config:\n  cert_file: server.crt\n",
        ["web.yml:1: tls_server_config.key_file: found nothing; allowed: key or key_file, "
         "which TLS needs"],
    ),
    "no file": (
        "tls_server_config:\n  cert_file: no.crt\n  key_file: no.key\n",
        ["web.yml:2: tls_server_config.cert_file: found no.crt: No such file or directory; "
         "allowed: a readable PEM file",
         "web.yml:3: tls_server_config.key_file: found no.key: No such file or directory; "
         "allowed: a readable PEM file"],
    ),
    "other key": (
        "tls_server_config:\n  cert_file: server.crt\n  key_file: other.key\n",
        ["web.yml:3: tls_server_config.key_file: found a key of another certificate; allowed: "
         "a PEM certificate chain and its unencrypted key"],
    ),
    "locked key": (
        "tls_server_config:\n  cert_file: locked.crt\n  key_file: locked.key\n",
        ["web.yml:3: tls_server_config.key_file: found an encrypted key; allowed: "
         "a PEM certificate chain and its unencrypted key"],
    ),
    "junk": (
        "tls_server_config:\n  cert_file: junk.crt\n  key_file: server.key\n",
        ["web.yml:2: tls_server_config.cert_file: found text without a PEM certificate; allowed: "
         "a PEM certificate chain and its unencrypted key"],
    ),
    "both": (
        f"{TLS}  cert: x\n",
        ["web.yml:4: tls_server_config.cert: found cert besides cert_file; "
         "allowed: one of the two"],
    ),
    "any certificate": (
        f"{TLS}  client_auth_type: RequireAnyClientCert\n",
        ["web.yml:4: tls_server_config.client_auth_type: found \"RequireAnyClientCert\"; allowed: "
         "NoClientCert, RequestClientCert, VerifyClientCertIfGiven, RequireAndVerifyClientCert "
         "(did you mean \"RequireAndVerifyClientCert\"?)"],
    ),
    "no authority": (
        f"{TLS}  client_auth_type: RequireAndVerifyClientCert\n",
        ["web.yml:1: tls_server_config.client_ca_file: found nothing; allowed: client_ca or "
         "client_ca_file, for RequireAndVerifyClientCert"],
    ),
    "no policy": (
        f"{TLS}  client_ca_file: ca.crt\n",
        ["web.yml:1: tls_server_config.client_auth_type: found NoClientCert besides a client CA; "
         "allowed: VerifyClientCertIfGiven or RequireAndVerifyClientCert"],
    ),
    "junk authority": (
        f"{TLS}  client_auth_type: RequireAndVerifyClientCert\n  client_ca_file: junk.crt\n",
        ["web.yml:5: tls_server_config.client_ca_file: found text without a PEM certificate; "
         "allowed: PEM certificates"],
    ),
    "header": (
        "http_server_config:\n  headers:\n    Server: x\n    X-Frame-Options: allow\n",
        ["web.yml:3: http_server_config.headers.Server: found an unknown key; allowed: "
         "Content-Security-Policy, Strict-Transport-Security, X-Content-Type-Options, "
         "X-Frame-Options, X-XSS-Protection",
         "web.yml:4: http_server_config.headers.X-Frame-Options: found \"allow\"; allowed: "
         "deny, sameorigin, "],
    ),
    "split header": (
        "http_server_config:\n  headers:\n    X-XSS-Protection: \"a\\r\\nSet-Cookie: b\"\n",
        ["web.yml:3: http_server_config.headers.X-XSS-Protection: found "
         "\"a\\r\\nSet-Cookie: b\"; allowed: printable ASCII"],
    ),
    "plain password": (
        "basic_auth_users:\n  alice: hunter2\n  bob: 1234\n",
        ["web.yml:2: basic_auth_users.alice: found something else; allowed: a bcrypt hash such as "
         "htpasswd -nBC 10 writes",
         "web.yml:3: basic_auth_users.bob: found something else; allowed: a bcrypt hash such as "
         "htpasswd -nBC 10 writes"],
    ),
    "users": (
        "basic_auth_users: alice:hunter2\n",
        ["web.yml:1: basic_auth_users: found something else; allowed: a mapping of at most 1000"],
    ),
    "versions": (
        f"{TLS}  min_version: TLS13\n  max_version: TLS12\n",
        ["web.yml:5: tls_server_config.max_version: found \"TLS12\"; allowed: a version that is "
         "not below min_version"],
    ),
    "rate": (
        "rate_limit:\n  interval: 10\n",
        ["web.yml:2: rate_limit.interval: found the number 10; allowed: a duration such as 10s, "
         "1h30m or 500ms (did you mean \"10s\"?)"],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_every_problem_is_told_with_its_place(folder: Path, name: str) -> None:
    text, told = BAD[name]
    assert problems(folder, text) == told


def test_what_grpc_cannot_do_is_refused(folder: Path) -> None:
    text = (
        f"{TLS}  client_auth_type: VerifyClientCertIfGiven\n  client_ca_file: ca.crt\n"
        "  min_version: TLS13\n  cipher_suites: [TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256]\n"
    )
    assert problems(folder, text) == []
    assert [line.partition(": found")[0] for line in problems(folder, text, "otlp_grpc")] == [
        "web.yml:4: tls_server_config.client_auth_type",
        "web.yml:6: tls_server_config.min_version",
        "web.yml:7: tls_server_config.cipher_suites",
    ]


@pytest.mark.parametrize(
    ("go", "openssl"),
    [
        ("TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256", "ECDHE-RSA-AES128-GCM-SHA256"),
        ("TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384", "ECDHE-ECDSA-AES256-GCM-SHA384"),
        ("TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256", "ECDHE-RSA-CHACHA20-POLY1305"),
        ("TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA", "ECDHE-ECDSA-AES128-SHA"),
        ("TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA", "ECDHE-RSA-AES256-SHA"),
    ],
)
def test_go_s_ciphers_have_names_in_openssl(folder: Path, go: str, openssl: str) -> None:
    assert openssl_name(go) == openssl
    assert problems(folder, f"{TLS}  cipher_suites: [{go}]\n") == []
    file, pem = load_web_file(folder / "web.yml", "web")
    context = context_of(file.tls_server_config, pem)
    older = [c["name"] for c in context.get_ciphers() if c["protocol"] != "TLSv1.3"]
    assert older == [openssl]
