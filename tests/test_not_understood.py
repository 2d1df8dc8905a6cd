"""What was not understood is named, without any value, and a way on is told."""

from __future__ import annotations

import json
from typing import Any

import pytest
import requests
import yaml

from llm_trace_exporter.config import Settings
from llm_trace_exporter.consumer import ANYONE, Tenant
from llm_trace_exporter.doctor.asking import Server
from llm_trace_exporter.doctor.facts import Missing, Page
from llm_trace_exporter.doctor.shapes import unread
from llm_trace_exporter.doctor.understood import understood
from llm_trace_exporter.engine.engine import Engine
from llm_trace_exporter.engine.not_understood import MAX_KINDS, NotUnderstood
from tests.doctor.facts import facts
from tests.facts import Samples
from tests.server.running import address, running, settings_with
from tests.spans import chat, raw_log, raw_span

SECRET = "sk-what-was-said"
LOST = {"acme.engine": SECRET, "acme.usage.prompt_tokens": 10, "acme.call.kind": SECRET}
UNKNOWN = "llm_exporter_discarded_total"


def told(memory: NotUnderstood) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(memory.as_json())
    return found


def test_names_are_told_and_no_values() -> None:
    memory = NotUnderstood()
    for number in range(3):
        name = f"ask 0f8fad5b-d9cb-469f-a165-70867728950{number}"
        memory.see(raw_span(LOST, scope="acme-sdk", name=name))
    memory.see(raw_log({"prompt_tokens": 1}, event="answered", scope="app"))
    span, log = told(memory)
    assert (span["signal"], span["scope"], span["name"]) == ("span", "acme-sdk", "ask *")
    assert (span["records"], span["attributes"]) == (3, sorted(LOST))
    assert (log["signal"], log["name"], log["records"]) == ("log", "answered", 1)
    assert SECRET not in memory.as_json().decode()


def test_the_convention_to_start_from_says_what_each_name_may_tell() -> None:
    memory = NotUnderstood()
    attrs = {
        "acme.model": "m",
        "acme.cached_tokens": 1,
        "acme.completion_tokens": 2,
        "acme.kind": "",
    }
    memory.see(raw_span(attrs, scope="Acme SDK"))
    (row,) = told(memory)
    assert row["convention"] == {
        "name": "acme_sdk",
        "detect": {"scopes": ["Acme SDK"]},
        "kind": {"keys": ["acme.kind"]},
        "model": {"request": ["acme.model"]},
        "usage": {"output": ["acme.completion_tokens"], "cache_read": ["acme.cached_tokens"]},
    }


def test_it_is_bounded_whatever_names_come() -> None:
    memory = NotUnderstood()
    for number in range(3 * MAX_KINDS):
        attrs = {f"a{number}.{'x' * 900}\n{at}.tokens": 1 for at in range(100)}
        memory.see(raw_span(attrs, scope="s" * 9_000, name="n\x1b[31m" * 900))
    assert len(told(memory)) == MAX_KINDS
    assert len(memory.as_json()) < MAX_KINDS * 20_000
    assert "\\u001b" not in memory.as_json().decode() and "\\n" not in memory.as_json().decode()


def test_what_came_last_is_kept() -> None:
    memory = NotUnderstood()
    for number in range(2 * MAX_KINDS):
        memory.see(raw_span(LOST, scope="always"))
        memory.see(
            raw_span(LOST, scope=f"s{'abcdefghij'[number % 10]}{'klmnopqrst'[number // 10]}")
        )
    rows = told(memory)
    assert (rows[0]["scope"], rows[0]["records"]) == ("always", 2 * MAX_KINDS)
    scopes = {row["scope"] for row in rows}
    assert "sjt" in scopes and "sak" not in scopes


def test_only_what_is_not_understood_is_noted() -> None:
    engine = Engine(Settings(zero_hold_s=0))
    spans = [raw_span(LOST, scope="acme"), raw_span(chat()), raw_span({"x.type": "y"})]
    engine.ingester.ingest_records(spans, [], "file")
    engine.ingester.settle_all()
    assert [row["scope"] for row in told(engine.ingester.arrivals.not_understood)] == ["acme"]
    at = Samples(engine.exposition.render().body.decode())
    assert at.by(UNKNOWN, "reason") == {"unknown_kind": 1, "not_llm": 1}
    assert at.total("llm_exporter_discarded_tokens_total", reason="unknown_kind") == 10


def test_that_metrics_are_not_used_is_said_once(caplog: pytest.LogCaptureFixture) -> None:
    ingester = Engine(Settings()).ingester
    tenants = [ANYONE, ANYONE, Tenant("checkout"), Tenant("checkout")]
    told = [ingester.ingest_request("metrics", "protobuf", b"", "otlp_http", t) for t in tenants]
    assert [bool(outcome.message) for outcome in told] == [True, False, True, False]
    assert all(
        outcome.rejected == 0 and "not used" in (outcome.message or "not used") for outcome in told
    )
    assert [r.message for r in caplog.records if "not used" in r.message] == [
        "OTLP metrics come in and are not used: calls, tokens and dollars are counted from traces, "
        "and from log records of coding agents"
    ]


def test_a_running_exporter_tells_it_and_the_doctor_asks() -> None:
    with running(settings_with()) as exporter:
        exporter.engine.ingester.ingest_records([raw_span(LOST, scope="acme")], [], "file")
        base = f"http://{address(exporter, 'metrics')}"
        answer = requests.get(f"{base}/-/not-understood", timeout=5)
        assert answer.headers["Content-Type"] == "application/json"
        server = Server(f"{base}/metrics", "--exporter", 5.0)
        try:
            found = unread(server.beside("-/not-understood"))
            none = server.beside("-/nothing")
        finally:
            server.close()
    assert isinstance(none, Missing)
    assert not isinstance(found, Missing)
    page = Page("x", "", frozenset(), None, found)
    (finding,) = understood(facts(page=page))
    assert finding.level == "warning" and "'acme'" in finding.what and "'span'" in finding.what
    assert finding.where == tuple(sorted(LOST))
    _, _, written = finding.do.partition("conventions: ")
    (convention,) = yaml.safe_load(written)
    assert convention["detect"] == {"scopes": ["acme"]}
    assert SECRET not in str(finding)
