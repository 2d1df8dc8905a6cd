"""What was acknowledged is counted, exactly once, through crashes, damage and full disks."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path

import pytest
import zstandard

from llm_trace_exporter.config import Settings
from llm_trace_exporter.config.objective_settings import BudgetSettings
from llm_trace_exporter.config.settings import LimitSettings, StateSettings
from llm_trace_exporter.dialects import Context
from llm_trace_exporter.engine.engine import Core
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
    return Settings(zero_hold_s=0, settle_s=600, state=StateSettings(path))


def requests() -> list[FileRequest]:
    """Requests whose calls nest, repeat and are judged."""
    return [r for s in SOURCES for r in iter_requests(CORPUS / s, lambda _: None)]


def send(core: Core, request: FileRequest) -> None:
    """One request, as a receiver hands it on."""
    core.intake.export(request.signal, request.encoding, request.body, "otlp_http")


def crash(core: Core) -> None:
    """Lose everything that is not in the file."""
    assert core.state is not None
    core.state.close()


def page(core: Core) -> Samples:
    """What is shown."""
    return Samples(core.exposition.render().body.decode())


def counted(core: Core) -> dict[str, object]:
    """The facts, but for what resending adds."""
    found = facts(core.exposition.render().body.decode())
    return {k: write(found[k]) for k, write in COMPARED.items() if k != "naive_tokens"}


@pytest.fixture(scope="module")
def undisturbed() -> dict[str, object]:
    """What is counted when nothing goes wrong."""
    core = Core(Settings(zero_hold_s=0, settle_s=600))
    for request in requests():
        send(core, request)
    core.intake.settle_all()
    return counted(core)


@pytest.mark.parametrize("seed", range(6))
def test_crashes_lose_and_double_nothing(
    seed: int, settings: Settings, undisturbed: dict[str, object]
) -> None:
    """Crashes and checkpoints at random moments, clients that send again after each crash."""
    chance = random.Random(seed)
    core = Core(settings)
    for request in requests():
        send(core, request)
        if chance.random() < 0.3:
            assert core.keeper is not None
            core.keeper.checkpoint()
        if chance.random() < 0.4:
            crash(core)
            core = Core(settings)
            send(core, request)
    core.intake.settle_all()
    assert counted(core) == undisturbed
    crash(core)
    again = Core(settings)
    assert counted(again) == undisturbed
    again.close()
    assert counted(Core(settings)) == undisturbed


def test_waiting_calls_go_on_waiting_after_an_orderly_end(settings: Settings) -> None:
    """A teller that comes after the restart still joins its call."""
    core = Core(settings)
    (first, *rest) = list(iter_requests(CORPUS / "otel-genai-openai", lambda _: None))
    send(core, first)
    for request in rest:
        core.close()
        core = Core(settings)
        send(core, request)
    core.intake.settle_all()
    alone = Core(Settings(zero_hold_s=0))
    for request in (first, *rest):
        send(alone, request)
    alone.intake.settle_all()
    assert counted(core) == counted(alone)


@pytest.mark.parametrize("checkpoints", [True, False])
def test_only_what_belongs_to_the_process_is_gone_after_a_crash(
    settings: Settings, checkpoints: bool
) -> None:
    """Label sets that are missing after a crash are those that no file is to keep."""
    core = Core(replace(settings, compat=("semconv", "openlit")))
    for request in requests():
        send(core, request)
    core.intake.settle_all()
    core.exposition.render()
    if checkpoints:
        assert core.keeper is not None
        core.keeper.checkpoint()
    before = label_sets(core)
    crash(core)
    after = label_sets(Core(replace(settings, compat=("semconv", "openlit"))))
    kept = {family.name for family in FAMILIES if family.lasts}
    assert {one for one in before if one[0] in kept} == {one for one in after if one[0] in kept}
    gone = {name for name, _ in before - after}
    assert "llm_exporter_ingest_duration_seconds" in gone
    assert not gone & kept


def label_sets(core: Core) -> set[tuple[str, tuple[str, ...]]]:
    """(family, label values) of every series, before anything is rendered."""
    core.intake.refresh_gauges()
    core.store.update_limits()
    return {
        (family.name, key) for family in FAMILIES for key in core.store.counters(family.name).series
    }


def test_restored_series_are_not_held_at_zero(settings: Settings) -> None:
    """What Prometheus saw before the restart goes on where it was."""
    holding = replace(settings, zero_hold_s=3600)
    core = Core(settings)
    send(core, requests()[0])
    core.intake.settle_all()
    before = Samples(core.exposition.render().body.decode()).total("llm_requests_total")
    core.close()
    after = Samples(Core(holding).exposition.render().body.decode()).total("llm_requests_total")
    assert before == after > 0


def test_what_was_discarded_before_a_reload_is_in_the_next_checkpoint(settings: Settings) -> None:
    core = Core(settings)
    assert core.keeper is not None
    core.keeper.checkpoint()
    for request in requests()[:2] * 2:
        send(core, request)
    core.apply(settings)
    core.keeper.checkpoint()
    before = page(core).by("llm_exporter_discarded_total", "reason")
    crash(core)
    assert page(Core(settings)).by("llm_exporter_discarded_total", "reason") == before != {}


@pytest.mark.parametrize(
    "content", [b"not a database at all" * 100, b"SQLite format 3\0" + b"x" * 9000]
)
def test_a_damaged_file_is_moved_aside(settings: Settings, content: bytes) -> None:
    """No crash loop: a new file is begun, the old one stays for whoever wants to look."""
    path = Path(settings.state.path)
    path.parent.mkdir()
    path.write_bytes(content)
    core = Core(settings)
    send(core, requests()[0])
    at = Samples(core.exposition.render().body.decode())
    assert at.total("llm_exporter_state_errors_total", reason="unusable") == 1
    assert [p.read_bytes() for p in path.parent.glob("*.unusable-*")] == [content]


def test_a_directory_that_cannot_be_written_is_a_clear_error(tmp_path: Path) -> None:
    """The file's parent is a file."""
    (tmp_path / "taken").write_text("")
    with pytest.raises(ExporterError, match="taken"):
        State(tmp_path / "taken" / "x.db")


def is_refused(core: Core, request: FileRequest) -> bool:
    """Whether the exporter asks for the request to be sent again later."""
    try:
        send(core, request)
    except Overloaded:
        return True
    return False


def test_a_full_disk_pushes_back_and_recovers(settings: Settings) -> None:
    """Nothing refused is counted, nothing acknowledged is lost, and it recovers by itself."""
    core = Core(settings)
    first, second, *_ = requests()
    send(core, first)
    assert core.state is not None
    database = core.state._file._db
    assert database is not None
    pages = database.execute("PRAGMA page_count").fetchone()[0]
    database.execute(f"PRAGMA max_page_count = {pages}")
    refused = sum(is_refused(core, second) for _ in range(50))
    assert refused
    database.execute("PRAGMA max_page_count = 1000000")
    send(core, second)
    core.intake.settle_all()
    alone = Core(Settings(zero_hold_s=0))
    for request in (first, second):
        send(alone, request)
    alone.intake.settle_all()
    assert counted(core) == counted(alone)
    at = Samples(core.exposition.render().body.decode())
    assert at.total("llm_exporter_state_errors_total", reason="commit") == refused


def test_the_journal_ends_with_the_checkpoint(settings: Settings) -> None:
    """Whatever came before it is in what the checkpoint holds."""
    core = Core(settings)
    for request in requests():
        send(core, request)
    assert core.state is not None
    assert core.keeper is not None
    assert list(core.state.entries())
    core.keeper.checkpoint()
    assert not list(core.state.entries())


def test_entries_come_back_as_they_were() -> None:
    """Every kind of record."""
    core_requests = [r for r in requests() if r.signal == "traces"]
    core = Core(Settings())
    entries: list[Entry] = []

    class Journal:
        def append(self, entry: Entry) -> None:
            entries.append(entry)

    core.intake._journal = Journal()
    for request in core_requests:
        send(core, request)
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
    settings = replace(settings, settle_s=0, limits=LimitSettings(max_spans=100))
    core = Core(settings)
    call = raw_span(chat() | {"feature": "refunds"})
    now_s = core.store.clock()
    core.intake._commit_and_apply(Entry(now_s, "otlp_http", (read_span(call, Context()),)))
    assert core.keeper is not None
    core.keeper.checkpoint()
    for _ in range(300):
        reading = read_span(raw_span(chat()), Context())
        core.intake._commit_and_apply(Entry(now_s, "otlp_http", (reading,)))
    core.keeper.checkpoint()
    if ends_in_order:
        core.close()
    else:
        crash(core)
    again = Core(replace(settings, dimensions=settings.dimensions[::-1]))
    told = {"gen_ai.evaluation.name": "faithful", "gen_ai.evaluation.score.label": "fail"}
    log = raw_log(told, event="gen_ai.evaluation.result", trace=call.trace_id, span=call.span_id)
    again.intake._commit_and_apply(Entry(now_s, "otlp_http", (), (read_log(log, Context()),)))
    again.intake.settle_all()
    samples = Samples(again.exposition.render("", []).body.decode())
    (verdict,) = samples.matching("llm_judge_verdicts_total", verdict="fail")
    assert (verdict.labels["feature"], verdict.labels["model"]) == ("refunds", "gpt-4o")


@pytest.mark.parametrize("checkpoints", [True, False])
def test_budgets_go_on_after_a_crash(settings: Settings, checkpoints: bool) -> None:
    budget = BudgetSettings("all", 100.0, "quarterly")
    settings = replace(settings, settle_s=0, budgets=(budget,))
    core = Core(settings)
    for request in requests():
        send(core, request)
    core.intake.settle_all()
    assert core.keeper is not None
    if checkpoints:
        core.keeper.checkpoint()
    before = Samples(core.exposition.render("", []).body.decode())
    spent = before.total("llm_budget_spent_usd", budget="all", period="quarterly")
    assert spent == pytest.approx(before.total("llm_cost_usd_total"))
    assert spent > 0
    crash(core)
    after = Samples(Core(settings).exposition.render("", []).body.decode())
    assert after.total("llm_budget_spent_usd") == pytest.approx(spent)
