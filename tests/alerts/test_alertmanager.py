"""The example for Alertmanager: who hears of what, what silences what, what messages say."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import requests
import yaml

from llm_trace_exporter.config.units import parse_duration
from tests.alerts.queries import parse
from tests.alerts.rules import ALERTS, HOME, alerts
from tests.e2e.process import DEADLINE_S, wait_for
from tests.e2e.prometheus import free_port

FOLDER = ALERTS / "alertmanager"
CONFIG = FOLDER / "alertmanager.yml"
SERVER = shutil.which("prometheus-alertmanager") or shutil.which("alertmanager")
WHY = "is not on PATH (`apt-get install prometheus-alertmanager`)"
needs_amtool = pytest.mark.skipif(shutil.which("amtool") is None, reason=f"amtool {WHY}")
needs_server = pytest.mark.skipif(SERVER is None, reason=f"Alertmanager {WHY}")

ROUTES = {
    "alertname=LLMErrorBudgetBurn severity=critical environment=production": "pager",
    "alertname=LLMErrorBudgetBurn severity=warning environment=production": "slack-llm",
    "alertname=LLMErrorBudgetBurn severity=critical environment=staging": "slack-quiet",
    "alertname=LLMHistogramSaturated severity=info": "slack-quiet",
    "alertname=LLMSpendSpike severity=warning service=support-bot": "finops",
    "alertname=LLMSpendSpike severity=critical service=support-bot": "pager",
    "alertname=LLMTeamSpendSpike severity=warning team=payments": "finops",
    "alertname=LLMSecretInAnswer severity=critical": "security-pager",
    "alertname=LLMGuardrailBlocksHigh severity=warning": "security",
    "alertname=LLMExporterAbsent severity=critical": "platform-pager",
    "alertname=LLMExporterScrapeSlow severity=warning": "slack-platform",
    "alertname=LLMRateLimited severity=warning team=payments": "slack-payments",
    "alertname=LLMTotalOutage severity=critical service=checkout-assistant": "payments-pager",
}


def run(*command: str | Path) -> str:
    done = subprocess.run(
        command, cwd=FOLDER, check=False, capture_output=True, text=True, timeout=DEADLINE_S
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@needs_amtool
def test_amtool_takes_the_example() -> None:
    assert "SUCCESS" in run("amtool", "check-config", CONFIG)


@needs_amtool
@pytest.mark.parametrize(("labels", "receiver"), ROUTES.items())
def test_an_alert_goes_to_whom_it_concerns(labels: str, receiver: str) -> None:
    found = run("amtool", "config", "routes", "test", f"--config.file={CONFIG}", *labels.split())
    assert found.strip() == receiver


def test_names_in_the_tests_are_those_of_alerts() -> None:
    names = {rule.name for rule in alerts()}
    assert {labels.split()[0].partition("=")[2] for labels in ROUTES} <= names


def test_what_silences_does_not_come_after_what_it_silences() -> None:
    held = {rule.id: parse_duration(rule.hold or "0s") for rule in alerts()}
    _, at_provider, elsewhere, *_ = yaml.safe_load(CONFIG.read_text())["inhibit_rules"]
    for outage in (at_provider, elsewhere):
        symptoms = re.compile(outage["target_matchers"][0].partition("=~")[2].strip('"'))
        hurt = [seconds for id_, seconds in held.items() if symptoms.match(id_)]
        assert len(hurt) > 3
        assert held["LLMProviderErrorsHigh-critical"] <= min(hurt)


def test_no_two_pages_silence_each_other() -> None:
    """Alertmanager silences by what is silenced itself, too."""
    rules = yaml.safe_load(CONFIG.read_text())["inhibit_rules"][1:]
    pages = sorted({rule.name for rule in alerts() if rule.severity == "critical"})
    silences = {
        (source, target)
        for rule in rules
        for source in pages
        for target in pages
        if fits(rule["source_matchers"], source) and fits(rule["target_matchers"], target)
    }
    assert silences
    assert not {(a, b) for a, b in silences if (b, a) in silences}


def fits(matchers: list[str], name: str) -> bool:
    """Whether the matchers take a critical alert."""
    labels = {"alertname": name, "severity": "critical"}
    return all(
        taken(operator, re.fullmatch(value if "~" in operator else re.escape(value), labels[label]))
        for label, operator, value in (
            re.fullmatch(r'(\w+)(=~|!~|!=|=)"(.*)"', one).groups()  # type: ignore[union-attr]
            for one in matchers
        )
    )


def taken(operator: str, found: re.Match[str] | None) -> bool:
    return (found is None) == operator.startswith("!")


def test_a_critical_alert_silences_its_own_warning_in_time() -> None:
    held = {rule.id: parse_duration(rule.hold or "0s") for rule in alerts()}
    for rule in alerts():
        if rule.severity == "critical" and f"{rule.name}-warning" in held:
            assert held[rule.id] <= held[f"{rule.name}-warning"], rule.name


class Heard(list[tuple[str, dict[str, Any]]]):
    """(path, body) of what was posted."""

    def under(self, path: str) -> list[dict[str, Any]]:
        return [body for where, body in list(self) if where == path]


@contextmanager
def listening() -> Iterator[tuple[str, Heard]]:
    heard = Heard()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            heard.append((self.path, json.loads(body)))
            self.send_response(202 if "pager" in self.path else 200)
            self.end_headers()
            self.wfile.write(b'{"status": "success"}')

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", heard
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def pointed_at(base: str) -> dict[str, Any]:
    """The example, quick, and with receivers that are here."""
    config: dict[str, Any] = yaml.safe_load(CONFIG.read_text())
    config["global"] = {"slack_api_url": f"{base}/slack", "pagerduty_url": f"{base}/pager"}
    config["templates"] = [str(FOLDER / "templates" / "*.tmpl")]
    config["route"]["group_wait"] = "200ms"
    for route in config["route"]["routes"]:
        route.pop("group_wait", None)
    for receiver in config["receivers"]:
        for pager in receiver.get("pagerduty_configs", ()):
            pager.pop("routing_key_file")
            pager["routing_key"] = "0" * 32
        for hook in receiver.get("webhook_configs", ()):
            hook["url"] = f"{base}/hook"
    return config


@contextmanager
def alertmanager(config: dict[str, Any], folder: Path) -> Iterator[str]:
    assert SERVER is not None
    file = folder / "alertmanager.yml"
    file.write_text(yaml.safe_dump(config))
    address = f"127.0.0.1:{free_port()}"
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [SERVER, f"--config.file={file}", f"--storage.path={folder / 'data'}",
             f"--web.listen-address={address}", "--cluster.listen-address="],
            stdout=log, stderr=log,
        )  # fmt: skip

    def is_ready() -> bool:
        try:
            return requests.get(f"http://{address}/-/ready", timeout=DEADLINE_S).ok
        except requests.ConnectionError:
            return False

    try:
        wait_for(is_ready, "Alertmanager")
        yield f"http://{address}"
    finally:
        process.terminate()
        process.wait(DEADLINE_S)


def told(name: str, severity: str, **labels: str) -> dict[str, Any]:
    return {
        "labels": {
            "alertname": name, "severity": severity, "environment": "production", **labels,
        },
        "annotations": {
            "summary": f"What {name} says.",
            "description": "A busy hour costs 3 USD, this one 41.50 USD.",
            "runbook_url": f"{HOME}/{name}.md",
            "dashboard_url": f"/d/llm-cost?var-service={labels.get('service', '')}",
        },
    }  # fmt: skip


def everywhere(name: str, **labels: str) -> list[dict[str, Any]]:
    """A critical alert of sixty services."""
    return [told(name, "critical", service=f"app-{n}", **labels) for n in range(60)]


OUT = everywhere("LLMTotalOutage", provider="openai") + everywhere("LLMErrorBudgetBurn")
DISK = {"instance": "llm-0:9891"}
INCIDENTS = {
    "provider": [
        told("LLMProviderErrorsHigh", "critical", provider="openai"),
        told("LLMModelErrorsHigh", "critical", provider="openai", model="gpt-4o"),
        *OUT,
    ],
    "model": [
        told("LLMModelErrorsHigh", "critical", provider="openai", model="gpt-4o"),
        told("LLMProviderErrorsHigh", "warning", provider="openai"),
        *OUT,
    ],
    "region": OUT,
    "key": [*everywhere("LLMAuthenticationFailing", provider="openai"), *OUT],
    "disk": [
        told("LLMExporterStateNotWritable", "critical", **DISK),
        told("LLMExporterStateErrors", "critical", reason="commit", **DISK),
        told("LLMExporterBackgroundFailing", "critical", task="expire", **DISK),
        told("LLMExporterNoData", "critical"),
    ],
}


@needs_server
@pytest.mark.parametrize("name", INCIDENTS)
def test_one_incident_is_one_page(tmp_path: Path, name: str) -> None:
    """Whatever comes of it in sixty services."""
    sent = INCIDENTS[name]
    with listening() as (base, heard), alertmanager(pointed_at(base), tmp_path) as address:
        answer = requests.post(f"{address}/api/v2/alerts", json=sent, timeout=DEADLINE_S)
        assert answer.ok, answer.text
        wait_for(lambda: bool(heard.under("/pager")), "a page")
        time.sleep(1.0)
    pages = {body["dedup_key"]: body["payload"]["class"] for body in heard.under("/pager")}
    cause = sent[0]["labels"]["alertname"]
    assert [*pages.values()] == [cause]


def first_query(text: str) -> str:
    """The PromQL of the first command of a message; it can be parsed."""
    found = re.search(r"^First: promtool query instant (\S+) '(.*)'$", text, re.MULTILINE)
    assert found is not None, text
    assert found[1] == "http://prometheus.example.com:9090"
    parse(found[2])
    return found[2]


def traces(text: str) -> str:
    """The query behind a message's link to Grafana's traces."""
    found = re.search(r"^Traces: (\S+)$", text, re.MULTILINE)
    assert found is not None, text
    (panes,) = parse_qs(urlsplit(found[1]).query)["panes"]
    query: str = json.loads(panes)["a"]["queries"][0]["query"]
    return query


@needs_server
def test_messages_say_what_is_needed_and_symptoms_are_silent(tmp_path: Path) -> None:
    sent = [
        told("LLMProviderErrorsHigh", "critical", provider="openai"),
        told("LLMErrorBudgetBurn", "critical", service="docs-search"),
        told("LLMSpendSpike", "critical", service="support-bot", model="gpt-4o", team="support"),
        told("LLMSpendSpike", "warning", service="support-bot", model="gpt-4o", team="support"),
        told("LLMRateLimited", "warning", service="support-bot", model="gpt-4o", team="support"),
    ]
    with listening() as (base, heard), alertmanager(pointed_at(base), tmp_path) as address:
        answer = requests.post(f"{address}/api/v2/alerts", json=sent, timeout=DEADLINE_S)
        assert answer.ok, answer.text
        wait_for(lambda: len(heard.under("/pager")) >= 2 and heard.under("/slack"), "messages")
        wait_for(lambda: len(heard.under("/hook")) >= 2, "the webhook")
        time.sleep(0.5)
    hooks = {body["groupLabels"]["alertname"] for body in heard.under("/hook")}
    assert hooks == {"LLMProviderErrorsHigh", "LLMSpendSpike"}
    (slack,) = heard.under("/slack")
    (message,) = slack["attachments"]
    assert slack["channel"] == "#llm-alerts"
    assert message["title"] == "[1] LLMRateLimited support-bot (production)"
    for part in (
        "this one 41.50 USD", "model gpt-4o", "team support",
        f"Runbook: {HOME}/LLMRateLimited.md",
        "Spend: https://grafana.example.com/d/llm-cost?var-service=support-bot",
    ):  # fmt: skip
        assert part in message["text"], part
    assert re.search(
        r"^Since 20\d\d-\d\d-\d\d \d\d:\d\d UTC, severity warning", message["text"], re.MULTILINE
    )
    assert first_query(message["text"]) == (
        "topk(10, sum by (service, provider, model, error_type) "
        '(increase(llm_requests_total{service="support-bot", outcome="error"}[15m])))'
    )
    assert traces(message["text"]) == '{resource.service.name="support-bot"}'
    pages = {body["payload"]["class"]: body["payload"] for body in heard.under("/pager")}
    money = first_query(pages["LLMSpendSpike"]["custom_details"]["what"])
    assert 'llm_cost_usd_total{service="support-bot", purpose=""}' in money
    outage = first_query(pages["LLMProviderErrorsHigh"]["custom_details"]["what"])
    assert 'llm_requests_total{provider="openai", outcome="error"}' in outage
    assert pages["LLMSpendSpike"]["severity"] == "critical"
    assert "41.50 USD" in pages["LLMSpendSpike"]["custom_details"]["what"]
    assert pages["LLMSpendSpike"]["custom_details"]["runbook"] == f"{HOME}/LLMSpendSpike.md"
