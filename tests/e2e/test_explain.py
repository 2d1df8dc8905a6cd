"""`explain` and `GET /-/explain`: started as users start them."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import bcrypt
import pytest
import requests
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from tests.e2e.process import (
    DEADLINE_S,
    ROOT,
    Exporter,
    command,
    run,
    running,
)
from tests.e2e.test_privacy import LOGS, PERSON, SCOPES, SPANS, TRACED_CALL, WORD, assert_kept
from tests.e2e.warm import environment
from tests.e2e.wire import Span, call, logs, traces
from tests.facts import Samples
from tests.spans import chat

CORPUS = ROOT / "tests" / "corpus"
AT_ONCE: dict[str, Any] = {"decision_wait": "0s", "zero_hold": "0s"}
KEPT: dict[str, Any] = {**AT_ONCE, "limits": {"max_explained": 1_000}}


def traces_in(*bodies: bytes) -> list[str]:
    """The trace ids of requests, each once."""
    found: dict[str, None] = {}
    for body in bodies:
        for group in ExportTraceServiceRequest.FromString(body).resource_spans:
            spans = (span for scope in group.scope_spans for span in scope.spans)
            found |= {span.trace_id.hex(): None for span in spans}
    return list(found)


def traces_of_logs(body: bytes) -> list[str]:
    """The trace ids of a request of log records."""
    groups = ExportLogsServiceRequest.FromString(body).resource_logs
    scopes = (scope for group in groups for scope in group.scope_logs)
    return [record.trace_id.hex() for scope in scopes for record in scope.log_records]


def explained(exporter: Exporter, trace_id: str, code: int = 200, **query: str) -> str:
    """The answer of the page."""
    answer = exporter.get("/-/explain", params={"trace_id": trace_id, **query})
    assert answer.status_code == code, answer.text
    return answer.text


@pytest.mark.parametrize("source", ["openinference-langchain-openai", "langfuse", "claude-code"])
def test_the_document_of_a_capture_agrees_with_its_metrics(source: str) -> None:
    path = str(CORPUS / source)
    document = json.loads(run("explain", "--json", path)[0])
    at = Samples(run("replay", path)[0])
    assert document.keys() == {"traces", "unreadable_records", "forgotten_traces"}
    records = [record for trace in document["traces"] for record in trace["records"]]
    received = ("llm_exporter_spans_received_total", "llm_exporter_log_records_received_total")
    assert len(records) == sum(map(at.total, received))
    tokens = sum(trace["tokens"] for trace in document["traces"])
    assert tokens == at.total("llm_tokens_total")
    usd = sum(trace["cost_usd"] or 0 for trace in document["traces"])
    assert usd == pytest.approx(at.total("llm_cost_usd_total", cost_source="list") +
                                at.total("llm_cost_usd_total", cost_source="reported"))  # fmt: skip
    discarded: dict[str, float] = {}
    for trace in document["traces"]:
        for reason, n in trace["discarded"].items():
            discarded[reason] = discarded.get(reason, 0) + n
    assert discarded == at.by("llm_exporter_discarded_total", "reason")


def test_one_trace_of_a_capture_as_a_tree_from_standard_input() -> None:
    body = traces(Span(chat((10, 5)), name="outer"), Span(chat((10, 5)), name="inner", parent=0))
    (trace_id,) = traces_in(body)
    output, errors = run("explain", "--trace", trace_id.upper(), "-", stdin=body)
    head, rest, outer, inner = output.splitlines()
    assert errors == ""
    assert head == f"trace {trace_id}  2 records  1 call  15 of 30 reported tokens  $0.000075"
    assert rest == "    not counted: 1 rollup"
    assert "merged" in outer
    assert inner.split()[:2] == ["└─", "inner"]
    assert f"into {inner.split()[2]} (rollup)" in outer
    assert "\x1b" not in output


def test_other_traces_are_left_out(tmp_path: Path) -> None:
    bodies = [traces(call()) for _ in range(3)]
    for number, body in enumerate(bodies):
        (tmp_path / f"{number}.traces.pb").write_bytes(body)
    ids = traces_in(*bodies)
    for arguments, found in (((), ids), (("--trace", ids[1]), [ids[1]])):
        document = json.loads(run("explain", "--json", *arguments, str(tmp_path))[0])
        assert {trace["trace_id"] for trace in document["traces"]} == {*found}


def test_colours_are_for_terminals() -> None:
    path = str(CORPUS / "otel-genai-anthropic")
    plain = run("explain", path)[0]
    controller, terminal = os.openpty()
    with os.fdopen(controller, "rb") as screen:
        done = subprocess.Popen(
            command("explain", path),
            stdout=terminal,
            cwd=ROOT,
            env={**environment(), "TERM": "xterm-256color", "COLUMNS": "100"},
        )
        os.close(terminal)
        shown = b""
        with suppress(OSError):  # how a terminal says that nobody writes to it any more
            while piece := screen.read1(4096):
                shown += piece
        assert done.wait(DEADLINE_S) == 0
    coloured = shown.decode().replace("\r\n", "\n")
    assert "\x1b[32mcounted" in coloured
    bare = re.sub(r"\x1b\[[0-9;]*m", "", coloured)
    assert [line.rstrip() for line in bare.splitlines()] == plain.splitlines()


def test_names_from_outside_do_not_command_the_terminal() -> None:
    name = "\x1b[2J[red]chat\x9b\u202e"
    output, _ = run("explain", "-", stdin=traces(Span(chat(), name=name)))
    assert "[2J[red]chat" in output
    assert not set("\x1b\x9b\u202e") & set(output)


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (("--trace", "xyz", "-"), 2, "a trace id has 32 hexadecimal digits, not 'xyz'"),
        (("--trace", "ab" * 16, "-"), 1, f"no span or log record of trace {'ab' * 16} in -"),
        (("--trace", "none", "-"), 1, "no span or log record outside of a trace in -"),
        (("no/such/file",), 1, "no/such/file: no such file or folder"),
        ((), 2, "the following arguments are required: PATH"),
    ],
)
def test_what_cannot_be_explained_is_told(arguments: tuple[str, ...], code: int, told: str) -> None:
    output, errors = run("explain", *arguments, code=code, stdin=traces(call()))
    assert output == ""
    assert told in errors


def test_what_holds_no_otlp_is_told() -> None:
    _, errors = run("explain", "-", code=1, stdin=b"\x00\x01")
    assert errors.startswith("llm-trace-exporter: -: not OTLP")


@pytest.fixture(scope="module")
def exporter(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Exporter]:
    """An exporter that keeps what is decided."""
    with running(tmp_path_factory.mktemp("explaining"), config=KEPT) as started:
        yield started


def test_a_trace_that_came_is_explained(exporter: Exporter) -> None:
    body = traces(Span(chat((10, 5)), name="outer"), Span(chat((10, 5)), name="inner", parent=0))
    exporter.send(body)
    exporter.wait_until_settled()
    (trace_id,) = traces_in(body)
    (trace,) = json.loads(explained(exporter, trace_id))["traces"]
    assert (trace["trace_id"], trace["calls"], trace["tokens"]) == (trace_id, 1, 15)
    outer, inner = trace["records"]
    assert (outer["state"], outer["reason"]) == ("merged", "rollup")
    assert outer["into"] == {"trace_id": trace_id, "span_id": inner["span_id"]}
    assert inner["adds"]["cost_usd"] == pytest.approx(0.000075)
    assert explained(exporter, trace_id, format="text").startswith(f"trace {trace_id}  2 records")


def test_a_trace_that_did_not_come_is_not_found(exporter: Exporter) -> None:
    assert "limits.max_explained" in explained(exporter, "ab" * 16, code=404)
    assert "32 hexadecimal digits" in explained(exporter, "ab", code=400)


def test_no_value_of_an_attribute_is_shown(exporter: Exporter) -> None:
    """Names, models, tokens and dollars only: of all that senders write, nothing else."""
    resource: dict[str, Any] = {"user__id": WORD, "host__name": WORD, "service": WORD}
    tagged = {"app.feature": WORD, "gen_ai.agent.name": WORD, "gen_ai.tool.name": WORD}
    own = [Span({**chat(), **TRACED_CALL, **PERSON, **tagged}),
           Span({"gen_ai.operation.name": "execute_tool", **tagged}),
           Span({"gen_ai.operation.name": "invoke_agent", **tagged}),
           Span({WORD: WORD, "url.full": WORD})]  # fmt: skip
    sent = [traces(*own, **resource)]
    sent += [traces(*(replace(s, name="span") for s in told)) for told in SPANS.values()]
    said = [
        logs(*LOGS[name], scope=SCOPES.get(name, "test")) for name in ("semconv", "claude_code")
    ]
    for body in sent:
        exporter.send(body)
    for body in said:
        exporter.send(body, "logs")
    exporter.post(traces(Span(chat((-5, 5), user__id=WORD))))
    exporter.wait_until_settled()
    asked = [*traces_in(*sent), *(trace for body in said for trace in traces_of_logs(body))]
    assert len(asked) > 10
    for trace_id in asked:
        for form in ("json", "text"):
            assert_kept({trace_id: explained(exporter, trace_id, format=form)})


def test_scores_stand_under_the_call_that_they_judge(exporter: Exporter) -> None:
    body = traces(call())
    exporter.send(body)
    (trace_id,) = traces_in(body)
    (record,) = json.loads(explained(exporter, trace_id))["traces"][0]["records"]
    verdict = {"trace_id": trace_id, "span_id": record["span_id"], "judge": WORD, "verdict": "fail"}
    for _ in range(2):
        told = requests.post(f"{exporter.http}/v1/verdicts", json=verdict, timeout=DEADLINE_S)
        assert told.json()["accepted"] == 1
    (trace,) = json.loads(explained(exporter, trace_id))["traces"]
    found = [(r["name"], r["depth"], r["state"], r["results"]["counted"]) for r in trace["records"]]
    assert found == [
        ("chat", 0, "counted", 0),
        ("score", 1, "results", 1),
        ("score", 1, "resent", 0),
    ]
    assert trace["discarded"] == {"duplicate": 1}
    assert_kept({"scores": explained(exporter, trace_id, format="text")})


def test_log_records_outside_of_a_trace(exporter: Exporter) -> None:
    message = ExportLogsServiceRequest()
    record = message.resource_logs.add().scope_logs.add().log_records.add(time_unix_nano=1)
    record.event_name = "started"
    exporter.send(message.SerializeToString(), "logs")
    (trace,) = json.loads(explained(exporter, "none"))["traces"]
    assert trace["trace_id"] is None
    (found,) = trace["records"]
    assert (found["name"], found["state"], found["reason"]) == ("started", "discarded", "not_llm")


def test_only_who_has_credentials_is_told(tmp_path: Path) -> None:
    hashed = bcrypt.hashpw(b"secret word", bcrypt.gensalt(4)).decode()
    (tmp_path / "web.yml").write_text(f"basic_auth_users:\n  admin: {hashed}\n")
    body = traces(call())
    (trace_id,) = traces_in(body)
    path = f"/-/explain?trace_id={trace_id}"
    config = {**KEPT, "web": {"config_file": "web.yml"}}
    with running(tmp_path, config=config) as exporter:
        exporter.send(body)
        for credentials in (None, ("admin", "another word"), ("nobody", "secret word")):
            refused = exporter.get(path, auth=credentials)
            assert (refused.status_code, trace_id in refused.text) == (401, False)
        answer = exporter.get(path, auth=("admin", "secret word"))
        assert (answer.status_code, trace_id in answer.text) == (200, True)


def test_a_reload_turns_it_on_and_off(tmp_path: Path) -> None:
    bodies = [traces(call()) for _ in range(3)]
    first, second, third = traces_in(*bodies)
    with running(tmp_path, config=AT_ONCE) as exporter:
        file = tmp_path / "config.yml"
        exporter.send(bodies[0])
        explained(exporter, first, code=404)
        file.write_text(json.dumps(KEPT))
        exporter.reload()
        exporter.send(bodies[1])
        explained(exporter, second)
        file.write_text(json.dumps({**KEPT, "limits": {"max_explained": 2_000}}))
        exporter.reload()
        explained(exporter, second)
        file.write_text(json.dumps(AT_ONCE))
        exporter.reload()
        exporter.send(bodies[2])
        for trace_id in (first, second, third):
            explained(exporter, trace_id, code=404)
