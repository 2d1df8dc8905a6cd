"""Every capture, replayed, gives the numbers of its expected.json: every fact of it.

What a capture's `uncertain` list names is decided and asserted too; docs/architecture.md says
how.
"""

from __future__ import annotations

import json
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest

from llm_trace_exporter.config import Settings
from llm_trace_exporter.config.settings import DialectSettings
from llm_trace_exporter.dialects import DIALECTS
from llm_trace_exporter.engine.engine import Engine
from llm_trace_exporter.otlp.files import iter_requests
from tests.facts import COMPARED, Samples, facts, verdict_facts

CORPUS = Path(__file__).parent / "corpus"
SOURCES = sorted(path.parent.name for path in CORPUS.glob("*/expected.json"))
TRUSTING = Settings(
    zero_hold_s=0,
    dialects={d.name: DialectSettings(reported_cost="trust") for d in DIALECTS},
)
"""Reported cost is a fact of the wire: here it is shown for every dialect."""


def replayed(source: str, settings: Settings = TRUSTING) -> str:
    """The exposition after a replay of one capture."""
    engine = Engine(settings)
    notes: list[str] = []
    for request in iter_requests(CORPUS / source, notes.append):
        outcome = engine.ingester.ingest_request(
            request.signal, request.encoding, request.body, "file"
        )
        assert outcome.rejected == 0, outcome.message
    engine.ingester.settle_all()
    assert all("/extra/" in note for note in notes), notes
    return engine.exposition.render().body.decode()


def expectation(source: str) -> dict[str, Any]:
    """expected.json of one capture."""
    expected: dict[str, Any] = json.loads((CORPUS / source / "expected.json").read_text())
    return expected


def wrong_facts(expected: dict[str, Any], found: dict[str, Any]) -> dict[str, Any]:
    """The facts that expected.json tells and that were found to be others.

    Not every capture tells every fact, nor every column of its models.
    """
    wrong: dict[str, Any] = {}
    for fact, write in COMPARED.items():
        if fact not in expected:
            continue
        told, seen = write(expected[fact]), write(found[fact])
        if fact == "per_model":
            is_partial = any("input_all" not in columns for columns in told.values())
            seen = {
                model: {column: columns.get(column) for column in told.get(model, columns)}
                for model, columns in seen.items()
                if model in told or not is_partial
            }
        if told != seen:
            wrong[fact] = {"expected": told, "found": seen}
    return wrong


def test_the_whole_corpus_is_here() -> None:
    """A clone alone holds every capture."""
    assert len(SOURCES) >= 101


@pytest.mark.parametrize("source", SOURCES)
def test_a_capture_gives_its_expected_numbers(source: str) -> None:
    """Calls, errors, tokens, models, finish reasons, cost, first tokens, tools, feedback."""
    expected = expectation(source)
    found = facts(replayed(source))
    assert wrong_facts(expected, found) == {}


@pytest.mark.parametrize("source", [s for s in SOURCES if expectation(s).get("verdicts")])
def test_a_capture_gives_its_verdicts(source: str) -> None:
    """Each result once, with who judged and what was judged; scores within 0-1 in the histogram."""
    expected = expectation(source)
    at = Samples(replayed(source))
    found: dict[tuple[str, ...], float] = defaultdict(float)
    for sample in at.matching("llm_judge_verdicts_total"):
        if sample.value:
            labels = sample.labels
            found[labels["judge"], labels["kind"], labels["verdict"]] += sample.value
    assert dict(found) == verdict_facts(expected)
    scores = [v["score"] * v["n"] for v in expected["verdicts"] if v["score"] is not None]
    assert at.total("llm_judge_score_sum") == pytest.approx(sum(s for s in scores if 0 <= s <= 1))


@pytest.mark.parametrize("source", ["openlit", "trulens"])
def test_costs_that_ignore_the_cache_discount_are_not_trusted(source: str) -> None:
    """By default the list price outranks them where the call can be priced."""
    at = Samples(replayed(source, Settings(zero_hold_s=0)))
    assert at.total("llm_cost_usd_total", cost_source="reported") == 0
    assert at.total("llm_cost_usd_total", cost_source="list") > 0


def test_judges_calls_are_marked() -> None:
    """Spend of evaluators is real, but kept out of the feature's panels."""
    at = Samples(replayed("openinference-evals"))
    assert at.total("llm_requests_total", purpose="judge") == 1
    assert at.total("llm_requests_total") == 3
