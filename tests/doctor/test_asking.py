"""How servers are asked: credentials, prefixes, servers that lack half of the API, and bad ones."""

from __future__ import annotations

import base64
import json
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from llm_trace_exporter.cli.main import main
from llm_trace_exporter.doctor.asking import MAX_BYTES, CannotAsk, Server
from llm_trace_exporter.doctor.facts import Missing
from llm_trace_exporter.errors import ConfigError
from tests.doctor.worlds import ask
from tests.server.certs import Authority

Answer = tuple[int, bytes]


@contextmanager
def serving(
    answer: Callable[[str, dict[str, list[str]], Any], Answer], tls: ssl.SSLContext | None = None
) -> Iterator[str]:
    """A server that answers by path, parameters and headers; its address."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            status, body = answer(parts.path, parse_qs(parts.query), self.headers)
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            if status == 302:
                self.send_header("Location", body.decode())
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base's name
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    if tls is not None:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield f"http{'s' * (tls is not None)}://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def data(value: Any) -> Answer:
    return 200, json.dumps({"status": "success", "data": value}).encode()


def vector(*rows: tuple[dict[str, str], float]) -> Answer:
    return data(
        {"resultType": "vector", "result": [{"metric": m, "value": [0, str(v)]} for m, v in rows]}
    )


EXPORTER = {"job": "llm", "instance": "a:9891", "version": "0.1.0"}


def mimir(path: str, parameters: dict[str, list[str]], headers: Any) -> Answer:
    """As Mimir answers: a prefix, tenants, and neither targets nor configuration."""
    if headers["X-Scope-OrgID"] != "ml":
        return 401, b"no org id\n"
    match path.removeprefix("/prometheus/api/v1/"):
        case "query":
            (query,) = parameters["query"]
            if query == "time()":
                return data({"resultType": "scalar", "result": [0, "1800000000"]})
            return vector((EXPORTER, 1.0)) if query == "llm_exporter_build_info" else vector()
        case "status/buildinfo":
            return data({"application": "Grafana Mimir", "version": "2.14.0", "features": {}})
        case "labels" | "label/__name__/values" | "query_exemplars":
            return data([])
        case "rules":
            return data({"groups": []})
        case _:
            return 404, b"404 page not found\n"


def test_a_server_that_lacks_half_of_the_api() -> None:
    with serving(mimir) as url:
        told = ask(f"{url}/prometheus/", "--header=X-Scope-OrgID=ml", code=1)
    assert "Grafana Mimir 2.14.0" in told.one("server", "ok", "")["what"]
    assert "not available here" in told.one("scraped", "note", "")["what"]
    assert told.one("loaded", "warning", "none of the exporter's rules")
    assert told.one("scraped", "ok", "1 exporter seen")
    # The dashboard of targets reads what rules record.
    assert all("recordings of" in problem for problem in told.problems), told.problems


@pytest.mark.parametrize(
    ("prefix", "options", "part"),
    [
        ("/prometheus", (), "no or wrong credentials"),
        ("", ("--header=X-Scope-OrgID=ml",), "Mimir's API is under /prometheus"),
    ],
)
def test_what_cannot_be_asked(
    prefix: str, options: tuple[str, ...], part: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with serving(mimir) as url:
        assert main(["doctor", f"--prometheus={url}{prefix}", *options]) == 2
    assert part in capsys.readouterr().err


def test_nobody_listens(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor", "--prometheus=http://127.0.0.1:9"]) == 2
    assert "cannot be reached" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("body", "part"),
    [
        (b"<html>login</html>", "no Prometheus API"),
        (b"[" * 100_000, "no Prometheus API"),
        (b'{"status": "error", "error": "out of cheese"}', "out of cheese"),
    ],
)
def test_answers_that_are_none(body: bytes, part: str) -> None:
    with serving(lambda *_: (200, body)) as url:
        server = Server(url, "--prometheus", 5.0)
        with pytest.raises(CannotAsk, match=part):
            server.first("time()")
        assert isinstance(server.ask("rules"), Missing)
        server.close()


def test_answers_without_end() -> None:
    with serving(lambda *_: (200, b" " * (MAX_BYTES + 1))) as url:
        server = Server(url, "--prometheus", 30.0)
        assert server.ask("rules") == Missing("the answer is larger than 64 MiB")
        server.close()


ODD: tuple[Any, ...] = (None, 1, "x", [], [1], {}, {"result": 1}, {"result": [{"value": [1]}]},
       {"groups": [{"rules": [{"query": 1, "labels": 2}], "interval": "x"}]}, {"yaml": "a: ["},
       {"activeTargets": [{"labels": 1, "scrapeInterval": "x"}]}, {"yaml": "[]"})  # fmt: skip


@pytest.mark.parametrize("odd", ODD, ids=repr)
def test_answers_of_any_shape(odd: Any, tmp_path: Path) -> None:
    def answer(_: str, parameters: dict[str, list[str]], __: Any) -> Answer:
        if parameters.get("query") == ["time()"]:
            return data({"result": [0, "1800000000"]})
        if parameters.get("query") == ["llm_exporter_build_info"]:
            return vector((EXPORTER, 1.0))
        return data(odd)

    with serving(answer) as url:
        assert main(["doctor", f"--prometheus={url}", f"--dashboards={tmp_path}"]) in (0, 1)


def test_nothing_of_a_server_reaches_the_terminal_raw(capsys: pytest.CaptureFixture[str]) -> None:
    evil = {**EXPORTER, "instance": "\x1b]0;owned\x07[red]x[/red]"}

    def answer(path: str, parameters: dict[str, list[str]], _: Any) -> Answer:
        if parameters.get("query") == ["time()"]:
            return data({"result": [0, "1800000000"]})
        return vector((evil, 1.0)) if "/query" in path else (404, b"")

    with serving(answer) as url:
        main(["doctor", f"--prometheus={url}"])
    printed = capsys.readouterr().out
    assert "\x1b" not in printed and "\x07" not in printed
    assert "[red]x[/red]" in printed


SECRET = "s3cr3t-" + "x" * 9


@pytest.mark.parametrize(
    ("text", "authorization"),
    [
        (f"basic_auth: {{username: me, password: {SECRET}}}",
         "Basic " + base64.b64encode(f"me:{SECRET}".encode()).decode()),
        ("basic_auth: {username: me, password_file: secret}",
         "Basic " + base64.b64encode(f"me:{SECRET}".encode()).decode()),
        ("authorization: {credentials_file: secret}", f"Bearer {SECRET}"),
        (f"authorization: {{type: Token, credentials: {SECRET}}}", f"Token {SECRET}"),
        ("bearer_token_file: secret", f"Bearer {SECRET}"),
        (f"http_headers: {{Authorization: {{secrets: [{SECRET}]}}}}", SECRET),
        ("http_headers: {Authorization: {files: [secret]}}", SECRET),
    ],
)  # fmt: skip
def test_credentials(text: str, authorization: str, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text(SECRET + "\n")
    (tmp_path / "http.yml").write_text(text)
    options = (f"--http.config.file={tmp_path}/http.yml", f"--dashboards={tmp_path}/none")
    (tmp_path / "none").mkdir()

    def answer(path: str, parameters: dict[str, list[str]], headers: Any) -> Answer:
        if headers["Authorization"] != authorization:
            return 401, b""
        headers.replace_header("Authorization", "")
        headers["X-Scope-OrgID"] = "ml"
        return mimir(path, parameters, headers)

    with serving(answer) as url:
        ask(f"{url}/prometheus", *options, code=0)


def of_tenant(path: str, parameters: dict[str, list[str]], headers: Any) -> Answer:
    headers["X-Scope-OrgID"] = "ml"
    return mimir(path, parameters, headers)


def test_tls(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Both show certificates; the server's is for another name than its address."""
    authority = Authority()
    (tmp_path / "ca.crt").write_bytes(authority.cert)
    cert, key = authority.issue("prometheus.internal").write(tmp_path, "server")
    authority.issue("doctor").write(tmp_path, "client")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(tmp_path / "ca.crt"))
    context.load_cert_chain(cert, key)
    context.verify_mode = ssl.CERT_REQUIRED
    file = tmp_path / "http.yml"
    client = "cert_file: client.crt, key_file: client.key"
    (tmp_path / "none").mkdir()
    with serving(of_tenant, context) as url:
        options = (f"--http.config.file={file}", f"--dashboards={tmp_path}/none")
        for trust in (
            "ca_file: ca.crt, server_name: prometheus.internal",
            "insecure_skip_verify: true",
        ):
            file.write_text(f"tls_config: {{{trust}, {client}}}")
            ask(f"{url}/prometheus", *options, code=0)
        for trust, part in (
            (f"ca_file: ca.crt, {client}", "IP address mismatch"),
            (f"server_name: prometheus.internal, {client}", "certificate verify failed"),
            ("insecure_skip_verify: true", "cannot be reached"),
        ):
            file.write_text(f"tls_config: {{{trust}}}")
            assert main(["doctor", f"--prometheus={url}/prometheus", *options]) == 2
            assert part in capsys.readouterr().err


def test_secrets_stay_with_the_host_that_they_are_for() -> None:
    asked: list[str] = []

    def elsewhere(path: str, _: dict[str, list[str]], __: Any) -> Answer:
        asked.append(path)
        return data({})

    with serving(elsewhere) as address:
        other = address.replace("127.0.0.1", "localhost")
        with serving(lambda *_: (302, f"{other}/api/v1/query".encode())) as url:
            server = Server(url, "--prometheus", 5.0, None, [("X-Token", SECRET)])
            with pytest.raises(CannotAsk, match="another host: localhost"):
                server.first("time()")
            server.close()
    assert not asked


def test_a_redirect_within_the_host_is_followed() -> None:
    def answer(path: str, parameters: dict[str, list[str]], headers: Any) -> Answer:
        headers["X-Scope-OrgID"] = "ml"
        if path.startswith("/prometheus"):
            return mimir(path, parameters, headers)
        return 302, b"/prometheus/api/v1/query?query=time()"

    with serving(answer) as url:
        server = Server(url, "--prometheus", 5.0)
        assert server.first("time()")["resultType"] == "scalar"
        server.close()


def test_an_exporter_behind_a_user(tmp_path: Path) -> None:
    (tmp_path / "http.yml").write_text(f"basic_auth: {{username: me, password: {SECRET}}}")
    folder = tmp_path / "none"
    folder.mkdir()
    page = b'llm_exporter_build_info{version="0.1.0"} 1\n'

    def answer(path: str, parameters: dict[str, list[str]], headers: Any) -> Answer:
        if path == "/metrics":
            return (200, page) if headers["Authorization"] else (401, b"")
        if path == "/-/not-understood":
            return 200, b"[]"
        assert headers["Authorization"] is None
        headers["X-Scope-OrgID"] = "ml"
        return mimir(path, parameters, headers)

    with serving(answer) as url:
        where = (f"--prometheus={url}/prometheus", f"--exporter={url}", f"--dashboards={folder}")
        assert main(["doctor", *where]) == 2
        assert main(["doctor", *where, f"--exporter.http.config.file={tmp_path}/http.yml"]) == 0


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("oauth2: {client_id: x}", "oauth2"),
        ("proxy_url: http://x", "proxy_url"),
        ("basic_auth: {user: x}", "allowed: username, username_file"),
        ("basic_auth: {username: x}\nbearer_token: y", "one way to authenticate"),
        ("basic_auth: {password: x, password_file: y}", "one of the two"),
        ("authorization: {type: x}", "credentials or credentials_file"),
        ("bearer_token: x\nbearer_token_file: y", "one of the two"),
        ("tls_config: {cert_file: x}", "both or none"),
        ("tls_config: {ca_file: none.crt}", "none.crt cannot be used"),
        ("bearer_token_file: none", "cannot be read"),
    ],
)
def test_what_a_file_cannot_say(
    text: str, part: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "http.yml"
    file.write_text(text)
    assert main(["doctor", f"--http.config.file={file}"]) == 2
    assert part in capsys.readouterr().err


def test_a_secret_file_of_several_lines_is_not_quoted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "secret").write_text(f"{SECRET}\nX-Other: 1")
    (tmp_path / "http.yml").write_text("bearer_token_file: secret")
    assert main(["doctor", f"--http.config.file={tmp_path}/http.yml"]) == 2
    told = capsys.readouterr().err
    assert "one line" in told and SECRET not in told


@pytest.mark.parametrize(
    ("url", "part"),
    [
        ("localhost:9090", "allowed: such as"),
        ("ftp://x", "allowed: such as"),
        ("http://", "allowed: such as"),
        ("http://x:99999999", "no address"),
        ("http://x?a=b", "allowed: such as"),
        (f"http://me:{SECRET}@x", "basic_auth"),
    ],
)
def test_addresses_that_are_none(url: str, part: str) -> None:
    with pytest.raises(ConfigError, match=part) as error:
        Server(url, "--prometheus", 1.0)
    assert SECRET not in str(error.value)


@pytest.mark.parametrize("header", ["x", "=y", "a b=c", "a=b\nc: d", "a=é"])
def test_headers_that_are_none(header: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor", f"--header={header}"]) == 2
    assert "NAME=VALUE" in capsys.readouterr().err


def test_an_exporter_that_is_none(capsys: pytest.CaptureFixture[str]) -> None:
    def answer(path: str, parameters: dict[str, list[str]], headers: Any) -> Answer:
        headers["X-Scope-OrgID"] = "ml"
        return (200, b"up 1\n") if path == "/metrics" else mimir(path, parameters, headers)

    with serving(answer) as url:
        assert main(["doctor", f"--prometheus={url}/prometheus", f"--exporter={url}"]) == 2
    assert "not the exporter's metrics" in capsys.readouterr().err


def test_one_selector_that_cannot_be_counted_hides_no_other(tmp_path: Path) -> None:
    asked = ("llm_feedback_total", "llm_tokens_total", "llm_requests_total")
    panels = [{"title": name, "targets": [{"expr": name}]} for name in asked]
    (tmp_path / "own.json").write_text(json.dumps({"title": "Own", "panels": panels}))

    def answer(path: str, parameters: dict[str, list[str]], headers: Any) -> Answer:
        headers["X-Scope-OrgID"] = "ml"
        query = parameters.get("query", [""])[0]
        if "llm_feedback_total" in query:
            return 422, b'{"status": "error", "error": "too many samples"}'
        if query.startswith("label_replace("):
            return vector(*(({"at": str(n)}, 1.0) for n in range(query.count("label_replace("))))
        return mimir(path, parameters, headers)

    with serving(answer) as url:
        told = ask(f"{url}/prometheus", f"--dashboards={tmp_path}", code=0)
    found = told.one("panels", "note", "cannot be judged")
    assert found["where"] == ["Own: llm_feedback_total"]
    assert told.one("panels", "ok", "2 of 3 panels")
