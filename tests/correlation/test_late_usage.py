"""Usage that comes after its call was counted without: added once, on every way it comes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from llm_trace_exporter.otlp.records import RawLog, RawSpan
from tests.spans import chat, raw_log, raw_span
from tests.storage.machine import Machine

DETAILS = "gen_ai.client.inference.operation.details"


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path / "state.db")


def unmeasured(**more: str) -> RawSpan:
    """A wrapper that knows no usage."""
    return raw_span(chat(None) | more, scope="wrapper", duration_s=2)


def within(outer: RawSpan, tokens: tuple[int, int] | None = (10, 5), **more: str) -> RawSpan:
    return raw_span(
        chat(tokens) | more, scope="sdk", trace=outer.trace_id, parent=outer.span_id, start_s=0.5
    )


def inner(outer: RawSpan) -> RawSpan | RawLog:
    return within(outer)


def around(call: RawSpan) -> RawSpan | RawLog:
    """The enclosing span comes second, with the usage."""
    outer = raw_span(chat(), scope="gateway", trace=call.trace_id, duration_s=3)
    outer.span_id = call.parent_span_id
    return outer


def details(call: RawSpan) -> RawSpan | RawLog:
    """A log record that names the span."""
    return raw_log(chat(), event=DETAILS, trace=call.trace_id, span=call.span_id)


def copy(_: RawSpan) -> RawSpan | RawLog:
    """Another trace, the same answer."""
    return raw_span(chat() | {"gen_ai.response.id": "chatcmpl-1"}, scope="sdk", duration_s=2)


Case = tuple[Callable[[], RawSpan], Callable[[RawSpan], RawSpan | RawLog]]
CASES: dict[str, Case] = {
    "inner": (unmeasured, inner),
    "around": (lambda: within(raw_span({}), None), around),
    "details": (unmeasured, details),
    "copy": (lambda: unmeasured(**{"gen_ai.response.id": "chatcmpl-1"}), copy),
}


@pytest.mark.parametrize("restarts", ["", "restart", "crash"])
@pytest.mark.parametrize("case", CASES)
def test_it_adds_its_tokens_and_dollars_once(machine: Machine, case: str, restarts: str) -> None:
    first, second = CASES[case]
    call = first()
    machine.send(call)
    machine.settle()
    at = machine.shown()
    assert (at.total("llm_requests_total"), at.total("llm_tokens_total")) == (1, 0)
    assert at.total("llm_unpriced_requests_total", reason="no_usage") == 1
    if restarts:
        getattr(machine, restarts)()
    late = second(call)
    for _ in range(2):
        machine.send(late)
        machine.settle()
    at = machine.shown()
    assert (at.total("llm_requests_total"), at.total("llm_tokens_total")) == (1, 15)
    assert at.total("llm_request_duration_seconds_count") == 1
    assert at.total("llm_request_input_tokens_count") == 1
    assert at.total("llm_cost_usd_total") > 0
    assert at.total("llm_request_cost_usd_count") == 1
    assert at.total("llm_unpriced_requests_total") == 1
    assert at.total("llm_repriced_requests_total", reason="no_usage") == 1
    assert at.total("llm_exporter_discarded_tokens_total", reason="late") == 0


def test_a_second_report_of_the_same_usage_adds_nothing(machine: Machine) -> None:
    """The SDK's span, the provider's own within it, and a copy in another trace."""
    outer = unmeasured(**{"gen_ai.response.id": "chatcmpl-1"})
    machine.send(outer)
    machine.settle()
    sdk = within(outer, (10, 5), **{"gen_ai.response.id": "chatcmpl-1"})
    machine.send(sdk)
    machine.settle()
    own = raw_span(chat(), scope="http", trace=sdk.trace_id, parent=sdk.span_id, start_s=0.6)
    machine.send(own)
    machine.settle()
    machine.send(copy(outer))
    machine.settle()
    assert machine.calls() == (1, 15)


def test_the_calls_within_one_wrapper_all_add(machine: Machine) -> None:
    """An agent's wrapper that was taken for a call; what is in it was acknowledged, too."""
    outer = unmeasured()
    machine.send(outer)
    machine.settle()
    for _ in range(3):
        machine.send(within(outer))
        machine.settle()
    assert machine.total("llm_tokens_total") == 45
    assert machine.total("llm_repriced_requests_total") == 1


def test_a_call_that_was_measured_takes_no_more(machine: Machine) -> None:
    outer = raw_span(chat((7, 3)), scope="wrapper", duration_s=2)
    machine.send(outer)
    machine.settle()
    machine.send(within(outer))
    machine.settle()
    assert machine.calls() == (1, 10)
    assert machine.total("llm_exporter_discarded_tokens_total", reason="late") == 15


def test_the_whole_trace_knows_it(machine: Machine) -> None:
    """It is complete half a minute after its last span, when the usage has come."""
    outer = unmeasured()
    machine.send(outer)
    machine.settle()
    machine.send(within(outer))
    machine.settle()
    machine.tick(60)
    at = machine.shown()
    assert at.total("llm_traces_total") == 1
    assert at.total("llm_trace_tokens_sum") == 15
    assert at.total("llm_trace_cost_usd_sum") == pytest.approx(at.total("llm_cost_usd_total"))
