"""Whatever comes in is accounted for: counted, merged into what counts, or discarded and why."""

from __future__ import annotations

import pytest

from llm_trace_exporter.content import filters
from llm_trace_exporter.correlation import Correlator, Limits
from llm_trace_exporter.dialects import Context, RecordParser
from llm_trace_exporter.model import ParsedRecord
from llm_trace_exporter.otlp.decode import decode_logs, decode_traces
from llm_trace_exporter.otlp.files import iter_requests
from llm_trace_exporter.settled import Agreement, LateUsage
from tests.test_corpus import CORPUS, SOURCES

CONTEXT = Context()


def readings_of(source: str) -> list[ParsedRecord]:
    """What every record of a capture says."""
    for_spans, for_logs = filters(CONTEXT, with_texts=False)
    parser = RecordParser(CONTEXT)
    found: list[ParsedRecord] = []
    for request in iter_requests(CORPUS / source, lambda _: None):
        if request.signal == "traces":
            batch = decode_traces(request.body, for_spans, request.encoding)
            found.extend(map(parser.span, batch.spans))
        elif request.signal == "logs":
            batch = decode_logs(request.body, for_logs, request.encoding)
            found.extend(map(parser.log, batch.logs))
    return found


OVERWRITTEN = {"openinference-google-adk-spans": 2}
"""Calls that no record tells any more, and that are told as lost."""


@pytest.mark.parametrize("source", SOURCES)
def test_every_record_counts_or_is_discarded_for_a_reason(source: str) -> None:
    """A record that tells a call and a step is two facts; one that tells none is one."""
    correlator = Correlator(Limits())
    readings = readings_of(source)
    sent_again = 0
    for reading in readings:
        assert reading.records or reading.drop, reading
        before = correlator.waiting
        correlator.add(reading, 0.0)
        if len(reading.records) > 1 and correlator.waiting == before:
            sent_again += len(reading.records) - 1
    correlator.settle_all()
    output = correlator.drain()
    counted = [r for r in output.records if not isinstance(r, Agreement | LateUsage)]
    discarded = sum(n for n, _ in output.discarded.values())
    facts = sum(max(1, len(reading.records)) for reading in readings)
    assert len(counted) + discarded == facts - sent_again + OVERWRITTEN.get(source, 0)


@pytest.mark.parametrize("source", SOURCES)
def test_what_libraries_are_known_to_send_is_understood(source: str) -> None:
    lost = [r for r in readings_of(source) if r.drop == "unknown_kind" or r.unreadable]
    assert lost == []


@pytest.mark.parametrize("source", SOURCES)
def test_tokens_that_do_not_count_have_a_reason_that_somebody_watches(source: str) -> None:
    """Rules compare roll-ups with yesterday, and watch what is sent twice or is not understood."""
    unwatched = [r for r in readings_of(source) if r.drop in ("not_llm", "structure")]
    assert sum(reading.reported_tokens for reading in unwatched) == 0
