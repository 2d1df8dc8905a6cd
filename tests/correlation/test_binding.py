"""Dimensions that only an enclosing span carries reach the calls and steps within it."""

from __future__ import annotations

from typing import Any

import pytest

from llm_trace_exporter.config import Settings
from llm_trace_exporter.correlation import Correlator, Limits
from llm_trace_exporter.dialects import Context
from llm_trace_exporter.engine.wiring import limits
from llm_trace_exporter.model import LlmCall, Step
from llm_trace_exporter.otlp.records import RawSpan
from tests.spans import chat, raw_span, read_span, trace_id

CONTEXT = Context()
LENT = Limits(decision_wait_s=10, inherited=(0,), inherit_wait_s=60)


def add(correlator: Correlator, *spans: RawSpan, at_s: float) -> list[LlmCall | Step]:
    """Take spans in; what settles."""
    for span in spans:
        correlator.add(read_span(span, CONTEXT), at_s)
    correlator.settle(at_s)
    return [r for r in correlator.drain().records if isinstance(r, LlmCall | Step)]


def family(root: dict[str, Any], **more: Any) -> tuple[RawSpan, RawSpan, RawSpan]:
    """A root, an agent in it, a call in that."""
    trace = trace_id()
    outer = raw_span({"feature": "refunds", "team": "care"} | root, trace=trace, name="POST /ask")
    agent = raw_span(
        {"gen_ai.operation.name": "invoke_agent", "gen_ai.agent.name": "a"},
        trace=trace, parent=outer.span_id,
    )  # fmt: skip
    return outer, agent, raw_span(chat() | more, trace=trace, parent=agent.span_id)


@pytest.mark.parametrize("root_at_s", [0.0, 9.0, 30.0, 59.0])
def test_calls_wait_for_what_the_root_lends(root_at_s: float) -> None:
    root, agent, call = family({})
    correlator = Correlator(LENT)
    found = add(correlator, call, agent, at_s=0)
    found += add(correlator, root, at_s=root_at_s)
    for at_s in (20.0, 40.0, 70.0, 80.0):
        found += add(correlator, at_s=max(at_s, root_at_s))
    assert [type(r) for r in found] == [LlmCall, Step]
    assert {r.origin.dimensions for r in found} == {("refunds", "", "", "")}


def test_not_for_ever() -> None:
    _, agent, call = family({})
    correlator = Correlator(LENT)
    add(correlator, call, agent, at_s=0)
    assert add(correlator, at_s=59) == []
    found = add(correlator, at_s=70)
    assert {r.origin.dimensions[0] for r in found} == {""}
    assert len(found) == 2


def test_a_value_of_its_own_needs_no_waiting() -> None:
    root, agent, call = family({}, feature="search")
    correlator = Correlator(LENT)
    add(correlator, call, at_s=0)
    (found,) = add(correlator, agent, root, at_s=10)
    assert found.origin.dimensions[0] == "search"


def test_the_nearest_span_lends_first() -> None:
    root, agent, call = family({})
    agent.attrs["feature"] = "sub-agent"
    correlator = Correlator(LENT)
    found = add(correlator, root, agent, call, at_s=0) + add(correlator, at_s=10)
    assert {r.origin.dimensions[0] for r in found if isinstance(r, LlmCall)} == {"sub-agent"}


def test_an_applications_own_span_lends_within_a_servers() -> None:
    server, agent, call = family({"feature": "", "team": ""})
    own = raw_span({"feature": "refunds"}, trace=server.trace_id, parent=server.span_id)
    agent.parent_span_id = own.span_id
    correlator = Correlator(LENT)
    found = add(correlator, call, agent, own, server, at_s=0) + add(correlator, at_s=10)
    assert [r.origin.dimensions for r in found] == [("refunds", "", "", "")] * 2


def test_by_default_feature_and_team_are_lent_and_prompts_are_not() -> None:
    root, agent, call = family({"gen_ai.prompt.name": "p", "gen_ai.prompt.version": "7"})
    correlator = Correlator(limits(Settings()))
    found = add(correlator, root, agent, call, at_s=0) + add(correlator, at_s=10)
    assert {r.origin.dimensions for r in found} == {("refunds", "care", "", "")}


def test_the_root_lends_across_spans_that_were_not_sent() -> None:
    root, _, call = family({})
    correlator = Correlator(LENT)
    found = add(correlator, root, call, at_s=0) + add(correlator, at_s=10)
    assert [r.origin.dimensions[0] for r in found] == ["refunds"]


def test_nothing_is_lent_unless_asked() -> None:
    root, agent, call = family({})
    correlator = Correlator(Limits(decision_wait_s=10))
    found = add(correlator, root, agent, call, at_s=0) + add(correlator, at_s=10)
    assert {r.origin.dimensions for r in found} == {("", "", "", "")}


def test_a_flood_does_not_wait() -> None:
    correlator = Correlator(
        Limits(decision_wait_s=10, inherited=(0,), inherit_wait_s=3600, max_pending=100)
    )
    found = add(correlator, *(family({})[2] for _ in range(500)), at_s=0)
    assert len(found) >= 400
    assert correlator.waiting <= 100
