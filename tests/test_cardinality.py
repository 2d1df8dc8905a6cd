"""The dry run: what an input would cost, told without caps and held against them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from llm_trace_exporter.cli.cardinality import cost_of_families, cost_of_labels
from llm_trace_exporter.cli.main import main
from llm_trace_exporter.config import Settings
from llm_trace_exporter.engine.engine import Engine
from llm_trace_exporter.engine.wiring import uncapped
from llm_trace_exporter.otlp.files import iter_requests
from tests.facts import Samples
from tests.test_corpus import CORPUS


def filled(settings: Settings) -> Engine:
    engine = Engine(settings)
    for request in iter_requests(CORPUS / "langsmith", lambda _: None):
        engine.ingester.ingest_request(request.signal, request.encoding, request.body, "file")
    engine.ingester.settle_all()
    return engine


def test_families_cost_what_a_scrape_holds() -> None:
    engine = filled(uncapped(Settings(zero_hold_s=0)))
    costs = {cost.name: cost for cost in cost_of_families(engine.store)}
    at = Samples(engine.exposition.render().body.decode())
    duration = costs["llm_request_duration_seconds"]
    names = [f"llm_request_duration_seconds{s}" for s in ("_bucket", "_sum", "_count")]
    assert duration.samples == sum(len(at.by_name[name]) for name in names)
    assert costs["llm_requests_total"].samples == len(at.by_name["llm_requests_total"])


def test_labels_are_counted_beyond_their_caps() -> None:
    capped = Settings(zero_hold_s=0, labels=replace(Settings().labels, caps={"model": 1}))
    engine = filled(uncapped(capped))
    costs = {cost.name: cost for cost in cost_of_labels(engine.store, {"model": 1}, 100)}
    assert (costs["model"].values, costs["model"].cap) == (3, 1)
    models = Samples(filled(capped).exposition.render().body.decode()).by(
        "llm_requests_total", "model"
    )
    assert len(models) == 2
    assert "other" in models


def test_the_command_prints_both_tables(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["cardinality", str(CORPUS / "openlit")]) == 0
    printed = capsys.readouterr().out
    assert "llm_request_duration_seconds" in printed
    assert "over the cap" in printed
