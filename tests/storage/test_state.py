"""What was acknowledged is counted, exactly once, through crashes, damage and full disks."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path

import pytest
import zstandard

from llm_trace_exporter.config import Settings
from llm_trace_exporter.config.limit_settings import LimitSettings
from llm_trace_exporter.config.objective_settings import BudgetSettings
from llm_trace_exporter.config.settings import StateSettings
from llm_trace_exporter.dialects import Context
from llm_trace_exporter.engine.engine import Engine
from llm_trace_exporter.errors import ExporterError, Overloaded
from llm_trace_exporter.metrics.catalogue import FAMILIES
from llm_trace_exporter.otlp.files import FileRequest, iter_requests
from llm_trace_exporter.storage import Entry, State
from llm_trace_exporter.storage.journal import Codec
from tests.facts import COMPARED, Samples, facts
from tests.spans import chat, raw_log, raw_span, read_log, read_span
from tests.test_corpus import CORPUS

SOURCES = ("claude-code", "openinference-anthropic", "logfire-pydantic-ai", "opensearch-genai")


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """A state file, and calls that wait long."""
    path = str(tmp_path / "state" / "exporter.db")
    return Settings(zero_hold_s=0, decision_wait_s=600, state=StateSettings(path))


def requests() -> list[FileRequest]:
    """Requests whose calls nest, repeat and are judged."""
    return [r for s in SOURCES for r in iter_requests(CORPUS / s, lambda _: None)]


def send(engine: Engine, request: FileRequest) -> None:
    """One request, as a receiver hands it on."""
    engine.ingester.ingest_request(request.signal, request.encoding, request.body, "otlp_http")


def crash(engine: Engine) -> None:
    """Lose everything that is not in the file."""
    assert engine.state is not None
    engine.state.close()


def page(engine: Engine) -> Samples:
    """What is shown."""
    return Samples(engine.exposition.render().body.decode())


def counted(engine: Engine) -> dict[str, object]:
    """The facts, but for what resending adds."""
    found = facts(engine.exposition.render().body.decode())
    return {k: write(found[k]) for k, write in COMPARED.items() if k != "naive_tokens"}


@pytest.fixture(scope="module")
def undisturbed() -> dict[str, object]:
    """What is counted when nothing goes wrong."""
    engine = Engine(Settings(zero_hold_s=0, decision_wait_s=600))
    for request in requests():
        send(engine, request)
    engine.ingester.settle_all()
    return counted(engine)


@pytest.mark.parametrize("seed", range(6))
def test_crashes_lose_and_double_nothing(
    seed: int, settings: Settings, undisturbed: dict[str, object]
) -> None:
    """Crashes and checkpoints at random moments, clients that send again after each crash."""
    chance = random.Random(seed)
    engine = Engine(settings)
    for request in requests():
        send(engine, request)
        if chance.random() < 0.3:
            assert engine.checkpointer is not None
            engine.checkpointer.checkpoint()
        if chance.random() < 0.4:
            crash(engine)
            engine = Engine(settings)
            send(engine, request)
    engine.ingester.settle_all()
    assert counted(engine) == undisturbed
    crash(engine)
    again = Engine(settings)
    assert counted(again) == undisturbed
    again.close()
    assert counted(Engine(settings)) == undisturbed


def test_waiting_calls_go_on_waiting_after_an_orderly_end(settings: Settings) -> None:
    """A reporter that comes after the restart still joins its call."""
    engine = Engine(settings)
    (first, *rest) = list(iter_requests(CORPUS / "otel-genai-openai", lambda _: None))
    send(engine, first)
    for request in rest:
        engine.close()
        engine = Engine(settings)
        send(engine, request)
    engine.ingester.settle_all()
    alone = Engine(Settings(zero_hold_s=0))
    for request in (first, *rest):
        send(alone, request)
    alone.ingester.settle_all()
    assert counted(engine) == counted(alone)


def test_what_waits_again_after_a_start_does_so_by_what_is_saved(settings: Settings) -> None:
    """A start by shorter waits, a checkpoint, calls that settle, a crash: they stay settled."""
    now_s = 0.0

    def started(wait_s: float) -> Engine:
        waits = replace(settings, decision_wait_s=wait_s)
        return Engine(waits, clock=lambda: now_s, wall_clock_ns=lambda: round((1e9 + now_s) * 1e9))

    engine = started(600)
    for request in requests():
        send(engine, request)
    engine.close()
    engine = started(5)
    assert engine.checkpointer is not None
    engine.checkpointer.checkpoint()
    before = engine.ingester.waiting
    now_s += 6
    engine.ingester.settle()
    left, shown = engine.ingester.waiting, counted(engine)
    assert left < before
    crash(engine)
    again = started(5)
    assert (again.ingester.waiting, counted(again)) == (left, shown)


@pytest.mark.parametrize("checkpoints", [True, False])
def test_only_what_belongs_to_the_process_is_gone_after_a_crash(
    settings: Settings, checkpoints: bool
) -> None:
    """Label sets that are missing after a crash are those that no file is to keep."""
    engine = Engine(replace(settings, compat=("semconv", "openlit")))
    for request in requests():
        send(engine, request)
    engine.ingester.settle_all()
    engine.exposition.render()
    if checkpoints:
        assert engine.checkpointer is not None
        engine.checkpointer.checkpoint()
    before = label_sets(engine)
    crash(engine)
    after = label_sets(Engine(replace(settings, compat=("semconv", "openlit"))))
    kept = {family.name for family in FAMILIES if family.lasts}
    assert {one for one in before if one[0] in kept} == {one for one in after if one[0] in kept}
    gone = {name for name, _ in before - after}
    assert "llm_exporter_ingest_duration_seconds" in gone
    assert not gone & kept


def label_sets(engine: Engine) -> set[tuple[str, tuple[str, ...]]]:
    """(family, label values) of every series, before anything is rendered."""
    engine.ingester.refresh_gauges()
    engine.store.update_limits()
    return {
        (family.name, key)
        for family in FAMILIES
        for key in engine.store.counters(family.name).series
    }


def test_restored_series_are_not_held_at_zero(settings: Settings) -> None:
    """What Prometheus saw before the restart goes on where it was."""
    holding = replace(settings, zero_hold_s=3600)
    engine = Engine(settings)
    send(engine, requests()[0])
    engine.ingester.settle_all()
    before = Samples(engine.exposition.render().body.decode()).total("llm_requests_total")
    engine.close()
    after = Samples(Engine(holding).exposition.render().body.decode()).total("llm_requests_total")
    assert before == after > 0


def test_what_was_discarded_before_a_reload_is_in_the_next_checkpoint(settings: Settings) -> None:
    engine = Engine(settings)
    assert engine.checkpointer is not None
    engine.checkpointer.checkpoint()
    for request in requests()[:2] * 2:
        send(engine, request)
    engine.apply(settings)
    engine.checkpointer.checkpoint()
    before = page(engine).by("llm_exporter_discarded_total", "reason")
    crash(engine)
    assert page(Engine(settings)).by("llm_exporter_discarded_total", "reason") == before != {}


@pytest.mark.parametrize(
    "content", [b"not a database at all" * 100, b"SQLite format 3\0" + b"x" * 9000]
)
def test_a_damaged_file_is_moved_aside(settings: Settings, content: bytes) -> None:
    """No crash loop: a new file is begun, the old one stays for whoever wants to look."""
    path = Path(settings.state.path)
    path.parent.mkdir()
    path.write_bytes(content)
    engine = Engine(settings)
    send(engine, requests()[0])
    at = Samples(engine.exposition.render().body.decode())
    assert at.total("llm_exporter_state_errors_total", reason="unusable") == 1
    assert [p.read_bytes() for p in path.parent.glob("*.unusable-*")] == [content]


def test_a_directory_that_cannot_be_written_is_a_clear_error(tmp_path: Path) -> None:
    """The file's parent is a file."""
    (tmp_path / "taken").write_text("")
    with pytest.raises(ExporterError, match="taken"):
        State(tmp_path / "taken" / "x.db")


def is_refused(engine: Engine, request: FileRequest) -> bool:
    """Whether the exporter asks for the request to be sent again later."""
    try:
        send(engine, request)
    except Overloaded:
        return True
    return False


def test_a_full_disk_pushes_back_and_recovers(settings: Settings) -> None:
    """Nothing refused is counted, nothing acknowledged is lost, and it recovers by itself."""
    engine = Engine(settings)
    first, second, *_ = requests()
    send(engine, first)
    assert engine.state is not None
    database = engine.state._file._db
    assert database is not None
    pages = database.execute("PRAGMA page_count").fetchone()[0]
    database.execute(f"PRAGMA max_page_count = {pages}")
    refused = sum(is_refused(engine, second) for _ in range(50))
    assert refused
    database.execute("PRAGMA max_page_count = 1000000")
    send(engine, second)
    engine.ingester.settle_all()
    alone = Engine(Settings(zero_hold_s=0))
    for request in (first, second):
        send(alone, request)
    alone.ingester.settle_all()
    assert counted(engine) == counted(alone)
    at = Samples(engine.exposition.render().body.decode())
    assert at.total("llm_exporter_state_errors_total", reason="commit") == refused


def test_the_journal_ends_with_the_checkpoint(settings: Settings) -> None:
    """Whatever came before it is in what the checkpoint holds."""
    engine = Engine(settings)
    for request in requests():
        send(engine, request)
    assert engine.state is not None
    assert engine.checkpointer is not None
    assert list(engine.state.entries())
    engine.checkpointer.checkpoint()
    assert not list(engine.state.entries())


def test_entries_come_back_as_they_were() -> None:
    """Every kind of record."""
    core_requests = [r for r in requests() if r.signal == "traces"]
    engine = Engine(Settings())
    entries: list[Entry] = []

    class Journal:
        def append(self, entry: Entry) -> None:
            entries.append(entry)

    engine.ingester._journal = Journal()
    for request in core_requests:
        send(engine, request)
    codec = Codec()
    assert entries
    assert [codec.unpack(codec.pack(e)) for e in entries] == entries


@pytest.mark.parametrize(
    "packed", [b"", b"x", zstandard.compress(b"\x07"), zstandard.compress(b"")]
)
def test_bytes_that_are_no_entry_are_told_as_such(packed: bytes) -> None:
    """Never another error."""
    with pytest.raises(ExporterError):
        Codec().unpack(packed)


@pytest.mark.parametrize("ends_in_order", [True, False])
def test_a_verdict_finds_its_call_after_a_restart(settings: Settings, ends_in_order: bool) -> None:
    """Also where the journal does not reach back to the call any more."""
    settings = replace(settings, decision_wait_s=0, limits=LimitSettings(max_spans=100))
    engine = Engine(settings)
    call = raw_span(chat() | {"feature": "refunds"})
    now_s = engine.store.clock()
    engine.ingester._commit_and_apply(Entry(now_s, "otlp_http", (read_span(call, Context()),)))
    assert engine.checkpointer is not None
    engine.checkpointer.checkpoint()
    for _ in range(300):
        reading = read_span(raw_span(chat()), Context())
        engine.ingester._commit_and_apply(Entry(now_s, "otlp_http", (reading,)))
    engine.checkpointer.checkpoint()
    if ends_in_order:
        engine.close()
    else:
        crash(engine)
    again = Engine(replace(settings, dimensions=settings.dimensions[::-1]))
    told = {"gen_ai.evaluation.name": "faithful", "gen_ai.evaluation.score.label": "fail"}
    log = raw_log(told, event="gen_ai.evaluation.result", trace=call.trace_id, span=call.span_id)
    again.ingester._commit_and_apply(Entry(now_s, "otlp_http", (), (read_log(log, Context()),)))
    again.ingester.settle_all()
    samples = Samples(again.exposition.render("", []).body.decode())
    (verdict,) = samples.matching("llm_judge_verdicts_total", verdict="fail")
    assert (verdict.labels["feature"], verdict.labels["model"]) == ("refunds", "gpt-4o")


@pytest.mark.parametrize("checkpoints", [True, False])
def test_budgets_go_on_after_a_crash(settings: Settings, checkpoints: bool) -> None:
    budget = BudgetSettings("all", 100.0, "quarterly")
    settings = replace(settings, decision_wait_s=0, budgets=(budget,))
    engine = Engine(settings)
    for request in requests():
        send(engine, request)
    engine.ingester.settle_all()
    assert engine.checkpointer is not None
    if checkpoints:
        engine.checkpointer.checkpoint()
    before = Samples(engine.exposition.render("", []).body.decode())
    spent = before.total("llm_budget_spent_usd", budget="all", period="quarterly")
    assert spent == pytest.approx(before.total("llm_cost_usd_total"))
    assert spent > 0
    crash(engine)
    after = Samples(Engine(settings).exposition.render("", []).body.decode())
    assert after.total("llm_budget_spent_usd") == pytest.approx(spent)
