"""One table of operations: its readers agree, and a verdict on a trace is about the words in it."""

from __future__ import annotations

from pathlib import Path

import pytest

from llm_trace_exporter.dialects import DIALECTS
from llm_trace_exporter.dialects.kinds import KINDS
from llm_trace_exporter.operations import OPERATIONS, PRICED_PER_REQUEST, WORDLESS
from tests.spans import chat, raw_log, raw_span
from tests.storage.machine import Machine

TABLES = [KINDS, *(dialect.kinds for dialect in DIALECTS)]
GIVEN = {kind.name for kinds in TABLES for kind in kinds.values() if kind.role == "call"}


@pytest.mark.parametrize("operation", sorted(GIVEN))
def test_every_operation_that_a_dialect_gives_is_listed(operation: str) -> None:
    assert operation in {known.names.split()[0] for known in OPERATIONS}


def test_a_name_stands_once() -> None:
    names = [name for operation in OPERATIONS for name in operation.names.split()]
    assert len(names) == len(set(names))


def test_what_has_words_and_what_is_paid_by_the_request() -> None:
    assert {"embeddings", "rerank", "moderation", "image", "audio"} == WORDLESS & GIVEN
    assert {"rerank", "moderation", "image", "audio"} == PRICED_PER_REQUEST & GIVEN


@pytest.mark.parametrize(
    "operation",
    ["embeddings", "rerank", "moderation", "image_generation", "transcription", "speech"],
)
def test_a_verdict_on_a_trace_has_the_model_that_was_talked_with(
    tmp_path: Path, operation: str
) -> None:
    machine = Machine(tmp_path / "state.db")
    talk = raw_span(chat())
    beside = raw_span(
        chat((3, 0), gen_ai__operation__name=operation, gen_ai__request__model="other-model")
        | {"gen_ai.response.model": "other-model"},
        trace=talk.trace_id,
        start_s=2,
    )
    verdict = raw_log(
        {"gen_ai.evaluation.name": "helpful", "gen_ai.evaluation.score.label": "fail"},
        event="gen_ai.evaluation.result",
        trace=talk.trace_id,
    )
    machine.send(beside, talk)
    machine.settle()
    machine.send(verdict)
    machine.settle()
    assert machine.total("llm_requests_total") == 2
    assert machine.shown().by("llm_judge_verdicts_total", "model") == {"gpt-4o": 1}
