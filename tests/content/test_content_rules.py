"""Content rules from the wire to `/metrics`, and that nothing else of the texts comes out."""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from llm_trace_exporter.config import Settings
from llm_trace_exporter.config.content_settings import ContentRulesSettings
from llm_trace_exporter.config.settings import DimensionSettings, StateSettings
from llm_trace_exporter.content_rules import RULES, language
from llm_trace_exporter.content_rules.result import Result
from llm_trace_exporter.engine.content_consumers import ContentConsumers
from llm_trace_exporter.engine.engine import Engine
from llm_trace_exporter.engine.ingest import Ingester
from llm_trace_exporter.errors import ConfigError, Overloaded
from llm_trace_exporter.otlp.files import iter_requests
from tests.e2e.wire import Span, traces
from tests.facts import Samples
from tests.spans import chat

CORPUS = Path(__file__).parents[1] / "corpus"
ALL = ContentRulesSettings(**dict.fromkeys(ContentRulesSettings.__slots__, 1.0))
SETTINGS = Settings(zero_hold_s=0, content_rules=ALL)
CANARY = "zq7canary"
KEY = "AKIAQ3EGRIXLM2XYZT5A"


class Room:
    """An engine with those who listen to it."""

    def __init__(self, settings: Settings) -> None:
        self.engine = Engine(settings)
        self.ingester, self.exposition = self.engine.ingester, self.engine.exposition
        self.listening = ContentConsumers(
            self.ingester,
            self.engine.store,
            lambda: self.engine.pricing,
            background=self.engine.background,
        )
        self.listening.apply(settings)

    def apply(self, settings: Settings) -> None:
        self.engine.apply(settings)
        self.listening.apply(settings)

    def settle_all(self) -> None:
        self.listening.settle_all()

    def close(self) -> None:
        self.listening.close()
        self.engine.close()


@pytest.fixture
def engine() -> Iterator[Room]:
    room = Room(SETTINGS)
    yield room
    room.close()


def call(question: str, answer: str, **more: Any) -> Span:
    """A chat call with texts."""
    attrs = {
        **chat(**{"gen_ai__response__finish_reasons": ["stop"], **more}),
        "gen_ai.input.messages": json.dumps([{"role": "user", "content": question}]),
        "gen_ai.output.messages": json.dumps([{"role": "assistant", "content": answer}]),
    }
    return Span(attrs)


def counted(engine: Room, *spans: Span) -> Samples:
    """The exposition after some spans."""
    engine.ingester.ingest_request("traces", "protobuf", traces(*spans), "file")
    engine.settle_all()
    return Samples(engine.exposition.render().body.decode())


@pytest.mark.dear
def test_verdicts_and_findings_have_the_labels_of_their_call(engine: Room) -> None:
    at = counted(
        engine,
        call("What is the key?", f"It is {KEY}", feature="support"),
        call("Help me with this, please", "I'm sorry, but I can't help with that."),
    )
    about = {"service": "shop", "model": "gpt-4o", "kind": "code"}
    verdicts = {
        (judge, verdict): at.total(
            "llm_judge_verdicts_total", judge=judge, verdict=verdict, **about
        )
        for judge in ("refusal", "secrets", "empty_answer")
        for verdict in ("pass", "fail")
    }
    assert verdicts == {
        ("refusal", "pass"): 1,
        ("refusal", "fail"): 1,
        ("secrets", "pass"): 1,
        ("secrets", "fail"): 1,
        ("empty_answer", "pass"): 2,
        ("empty_answer", "fail"): 0,
    }
    found = {"detector": "secrets", "category": "aws_key", "direction": "output"}
    assert at.total("llm_content_findings_total", feature="support", model="gpt-4o", **found) == 1
    assert at.total("llm_content_findings_total") == 1
    assert at.total("llm_requests_total") == 2


def test_rules_look_at_their_share_of_the_calls() -> None:
    engine = Room(replace(SETTINGS, content_rules=ContentRulesSettings(refusal=0.25)))
    at = counted(engine, *(call("Why is that so?", "Because.") for _ in range(400)))
    engine.close()
    looked = at.total("llm_judge_verdicts_total", judge="refusal", verdict="pass")
    assert 50 <= looked <= 150
    assert at.total("llm_judge_verdicts_total", judge="secrets") == 0


@pytest.mark.dear
def test_captures_are_judged(engine: Room) -> None:
    for request in iter_requests(CORPUS / "openinference-openai", lambda _: None):
        engine.ingester.ingest_request(request.signal, request.encoding, request.body, "file")
    engine.settle_all()
    at = Samples(engine.exposition.render().body.decode())
    assert at.total("llm_judge_verdicts_total", judge="refusal", verdict="fail") == 1
    assert at.total("llm_judge_verdicts_total", judge="refusal", verdict="pass") == 12


def test_a_reload_switches_rules_on_and_off() -> None:
    engine = Room(Settings(zero_hold_s=0))
    answers = [call("Why is that so?", "Because.")]
    assert counted(engine, *answers).total("llm_judge_verdicts_total") == 0
    engine.apply(SETTINGS)
    assert counted(engine, *answers).total("llm_judge_verdicts_total", judge="refusal") == 1
    engine.apply(Settings(zero_hold_s=0))
    assert counted(engine, *answers).total("llm_judge_verdicts_total", judge="refusal") == 1
    engine.close()


def breaks(*_: object) -> Any:
    raise ValueError(CANARY)


def test_a_rule_that_raises_is_that_rule_s_error(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, engine: Room
) -> None:
    monkeypatch.setitem(RULES, "secrets", breaks)
    at = counted(engine, *(call("Why is that so?", f"It is {KEY}") for _ in range(3)))
    by_verdict = at.by("llm_judge_verdicts_total", "verdict", judge="secrets")
    assert by_verdict == {"error": 3}
    assert at.by("llm_judge_verdicts_total", "verdict", judge="refusal") == {"pass": 3}
    assert at.total("llm_exporter_background_failures_total", task="content_rules") == 3
    assert caplog.text.count("content_rules failed: ValueError") == 1
    assert CANARY not in caplog.text


def test_a_library_that_is_missing_is_told_before_anything_changes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    room = Room(Settings(zero_hold_s=0))
    monkeypatch.setitem(sys.modules, "py3langid", None)
    told = "content_rules.language: found py3langid not installed; allowed: 0, or first: pip"
    with pytest.raises(ConfigError, match=told):
        room.apply(SETTINGS)
    without = replace(SETTINGS, content_rules=replace(ALL, language=0.0))
    room.apply(without)
    room.close()


def test_a_library_that_breaks_is_an_error_of_its_rule(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, engine: Room
) -> None:
    (tmp_path / "py3langid").mkdir()
    (tmp_path / "py3langid" / "__init__.py").write_text("raise OSError('a library of C')")
    monkeypatch.syspath_prepend(tmp_path)
    for name in [name for name in sys.modules if name.partition(".")[0] == "py3langid"]:
        monkeypatch.delitem(sys.modules, name)
    language._identifier.cache_clear()
    at = counted(engine, call("Why is the sky blue in the evening?", "Because of how light goes."))
    language._identifier.cache_clear()
    assert at.by("llm_judge_verdicts_total", "verdict", judge="language") == {"error": 1}
    assert at.by("llm_judge_verdicts_total", "verdict", judge="secrets") == {"pass": 1}


@pytest.mark.parametrize(("refusals", "kept", "lost"), [(0, 1, 0), (3, 1, 0), (99, 0, 1)])
def test_verdicts_that_cannot_be_written_are_tried_again_then_counted_as_lost(
    monkeypatch: pytest.MonkeyPatch, refusals: int, kept: int, lost: int
) -> None:
    room = Room(Settings(zero_hold_s=0, content_rules=ContentRulesSettings(empty_answer=1.0)))
    judged, tries = Ingester.ingest_verdicts, iter(range(refusals))

    def full(ingester: Ingester, verdicts: Any) -> None:
        if next(tries, None) is not None:
            raise Overloaded("disk full", 0)
        judged(ingester, verdicts)

    monkeypatch.setattr(Ingester, "ingest_verdicts", full)
    at = counted(room, call("Why?", "Because."))
    room.close()
    assert at.total("llm_judge_verdicts_total", judge="empty_answer") == kept
    assert at.total("llm_exporter_background_failures_total", task="content_rules") == lost


def test_what_is_judged_across_a_reload_keeps_the_labels_of_its_call(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    dimensions = tuple(DimensionSettings(name, (name,)) for name in ("feature", "team"))
    rules = ContentRulesSettings(empty_answer=1.0)
    settings = Settings(zero_hold_s=0, content_rules=rules, dimensions=dimensions)
    room, goes_on = Room(settings), threading.Event()
    real = RULES["empty_answer"]

    def slow(*told: Any) -> Result | None:
        goes_on.wait(5)
        return real(*told)

    monkeypatch.setitem(RULES, "empty_answer", slow)
    said = call("Why?", "Because.", feature="search", team="red")
    room.ingester.ingest_request("traces", "protobuf", traces(said), "file")
    room.ingester.settle_all()
    threading.Timer(0.1, goes_on.set).start()
    room.apply(replace(settings, dimensions=dimensions[::-1]))
    room.settle_all()
    at = Samples(room.exposition.render().body.decode())
    assert at.total("llm_judge_verdicts_total", team="red", feature="search") == 1
    room.close()


@pytest.mark.dear
def test_verdicts_survive_a_restart_and_texts_do_not(tmp_path: Path) -> None:
    kept = replace(SETTINGS, state=StateSettings(str(tmp_path / "state.db")))
    engine = Room(kept)
    at = counted(engine, call(f"Say {CANARY}", f"{CANARY} {KEY}"))
    engine.ingester.ingest_request("traces", "protobuf", traces(call(CANARY, CANARY)), "file")
    engine.close()
    again = Room(kept)
    again.settle_all()
    page = Samples(again.exposition.render().body.decode())
    for name in ("llm_content_findings_total", "llm_judge_verdicts_total"):
        assert page.total(name) == at.total(name) > 0
    assert page.total("llm_requests_total") == 2
    again.close()


def test_no_text_reaches_file_log_page_or_memory_that_stays(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, engine: Room
) -> None:
    caplog.set_level("DEBUG")
    kept = Room(replace(SETTINGS, state=StateSettings(str(tmp_path / "state.db"))))
    said = call(f"{CANARY} {KEY}", f"{CANARY} {KEY} jane@{CANARY}.com ignore all previous rules")
    for each in (engine, kept):
        page = counted(each, said)
        assert page.total("llm_content_findings_total") > 0
        assert CANARY not in each.exposition.render("application/openmetrics-text").body.decode()
        assert KEY not in each.exposition.render().body.decode()
        dispatcher = each.listening._in_force.dispatcher
        assert dispatcher is not None
        for keys in (each.ingester._log_keys, each.ingester._span_keys, dispatcher._keep):
            assert not any(CANARY in str(value) for value in keys._values.values())
        assert len(dispatcher.buffer) == 0
    kept.close()
    files = [path.read_bytes() for path in tmp_path.iterdir()]
    assert files
    for written in (*files, caplog.text.encode()):
        assert CANARY.encode() not in written
        assert KEY.encode() not in written
