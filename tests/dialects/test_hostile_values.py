"""Every value that breaks things, under every key, in every kind of record of every dialect."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from llm_trace_exporter.dialects import DIALECTS, Context, RecordParser
from llm_trace_exporter.dialects.registry import TABLES
from llm_trace_exporter.dialects.schema import Dialect
from llm_trace_exporter.errors import RejectedRecord
from llm_trace_exporter.model import ParsedRecord, Step
from llm_trace_exporter.storage import Entry
from llm_trace_exporter.storage.journal import Codec
from tests.spans import chat, raw_log, raw_span

HUGE = "1" + "0" * 400
VALUES: tuple[Any, ...] = (
    float("inf"),
    float("nan"),
    -1e308,
    2**63 - 1,
    -1,
    True,
    b"\xff\xfe",
    "\0\n\"'\\{}",
    "9" * 400,
    "\N{ARABIC-INDIC DIGIT FOUR}\N{ARABIC-INDIC DIGIT TWO}\N{ARABIC-INDIC DIGIT NINE}",
    '"\\ud800x"',
    "0001-01-01T00:00:00+14:00",
    f'{{"input": {HUGE}, "feature": {HUGE}, "score": {HUGE}}}',
    f'[{{"score": {HUGE}}}, {{"score": NaN}}, {{"score": -Infinity}}]',
    "{'feature': 0x" + "f" * 6_000 + "}",
    '{"feature": "\\ud800", "team": ["\\udfff"], "model": {"a": "\\ud800"}}',
    [None, [[]], {"a": [float("nan")]}, 2**62, b""],
    {"values": [{"a": {}}, "\0"], "input": -1, "feature": b"\xff"},
)
INDEXED = (
    "retrieval.documents.0.document.score",
    "retrieval.documents.\N{ARABIC-INDIC DIGIT ONE}.document.score",
    "evaluations.0.evaluation.score",
    "trace.annotations.9999.annotation.label",
)


def records(dialect: Dialect) -> Iterator[tuple[str, dict[str, Any]]]:
    """(event name, attributes) that make a record each kind of this dialect's."""
    detect_by = dict.fromkeys(dialect.detect_by, "x")
    told: dict[Any, str] = {}
    for word, kind in dialect.kinds.items():
        told.setdefault((kind.role, kind.name, kind.judge), word)
    for word in told.values() or [""]:
        yield "", detect_by | {dialect.kind_keys[0] if dialect.kind_keys else "x": word}
    for event in dialect.logs:
        yield event, detect_by | {"event.name": event}


@pytest.mark.dear
@pytest.mark.parametrize("dialect", DIALECTS, ids=lambda d: d.name)
def test_a_record_is_rejected_or_can_be_kept(dialect: Dialect) -> None:
    """Nothing escapes, and what is read fits into the journal.

    Every value is under every key of some kind of record, and in every kind under some key.
    """
    reader, codec = RecordParser(Context()), Codec()
    scope = next(iter(dialect.scopes), "test")
    keys = sorted({where.attr for at in TABLES[dialect.name].values() for where in at})
    kinds = list(records(dialect))
    share = min(len(kinds), len(VALUES))
    read = 0
    for kind, (event, attrs) in enumerate(kinds):
        found: list[ParsedRecord] = []
        for place, key in enumerate((*keys, *INDEXED)):
            for value in VALUES[(place + kind) % share :: share]:
                told = {**attrs, key: value}
                try:
                    if event:
                        found.append(reader.log(raw_log(told, scope=scope, event=event)))
                    else:
                        found.append(reader.span(raw_span(told, scope=scope)))
                except RejectedRecord:
                    continue
        entry = Entry(0.0, spans=tuple(found))
        assert len(codec.unpack(codec.pack(entry)).spans) == len(found)
        read += len(found)
    assert read > len(keys) * len(VALUES) / 4


@pytest.mark.parametrize("documents", [float("inf"), float("nan"), -1, 1e300])
def test_an_impossible_number_of_documents_is_rejected(documents: float) -> None:
    with pytest.raises(RejectedRecord):
        RecordParser(Context()).span(
            raw_span(
                {"gen_ai.operation.name": "retrieval", "gen_ai.retrieval.documents": documents}
            )
        )


def test_scores_that_are_no_numbers_are_no_scores() -> None:
    """Of a document that was found and has no possible score, the document counts."""
    told = f'[{{"score": {HUGE}}}, {{"score": 0.5}}, {{"score": NaN}}]'
    attrs = {"gen_ai.operation.name": "retrieval", "gen_ai.retrieval.documents": told}
    (step,) = RecordParser(Context()).span(raw_span(attrs)).records
    assert isinstance(step, Step)
    assert (step.documents, step.top_score) == (3, 0.5)


@pytest.mark.parametrize("digits", ["-f", "+f", " f", "f_f", "0x1", "\N{ARABIC-INDIC DIGIT TWO}"])
def test_a_threshold_is_hexadecimal_digits_alone(digits: str) -> None:
    (call,) = RecordParser(Context()).span(raw_span(chat(), trace_state=f"ot=th:{digits}")).records
    assert call.weight == 1.0
