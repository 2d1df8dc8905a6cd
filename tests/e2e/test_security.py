"""Real clients at guarded listeners: a Prometheus, and SDKs with tokens."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import bcrypt
import grpc
import pytest
import requests
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter as GrpcExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter as HttpExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExporter

from tests.e2e.process import Exporter, running, wait_for
from tests.e2e.prometheus import scraping
from tests.server.certs import Authority, server_pair

pytestmark = pytest.mark.skipif(
    shutil.which("prometheus") is None,
    reason="prometheus is not on PATH (`apt-get install prometheus`; `make test` does that)",
)

PASSWORD = "a long word for scrapes"
TOKENS = {"credit": "c" * 32, "fraud": "f" * 32}
FORGED = {"team": "marketing", "environment": "dev", "deployment.environment.name": "dev"}


@dataclass(frozen=True)
class Guarded:
    """A running exporter and the folder with everybody's certificates."""

    exporter: Exporter
    folder: Path
    authority: Authority

    def host(self, url: str) -> str:
        """host:port of a listener."""
        return url.rpartition("/")[2]


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    folder = tmp_path_factory.mktemp("guarded")
    authority = Authority()
    server_pair(authority).write(folder, "server")
    authority.issue("prometheus.example").write(folder, "client")
    (folder / "ca.crt").write_bytes(authority.cert)
    (folder / "password").write_text(PASSWORD)
    tls = "tls_server_config:\n  cert_file: server.crt\n  key_file: server.key\n"
    hashed = bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(4)).decode()
    (folder / "otlp.yml").write_text(tls)
    (folder / "web.yml").write_text(
        f"{tls}  client_auth_type: RequireAndVerifyClientCert\n  client_ca_file: ca.crt\n"
        "  client_allowed_sans: [prometheus.example]\n"
        f"basic_auth_users:\n  prometheus: {hashed}\n"
    )
    for name, token in TOKENS.items():
        (folder / name).write_text(f"{token}\n")
    config = {
        "zero_hold": "0s",
        "decision_wait": "0s",
        "web": {"config_file": "web.yml"},
        "otlp": {
            "http": {"config_file": "otlp.yml"},
            "grpc": {"config_file": "otlp.yml"},
            "tokens": [
                {"name": name, "file": name, "labels": {"team": name, "environment": "prod"}}
                for name in TOKENS
            ],
        },
    }
    with running(folder, config=config) as exporter:
        yield Guarded(exporter, folder, authority)
    log = exporter.log
    assert not [secret for secret in (PASSWORD, hashed, *TOKENS.values()) if secret in log]


def sdk_exporter(guarded: Guarded, protocol: str, token: str) -> SpanExporter:
    """The exporter of an SDK as its user sets it up."""
    headers = {"authorization": f"Bearer {token}"}
    ca = guarded.folder / "ca.crt"
    if protocol == "http":
        endpoint = f"https://{guarded.host(guarded.exporter.http)}/v1/traces"
        session = requests.Session()
        session.trust_env = False  # a bundle that the environment names would outrank ours
        return HttpExporter(
            endpoint, certificate_file=str(ca), headers=headers, timeout=5, session=session
        )
    return GrpcExporter(
        f"https://{guarded.exporter.grpc}",
        credentials=grpc.ssl_channel_credentials(ca.read_bytes()),
        headers=headers,
        timeout=5,
    )


def send(exporter: SpanExporter, service: str) -> None:
    """One call that says another team than its token's, in every place."""
    provider = TracerProvider(resource=Resource({"service.name": service, **FORGED}))
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    attributes: dict[str, Any] = {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": "gpt-4o",
        "gen_ai.usage.input_tokens": 70,
        "gen_ai.usage.output_tokens": 30,
        **FORGED,
    }
    with provider.get_tracer("app").start_as_current_span("chat", attributes=attributes):
        pass
    provider.shutdown()


def job(folder: Path, **changes: Any) -> dict[str, Any]:
    """How Prometheus is told about it."""
    tls = {"ca_file": "ca.crt", "cert_file": "client.crt", "key_file": "client.key"}
    return {
        "scheme": "https",
        "tls_config": {key: str(folder / name) for key, name in tls.items()},
        "basic_auth": {"username": "prometheus", "password_file": str(folder / "password")},
        **changes,
    }


def test_teams_are_billed_by_their_tokens(guarded: Guarded, tmp_path: Path) -> None:
    target = guarded.host(guarded.exporter.web)
    with scraping(target, tmp_path / "prometheus", **job(guarded.folder)) as prometheus:
        wait_for(lambda: prometheus.value('up{job="llm"}') == 1, "a scrape")
        for protocol in ("http", "grpc"):
            for name, token in TOKENS.items():
                send(sdk_exporter(guarded, protocol, token), f"shop-{name}-{protocol}")
        teams = 'sum by (team) (llm_tokens_total{environment="prod"})'
        wait_for(lambda: sorted(prometheus.values(teams)) == [200, 200], "both teams' tokens")
        assert prometheus.values('llm_requests_total{team="marketing"}') == []
        assert prometheus.values('llm_requests_total{environment="dev"}') == []
        requests = 'llm_exporter_token_requests_total{token="credit"}'
        wait_for(lambda: prometheus.value(requests) == 2, "requests of a token")


@pytest.mark.parametrize("protocol", ["http", "grpc"])
def test_an_sdk_with_a_wrong_token_is_not_counted(
    guarded: Guarded, protocol: str, caplog: pytest.LogCaptureFixture
) -> None:
    send(sdk_exporter(guarded, protocol, "x" * 32), "shop-stranger")
    told = " ".join(record.getMessage() for record in caplog.records)
    assert "Unauthorized" in told or "UNAUTHENTICATED" in told


def test_a_prometheus_without_a_certificate_is_refused(guarded: Guarded, tmp_path: Path) -> None:
    stranger = job(guarded.folder, tls_config={"insecure_skip_verify": True})
    target = guarded.host(guarded.exporter.web)
    with scraping(target, tmp_path / "p", **stranger) as prometheus:
        wait_for(lambda: prometheus.value('up{job="llm"}') == 0, "a failed scrape")
