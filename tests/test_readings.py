"""`check --explain`: what is read of a capture, and what to do about what nobody understands."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_trace_exporter.cli.main import main
from llm_trace_exporter.config import Settings, conventions_yaml, parse_config
from llm_trace_exporter.config.convention_settings import UsageSettings
from llm_trace_exporter.engine.own_conventions import USAGE_FACTS
from llm_trace_exporter.engine.readings import Reading, Readings, Unread
from llm_trace_exporter.engine.suggestions import suggested
from llm_trace_exporter.engine.wiring import context
from tests.docs.pages import ROOT, marked
from tests.e2e.wire import Log, Span, call, logs, traces
from tests.test_corpus import CORPUS

OWN: dict[str, Any] = {
    "acme.kind": "completion",
    "acme.model": "gpt-4o",
    "acme.vendor": "openai",
    "acme.usage.input_tokens": 5,
    "acme.usage.output_tokens": 7,
    "acme.prompt": "a secret",
    "acme.usd": 0.5,
}
SEEN = Span(OWN, name="complete")


CLOSED = "dialects: {open: {enabled: false}}\n"
"""What is read by names alone leaves less to explain."""


def closed(folder: Path) -> str:
    """A configuration under which only described conventions are read."""
    path = folder.parent / f"{folder.name}.yml"
    path.write_text(CLOSED)
    return str(path)


def readings_of(
    *requests: bytes, settings: Settings | None = None
) -> tuple[list[Reading], list[Unread]]:
    read: list[Reading] = []
    readings = Readings(context(settings or parse_config(CLOSED, "c.yml")), read.append)
    for request in requests:
        readings.ingest_request("traces", "protobuf", request, "file")
    return read, readings.unread


def explained(
    capsys: pytest.CaptureFixture[str], file: Path, *arguments: str
) -> tuple[str, list[list[str]]]:
    """What is printed, and the rows of the table by their words."""
    assert main(["check", *arguments, "--explain", str(file)]) == 0
    out = capsys.readouterr().out
    return out, [line.split() for line in out.splitlines()]


def written(folder: Path, *requests: bytes) -> Path:
    for number, request in enumerate(requests):
        (folder / f"{number}.traces.pb").write_bytes(request)
    return folder


def test_each_span_is_shown_with_what_is_read_of_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tool = Span({"gen_ai.operation.name": "execute_tool"}, name="look up")
    guess = Span({k: v for k, v in call().attrs.items() if k != "gen_ai.operation.name"})
    bad = Span({**call().attrs, "gen_ai.usage.input_tokens": -1}, name="impossible")
    web = Span({"http.method": "GET"}, name="GET /")
    cached = call((100, 7), gen_ai__usage__cache_read__input_tokens=60)
    out, rows = explained(capsys, written(tmp_path, traces(cached, tool, guess, bad, web)))
    tokens = ["input", "40,", "cache_read", "60,", "output", "7"]
    model = ["openai", "gpt-4o-2024-08-06"]
    assert ["semconv", "chat", *model, *tokens, "test", "chat"] in rows
    assert ["semconv", "tool", "-", "-", "-", "test", "look", "up"] in rows
    guessed = ["semconv", "chat,", "by", "evidence", *model]
    assert any(row[: len(guessed)] == guessed for row in rows)
    assert any("rejected:" in row and row[-1] == "impossible" for row in rows)
    assert "GET" not in out and "not understood" not in out


def test_log_records_are_shown_as_well(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    attrs = {"model": "claude-sonnet-4-5", "input_tokens": 3, "output_tokens": 4}
    scope = "com.anthropic.claude_code.events"
    log = logs(Log(attrs, event="claude_code.api_request"), Log({}, event="x"), scope=scope)
    (tmp_path / "a.logs.pb").write_bytes(log)
    _, rows = explained(capsys, tmp_path)
    assert [row[:2] for row in rows if row] == [["convention", "kind"], ["claude_code", "chat"]]


def test_names_of_attributes_are_shown_and_never_their_values(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    capture = written(tmp_path, traces(SEEN, SEEN, scope="acme-llm"))
    out, _ = explained(capsys, capture, closed(tmp_path))
    assert 'not understood: 2 spans of scope "acme-llm", such as "complete"' in out
    assert "other attributes: acme.prompt, acme.usd\n" in out
    assert all(name in out for name in OWN)
    assert not any(str(value) in out for key, value in OWN.items() if isinstance(value, str))


def test_what_is_suggested_loads_and_reads(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    capture = written(tmp_path, traces(SEEN, scope="acme-llm"), traces(SEEN, scope=""))
    out, _ = explained(capsys, capture, closed(tmp_path))
    config = tmp_path / "config.yml"
    config.write_text(CLOSED + out[out.index("conventions:\n") :])
    out, rows = explained(capsys, capture, str(config))
    assert out.startswith(f"{config}: configuration is valid\n")
    read = ["chat", "openai", "gpt-4o", "input", "5,", "output", "7"]
    assert [row[:8] for row in rows[2:]] == [["acme_llm", *read], ["own", *read]]


def test_what_is_to_be_ignored_is_shown_as_read() -> None:
    text = (
        "conventions: [{name: a, detect: {scopes: [acme]}, kind: {keys: [k], values: {x: ignore}}}]"
    )
    settings = parse_config(text, "c.yml")
    spans = traces(Span({"k": "x", "gen_ai.request.model": "m"}), scope="acme")
    (reading,), unread = readings_of(spans, settings=settings)
    assert (reading.dialect, reading.kind, unread) == ("a", "nothing: not_llm", [])


def test_a_file_or_a_capture_is_needed(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["check"])
    assert caught.value.code == 2
    assert "FILE, --config.file or --explain is needed" in capsys.readouterr().err


def test_a_capture_without_calls_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, _ = explained(capsys, written(tmp_path, traces(Span({"http.method": "GET"}))))
    assert out == "no span looks like an LLM's\n"
    assert main(["check", "--explain", str(tmp_path / "missing")]) == 1


def test_names_from_outside_do_nothing_to_a_terminal(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    name = "\x1b[31m[bold]red" + "x" * 200
    spans = traces(Span({**OWN, "acme.\x1b[2J.model": "x"}, name=name), scope="s\x07")
    out, _ = explained(capsys, written(tmp_path, spans, traces(Span(call().attrs, name=name))))
    assert not any(ord(c) < 32 for c in out if c != "\n")
    assert "?[31m[bold]red" in out and "x" * 100 not in out


def test_scopes_by_the_request_fill_no_memory() -> None:
    spans = [traces(SEEN, scope=f"scope {n}") for n in range(300)]
    _, unread = readings_of(*spans)
    assert len(unread) == 100
    assert sum(found.spans for found in unread) == 300
    assert unread[0].spans == 201


def test_only_so_many_rows_are_printed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("llm_trace_exporter.cli.readings._MAX_ROWS", 2)
    out, rows = explained(capsys, written(tmp_path, traces(*[call()] * 5)))
    assert len(rows) == 4
    assert out.endswith("\nand 3 more\n")


def test_every_shipped_convention_is_understood(capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("langfuse", "vercel-ai-sdk", "otel-openai-v2", "traceloop-langchain"):
        out, rows = explained(capsys, CORPUS / name)
        assert "not understood" not in out
        assert any("chat" in row for row in rows)


def test_the_usage_of_the_configuration_has_the_facts() -> None:
    assert {*USAGE_FACTS, "cache"} == set(UsageSettings.__slots__)


def test_the_page_shows_the_shipped_example() -> None:
    text = (ROOT / "examples" / "conventions" / "acme.yml").read_text(encoding="utf-8")
    assert text in [example.text for example in marked("yaml", "config")]


WORDS = st.sampled_from(
    ["acme", "kind", "model", "usage", "input", "output", "tokens", "cached", "total", "provider",
     "user", "id", "finish_reason", "response", "reasoning", "type", "name", "operation", "1h"]
)  # fmt: skip
NAMES = st.one_of(
    st.lists(WORDS, min_size=1, max_size=4).map(".".join), st.text(min_size=1, max_size=6)
)


@given(st.dictionaries(NAMES, st.integers(1, 9), max_size=8), st.text(max_size=12))
def test_whatever_is_suggested_loads_and_reads_those_spans(
    attrs: dict[str, int], scope: str
) -> None:
    request = traces(Span({**attrs, "acme.model": "gpt-4o"}), scope=scope)
    read, unread = readings_of(request)
    text = conventions_yaml(suggested(unread, ()))
    settings = parse_config(text, "c.yml")
    again, left = readings_of(request, settings=settings)
    assert left == []
    assert len(settings.conventions) + len(read) == 1
    assert [found.dialect for found in again] == (
        [settings.conventions[0].name] if unread else [read[0].dialect]
    )
