"""Reloads that fail for a fault of the program: as if they had not been, in every room."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from llm_trace_exporter.app.exporter import Exporter
from llm_trace_exporter.config import Settings, load_config
from llm_trace_exporter.config.content_settings import ContentRulesSettings
from llm_trace_exporter.config.judge_settings import (
    BuiltInJudgeSettings,
    EndpointSettings,
    RuleSettings,
)
from llm_trace_exporter.config.settings import (
    DimensionSettings,
    PricingSettings,
    StateSettings,
    TokenSettings,
)
from llm_trace_exporter.engine.ingest import Ingester
from llm_trace_exporter.engine.wiring import engine_options
from llm_trace_exporter.errors import ConfigError, ExporterError, Overloaded
from llm_trace_exporter.metrics.store import FamilySeries
from llm_trace_exporter.pricing.contracts import ContractBook
from llm_trace_exporter.server.file_watch import FileWatch
from llm_trace_exporter.server.tokens import TokenStore
from tests.e2e.wire import call, traces
from tests.facts import Samples
from tests.server.running import eventually, running, samples, settings_with

LOADED = "llm_exporter_config_last_reload_successful"
FAILURES = "llm_exporter_background_failures_total"
OLD, NEW = "an-old-token-of-it", "a-new-token-of-it"


def configured(folder: Path, name: str, question: str) -> Settings:
    """Settings with a token, a dimension, content rules and a judge."""
    file = folder / f"{name}.token"
    file.write_text({"old": OLD, "new": NEW}[name])
    judge = BuiltInJudgeSettings(
        endpoint=EndpointSettings("http://127.0.0.1:9/v1", "none"),
        rules=(RuleSettings(name, question, where=('service="nobody"',)),),
    )
    return replace(
        settings_with(tokens=(TokenSettings(name, str(file)),)),
        decision_wait_s=600.0,
        state=StateSettings(str(folder / "state.db")),
        dimensions=(DimensionSettings(name, (name,)),),
        content_rules=ContentRulesSettings(refusal=1.0),
        judge=judge,
    )


class Room:
    """An exporter between two configurations."""

    def __init__(self, folder: Path) -> None:
        self.old, self.new = (configured(folder, name, "Is it?") for name in ("old", "new"))
        self.wanted = self.old
        self.exporter: Exporter

    def load(self) -> Settings:
        return self.wanted

    def in_force(self) -> tuple[object, ...]:
        """What each room goes by; the same objects, where nothing was touched."""
        exporter, engine = self.exporter, self.exporter.engine
        return (
            engine.settings,
            engine.pricing,
            engine.store.options,
            engine.ingester._readers,
            engine.ingester._aggregator.dispatcher,
            tuple(engine.ingester.budgets.saved()),
            exporter._consumers._in_force,
            exporter._access._token_store._in_force,
            exporter._updater,
            {name: id(family.series) for name, family in engine.store._families.items()},
        )

    def loaded(self) -> float:
        return samples_only(self.exporter).total(LOADED)


def samples_only(exporter: Exporter) -> Samples:
    """A scrape that settles nothing."""
    return Samples(exporter.render("", [])[0].decode())


@pytest.fixture
def room(tmp_path: Path) -> Iterator[Room]:
    found = Room(tmp_path)
    with running(found.old, found.load) as exporter:
        found.exporter = exporter
        exporter.engine.ingester.ingest_request("traces", "protobuf", traces(call()), "file")
        yield found


def raising(error: Exception) -> Callable[..., Any]:
    def fail(*_: object, **__: object) -> None:
        raise error

    return fail


def no_thread_named(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The system gives no thread of this name, as under a limit of processes."""
    start = threading.Thread.start

    def limited(thread: threading.Thread) -> None:
        if thread.name.startswith(name):
            raise RuntimeError("can't start new thread")
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", limited)


BUG = TypeError("canary")
FAULTS: dict[str, Callable[[pytest.MonkeyPatch], None]] = {
    "options": lambda m: m.setattr("llm_trace_exporter.engine.engine.engine_options", raising(BUG)),
    "prices": lambda m: m.setattr(ContractBook, "__init__", raising(BUG)),
    "tokens": lambda m: m.setattr(TokenStore, "prepare", raising(BUG)),
    "judges": lambda m: no_thread_named("judge-1", m),
    "listeners": lambda m: no_thread_named("listeners", m),
    "price updates": lambda m: no_thread_named("price-updater", m),
    "journal": lambda m: m.setattr(Ingester, "settle_all", raising(Overloaded("disk full"))),
    "journal bug": lambda m: m.setattr(Ingester, "settle_all", raising(BUG)),
    "series": lambda m: m.setattr(FamilySeries, "reconfigured", raising(MemoryError())),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_at_any_step_changes_nothing(
    room: Room, fault: str, caplog: pytest.LogCaptureFixture
) -> None:
    room.wanted = replace(room.new, pricing=PricingSettings(auto_update=True))
    before, threads = room.in_force(), threading.active_count()
    with pytest.MonkeyPatch.context() as monkeypatch:
        FAULTS[fault](monkeypatch)
        monkeypatch.setattr("genai_prices.UpdatePrices.fetch", lambda _: None)
        with pytest.raises(ExporterError) as caught:
            room.exporter.reload()
    assert "canary" not in str(caught.value)
    assert caplog.text.count("the configuration was not reloaded: ") == 1
    assert room.loaded() == 0
    if fault != "series":
        assert room.in_force() == before
    else:
        # What waited is counted before the series move.
        assert room.in_force()[:-1] == before[:-1]
    # Nothing goes on that was begun for it.
    eventually(lambda: threading.active_count() <= threads)

    room.wanted = room.new
    room.exporter.reload()
    assert room.loaded() == 1
    after = room.in_force()
    assert after[0] is room.new
    assert all(one is not other for one, other in zip(before[:5], after[:5], strict=True))
    assert samples(room.exporter).total("llm_requests_total") == 1


def test_nothing_of_the_listeners_changes_where_nothing_new_is_said(room: Room) -> None:
    before = room.exporter._consumers._in_force
    room.wanted = replace(room.old, zero_hold_s=1.0)
    room.exporter.reload()
    assert room.exporter._consumers._in_force is before


def test_what_is_prepared_is_not_in_force(tmp_path: Path) -> None:
    room = Room(tmp_path)
    with running(room.old, room.load) as exporter:
        room.exporter = exporter
        before, page = room.in_force(), exporter.config_yaml()
        engine_options(room.new)
        exporter.engine.prepare(room.new)
        exporter._access.prepare(room.new)
        listeners = exporter._consumers.prepare(room.new)
        assert (room.in_force(), exporter.config_yaml()) == (before, page)
        exporter._consumers.discard(listeners)
        exporter._consumers.discard(exporter._consumers.prepare(room.old))
        assert room.in_force() == before


def test_a_task_that_fails_keeps_no_other_from_its_turn(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("llm_trace_exporter.engine.background.TICK_S", 0.01)
    has_changed = FileWatch.has_changed
    broken = [False]

    def changed(watch: FileWatch) -> bool:
        # Not that of the tokens, whose turn comes last.
        if broken[0] and not any(path.suffix == ".token" for path in watch.paths):
            raise BUG
        return has_changed(watch)

    monkeypatch.setattr(FileWatch, "has_changed", changed)
    monkeypatch.setattr(Ingester, "settle", raising(BUG))
    room = Room(tmp_path)
    with running(room.old) as exporter:
        broken[0] = True

        def total(task: str) -> float:
            return samples_only(exporter).total(FAILURES, task=task)

        eventually(lambda: total("settle") > 20 and total("security") > 20)
        name = "llm_exporter_security_last_reload_successful"
        assert samples_only(exporter).by(name, "part") == {"tokens": 1}
        (tmp_path / "old.token").write_text(NEW)
        ring = exporter._access._token_store
        eventually(lambda: ring.find(NEW) is not None)
        assert total("expire") == total("checkpoint") == total("judge") == 0
    assert caplog.text.count("settle failed: TypeError") == 1
    assert caplog.text.count("security failed: TypeError") == 1


def test_a_content_rule_that_lacks_its_library_is_refused_by_its_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    file = tmp_path / "config.yml"
    with running(settings_with(), lambda: load_config(file)) as exporter:
        monkeypatch.setitem(sys.modules, "py3langid", None)
        file.write_text("content_rules:\n  refusal: 1\n  language: 1\n")
        with pytest.raises(ConfigError):
            exporter.reload()
        assert f"{file}:3: content_rules.language: found py3langid not installed" in caplog.text
        assert exporter.engine.settings.content_rules == ContentRulesSettings()
