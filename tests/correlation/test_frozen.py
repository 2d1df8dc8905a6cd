"""A frozen trace is the trace: nothing about it is lost, and it takes a fraction of the room."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from llm_trace_exporter.config import Settings
from llm_trace_exporter.config.limit_settings import LimitSettings
from llm_trace_exporter.correlation import UnreadablePart
from llm_trace_exporter.correlation.memory_codec import relabelled
from llm_trace_exporter.correlation.packed_trace import freeze, head_of, shifted, thaw
from llm_trace_exporter.correlation.trace import Report, Trace
from llm_trace_exporter.engine.engine import Engine
from llm_trace_exporter.model import LlmCall
from llm_trace_exporter.otlp.files import iter_requests
from tests.spans import chat, raw_span
from tests.storage.machine import SETTLE_S, Machine
from tests.test_corpus import CORPUS

CAPTURES = ("openinference-crewai", "claude-code", "strands-agents", "traceloop-langchain")


def traces(*, settled: bool) -> list[Trace]:
    """Real traces."""
    engine = Engine(Settings())
    for folder in CAPTURES:
        for request in iter_requests(CORPUS / folder, lambda _: None):
            engine.ingester.ingest_request(request.signal, request.encoding, request.body, "file")
    if settled:
        engine.ingester.settle_all()
    return list(engine.ingester._correlator._table._live.values())


def plain(trace: Trace) -> Any:
    """All that a trace holds, without the references back."""

    def report(pending: Report | None) -> Any:
        if pending is None:
            return None
        fields = msgspec.structs.asdict(pending)
        del fields["trace"], fields["content"]
        return fields

    return {
        "fields": (trace.trace_id, trace.has_evaluators, trace.waiting, trace.seen_s),
        "root": trace.root_dimensions,
        "beside": (trace.attempts, trace.has_evidence),
        "calls": [report(p) for p in trace.calls],
        "steps": [report(p) for p in trace.steps],
        "nodes": [
            (key, n.parent, n.role, n.dimensions, report(n.call), report(n.step))
            for key, n in trace.nodes.items()
        ],
    }


@pytest.mark.parametrize("settled", [True, False])
def test_what_is_thawed_is_what_was_frozen(settled: bool) -> None:
    found = traces(settled=settled)
    assert sum(len(t.nodes) for t in found) > 50
    assert any(t.waiting for t in found) is not settled
    for trace in found:
        frozen = freeze(trace)
        assert head_of(frozen) == (trace.seen_s, len(trace.nodes), trace.waiting > 0)
        assert plain(thaw(trace.trace_id, frozen)) == plain(trace)
        assert freeze(thaw(trace.trace_id, frozen)) == frozen


def test_a_span_and_its_report_are_one_again() -> None:
    """The list and the span lead to one report: what is settled on one way is on the other."""
    for trace in traces(settled=False):
        again = thaw(trace.trace_id, freeze(trace))
        for pending in again.calls:
            if pending.signal == "span":
                assert again.nodes[pending.span_id].call is pending
            assert pending.trace is again


def test_it_is_seen_later_and_otherwise_the_same() -> None:
    (trace, *_) = traces(settled=True)
    frozen = freeze(trace)
    later = thaw(trace.trace_id, shifted(frozen, 100.0))
    assert later.seen_s == trace.seen_s + 100
    later.seen_s = trace.seen_s
    assert plain(later) == plain(trace)


def test_it_thaws_under_other_labels() -> None:
    for trace in traces(settled=True):
        again = thaw(trace.trace_id, freeze(trace), lambda values: values[::-1])
        for before, after in zip(trace.calls, again.calls, strict=True):
            assert isinstance(before.record, LlmCall)
            assert after.record == relabelled(before.record, lambda values: values[::-1])


@pytest.mark.parametrize(
    "frozen",
    [b"", b"x" * 5, b"\0" * 13, b"\0" * 13 + b"\xc1", b"\0" * 13 + b"\x94\xc2\x91\xa1\xa4\x90\x90"],
)
def test_what_was_never_frozen_is_told(frozen: bytes) -> None:
    with pytest.raises(UnreadablePart):
        thaw(b"t" * 16, frozen)


def test_quiet_traces_freeze_and_wake_up(tmp_path: Any) -> None:
    """A duplicate of a span of hours ago, and one more call of the same trace."""
    machine = Machine(tmp_path / "state.db")
    first = raw_span(chat())
    machine.send(first)
    machine.settle()
    machine.tick(100)
    machine.send(raw_span(chat()))
    table = machine.engine.ingester._correlator._table
    assert first.trace_id in table._frozen
    machine.send(first)
    machine.send(raw_span(chat(), trace=first.trace_id))
    assert first.trace_id in table._live
    machine.settle()
    assert machine.calls() == (3, 45)
    assert machine.total("llm_exporter_discarded_total", reason="duplicate") == 1


def test_many_traces_freeze_sooner(tmp_path: Any) -> None:
    """Memory for what is going on is bounded, too."""
    limits = LimitSettings(max_spans=20_000)
    machine = Machine(tmp_path / "state.db", Settings(decision_wait_s=SETTLE_S, limits=limits))
    for _ in range(12):
        machine.send(*(raw_span(chat()) for _ in range(500)))
        machine.settle()
    table = machine.engine.ingester._correlator._table
    assert len(table._live) <= table.max_spans // 8 == 2_500
    assert len(table) == table.spans == 6_000
