"""The metrics listener's application, over a real listener."""

from __future__ import annotations

import gzip
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest
import requests

from llm_trace_exporter.errors import ConfigError
from llm_trace_exporter.server.admin import Overview, Web
from llm_trace_exporter.server.listeners import HttpServer
from tests.otlp.conftest import wait_for

TEXT = "text/plain; version=0.0.4; charset=utf-8"


@dataclass
class FakeExporter:
    """An Admin whose answers a test sets."""

    reason: str = ""
    problems: list[str] = field(default_factory=list)
    asked: list[tuple[str, list[str]]] = field(default_factory=list)
    reloads: int = 0
    explanation: str | None = None
    explained: list[tuple[bytes, bool]] = field(default_factory=list)
    threads: set[str] = field(default_factory=set)
    go: threading.Event = field(default_factory=threading.Event)
    """Whole expositions wait for it."""

    def __post_init__(self) -> None:
        self.go.set()

    def unready(self) -> str:
        return self.reason

    def render(self, accept: str, names: list[str]) -> tuple[bytes, str]:
        self.threads.add(threading.current_thread().name)
        self.asked.append((accept, names))
        if not names:
            self.go.wait(10)
        return b"# TYPE x counter\nx_total 1\n" * 100, TEXT

    def reload(self) -> None:
        self.reloads += 1
        if self.problems:
            raise ConfigError(self.problems)

    def config_yaml(self) -> str:
        return "decision_wait: 10s\n"

    def explain(self, trace_id: bytes, *, as_text: bool) -> str | None:
        self.explained.append((trace_id, as_text))
        return self.explanation

    def not_understood(self) -> bytes:
        return b'[{"scope":"acme"}]'

    def overview(self) -> Overview:
        return Overview(
            version="1.2.3<script>",
            uptime_s=93_784,
            listeners=(("OTLP/HTTP", "127.0.0.1:4318"), ("Metrics", "[::1]:9891")),
            figures=(("records received", 1_234_567), ("calls waiting to settle", 0)),
        )


@pytest.fixture
def exporter() -> FakeExporter:
    return FakeExporter()


@pytest.fixture
def base(exporter: FakeExporter) -> Iterator[str]:
    yield from serve(Web(exporter, has_lifecycle=lambda: True))


@pytest.fixture
def prefixed(exporter: FakeExporter) -> Iterator[str]:
    yield from serve(Web(exporter, telemetry_path="/m", route_prefix="/llm/"))


def serve(web: Web) -> Iterator[str]:
    server = HttpServer("web", web.app, ["127.0.0.1:0"])
    server.start()
    yield f"http://{server.addresses[0]}"
    server.stop(2)
    web.close()


def get(url: str, **headers: str) -> requests.Response:
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    return requests.get(url, headers={"Accept-Encoding": "", **sent}, timeout=5)


def test_metrics_pass_accept_and_names_on(base: str, exporter: FakeExporter) -> None:
    response = get(f"{base}/metrics?name[]=a&name[]=b", Accept="application/openmetrics-text")
    assert response.status_code == 200
    assert response.headers["Content-Type"].startswith("application/openmetrics-text; version=1")
    assert exporter.asked == [("application/openmetrics-text", ["a", "b"])]
    assert "Content-Encoding" not in response.headers
    assert not exporter.threads & {"MainThread", "http-web"}


@pytest.mark.parametrize(
    ("accepted", "packed"),
    [
        ("gzip", True),
        ("gzip, deflate", True),
        ("br;q=1, GZIP;q=0.5", True),
        ("*", True),
        ("gzip;q=0", False),
        ("*;q=1, gzip;q=0", False),
        ("gzip;q=x", False),
        ("identity", False),
        ("", False),
    ],
)
def test_gzip_where_accepted(base: str, accepted: str, packed: bool) -> None:
    response = requests.get(
        f"{base}/metrics", headers={"Accept-Encoding": accepted}, stream=True, timeout=5
    )
    body = response.raw.read()
    assert (response.headers.get("Content-Encoding") == "gzip") is packed
    assert (gzip.decompress(body) if packed else body).startswith(b"# TYPE x")
    assert int(response.headers["Content-Length"]) == len(body)
    assert "Accept-Encoding" in response.headers["Vary"]


def test_too_many_names_are_refused(base: str, exporter: FakeExporter) -> None:
    assert get(f"{base}/metrics?" + "name[]=a&" * 1_001).status_code == 400
    assert exporter.asked == []


@pytest.mark.parametrize(
    "path", ["/metrics", "/", "/-/healthy", "/-/ready", "/config", "/-/not-understood"]
)
def test_head_is_get_without_a_body(base: str, path: str) -> None:
    response = requests.head(f"{base}{path}", timeout=5)
    assert (response.status_code, response.content) == (200, b"")
    assert int(response.headers["Content-Length"]) > 0


def test_health_and_readiness(base: str, exporter: FakeExporter) -> None:
    assert get(f"{base}/-/ready").status_code == 200
    exporter.reason = "draining"
    response = get(f"{base}/-/ready")
    assert (response.status_code, response.text) == (503, "draining\n")
    assert get(f"{base}/-/healthy").status_code == 200


@pytest.mark.parametrize("method", ["POST", "PUT"])
def test_reload(base: str, exporter: FakeExporter, method: str) -> None:
    assert requests.request(method, f"{base}/-/reload", timeout=5).status_code == 200
    assert exporter.reloads == 1


def test_a_trace_is_explained(base: str, exporter: FakeExporter) -> None:
    exporter.explanation = "{}"
    asked = f"{base}/-/explain?trace_id="
    for query, media_type in (
        ("0123456789abcdefABCDEF0123456789", "application/json"),
        ("0123456789abcdefABCDEF0123456789&format=text", "text/plain; charset=utf-8"),
        ("none&format=json", "application/json"),
    ):
        answer = get(asked + query)
        assert (answer.status_code, answer.text) == (200, "{}")
        assert answer.headers["Content-Type"] == media_type
        assert answer.headers["Cache-Control"] == "no-store"
    trace_id = bytes.fromhex("0123456789abcdefabcdef0123456789")
    assert exporter.explained == [(trace_id, False), (trace_id, True), (b"", False)]


@pytest.mark.parametrize(
    "query",
    ["", "?trace_id=", "?trace_id=0123", f"?trace_id={'x' * 32}", "?trace_id=none&format=xml"],
)
def test_what_is_no_trace_id_is_refused(base: str, exporter: FakeExporter, query: str) -> None:
    answer = get(f"{base}/-/explain{query}")
    assert answer.status_code == 400
    assert "32 hexadecimal digits" in answer.text
    assert exporter.explained == []


def test_a_trace_that_is_not_kept_is_not_found(base: str) -> None:
    answer = get(f"{base}/-/explain?trace_id={'ab' * 16}")
    assert (answer.status_code, "limits.max_explained" in answer.text) == (404, True)


def test_traces_are_explained_to_whoever_may_reload(exporter: FakeExporter) -> None:
    exporter.explanation = "{}"
    refused: list[str] = []
    for base in serve(Web(exporter, refused=refused.append)):
        answer = get(f"{base}/-/explain?trace_id={'ab' * 16}")
        assert (answer.status_code, answer.text) == (403, "Lifecycle API is not enabled.\n")
    for base in serve(Web(exporter, has_lifecycle=lambda: True, refused=refused.append)):
        url = f"{base}/-/explain?trace_id={'ab' * 16}"
        assert get(url, Sec_Fetch_Site="cross-site").status_code == 403
    assert (exporter.explained, refused) == ([], ["lifecycle_disabled", "cross_origin"])


def test_reload_is_off_unless_switched_on(exporter: FakeExporter) -> None:
    refused: list[str] = []
    for base in serve(Web(exporter, refused=refused.append)):
        answer = requests.post(f"{base}/-/reload", timeout=5)
        assert (answer.status_code, answer.text) == (403, "Lifecycle API is not enabled.\n")
    assert (exporter.reloads, refused) == (0, ["lifecycle_disabled"])


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ({"Origin": "https://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-site"}, 403),
        ({"Sec-Fetch-Site": "same-origin", "Origin": "https://behind.a.proxy"}, 200),
        ({"Sec-Fetch-Site": "none"}, 200),
        ({"Host": "metrics.example:80", "Origin": "http://metrics.example:80"}, 200),
        ({"Host": "metrics.example:80", "Origin": "http://metrics.example"}, 403),
    ],
)
def test_pages_of_other_origins_do_not_reload(
    base: str, exporter: FakeExporter, headers: dict[str, str], code: int
) -> None:
    assert requests.post(f"{base}/-/reload", headers=headers, timeout=5).status_code == code
    assert exporter.reloads == (code == 200)


def test_whoever_asks_meanwhile_shares_the_next_page(base: str, exporter: FakeExporter) -> None:
    exporter.go.clear()
    answers: list[int] = []

    def scrape(headers: dict[str, str]) -> None:
        answers.append(requests.get(f"{base}/metrics", headers=headers, timeout=10).status_code)

    first = threading.Thread(target=scrape, args=({},))
    first.start()
    wait_for(lambda: len(exporter.asked) == 1)
    # However oddly they ask.
    rest = [
        threading.Thread(target=scrape, args=({"Accept": f"text/plain, x/{n}"},)) for n in range(20)
    ]
    for thread in rest:
        thread.start()
    assert get(f"{base}/-/healthy").status_code == 200
    assert get(f"{base}/metrics?name[]=a").status_code == 200
    time.sleep(0.2)
    exporter.go.set()
    for thread in (first, *rest):
        thread.join(10)
    assert answers == [200] * 21
    assert len([names for _, names in exporter.asked if not names]) == 2


def test_reload_that_fails_says_why(base: str, exporter: FakeExporter) -> None:
    exporter.problems = ["line 1: settel: unknown key", "line 2: wrong"]
    response = requests.post(f"{base}/-/reload", timeout=5)
    assert response.status_code == 500
    assert "line 1: settel: unknown key\nline 2: wrong" in response.text


@pytest.mark.parametrize("method", ["GET", "HEAD", "DELETE"])
def test_reload_by_other_methods_is_405(base: str, exporter: FakeExporter, method: str) -> None:
    response = requests.request(method, f"{base}/-/reload", timeout=5)
    assert response.status_code == 405
    assert set(response.headers["Allow"].split(", ")) == {"POST", "PUT"}
    assert exporter.reloads == 0


@pytest.mark.parametrize("path", ["/metrics", "/config", "/", "/-/not-understood"])
def test_reading_by_post_is_405(base: str, path: str) -> None:
    assert requests.post(f"{base}{path}", timeout=5).status_code == 405


def test_config_is_yaml_text(base: str) -> None:
    response = get(f"{base}/config")
    assert response.text == "decision_wait: 10s\n"
    assert response.headers["Content-Type"].startswith("text/plain")


@pytest.mark.parametrize("path", ["/nothing", "/v1/traces", "/metrics/x", "/-/../etc/passwd"])
def test_other_paths_are_404_text(base: str, path: str) -> None:
    response = get(f"{base}{path}")
    assert response.status_code == 404
    assert response.headers["Content-Type"].startswith("text/plain")


def test_landing_page_tells_the_numbers_and_loads_nothing(base: str) -> None:
    response = get(f"{base}/")
    page = response.text
    for shown in ("1.2.3&lt;script&gt;", "1 d 2 h", "1,234,567", "127.0.0.1:4318", "[::1]:9891"):
        assert shown in page
    assert "<script" not in page
    assert "http:" not in page
    assert "https:" not in page
    assert 'href="/metrics"' in page
    policy = response.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert response.headers["X-Content-Type-Options"] == "nosniff"


def test_route_prefix(prefixed: str) -> None:
    for path in (
        "/llm/m",
        "/llm/-/healthy",
        "/llm/-/ready",
        "/llm/-/not-understood",
        "/llm/config",
        "/llm/",
    ):
        assert get(f"{prefixed}{path}").status_code == 200
    assert 'href="/llm/m"' in get(f"{prefixed}/").text
    assert get(f"{prefixed}/llm").url == f"{prefixed}/llm/"
    for path in ("/m", "/metrics", "/-/healthy"):
        assert get(f"{prefixed}{path}").status_code == 404
