"""One call told by an application and by its gateway, nested or not: once, as the application's."""

from __future__ import annotations

from itertools import permutations
from typing import Any

import pytest

from llm_trace_exporter.correlation import Correlator, Limits, Output
from llm_trace_exporter.model import LlmCall
from llm_trace_exporter.otlp.records import RawSpan
from tests.correlation.test_pipeline import add, by_reason, calls, fed
from tests.spans import chat, raw_span, trace_id

NAMED = Limits(gateways=frozenset({"gateway"}))


def app(usage: tuple[int, int] | None = (10, 5), duration_s: float = 2, **more: Any) -> RawSpan:
    attrs = chat(usage, gen_ai__response__model="alias", **more.pop("attrs", {}))
    return raw_span(attrs, scope="sdk", service="app", duration_s=duration_s, **more)


def gateway(usage: tuple[int, int] | None = (10, 5), start_s: float = 0.5, **more: Any) -> RawSpan:
    attrs = chat(usage, **more.pop("attrs", {}))
    service, scope = more.pop("service", "gateway"), more.pop("scope", "litellm")
    return raw_span(attrs, scope=scope, service=service, start_s=start_s, **more)


def told(*spans: RawSpan, limits: Limits | None = None) -> list[tuple[str, int]]:
    """(service, tokens) of each call; -1 where they are not known, the same in any order."""
    found = {
        tuple(sorted(map(_told, calls(fed(*order, limits=limits)))))
        for order in permutations(spans)
    }
    assert len(found) == 1, found
    return list(found.pop())


def _told(call: LlmCall) -> tuple[str, int]:
    return call.origin.service, call.tokens.total if call.tokens else -1


def in_turn(*spans: RawSpan, limits: Limits | None = None) -> Output:
    """What comes out where each is settled before the next comes."""
    correlator = Correlator(limits or Limits())
    for number, span in enumerate(spans):
        add(correlator, span, 100.0 * number)
        correlator.settle(100.0 * number + 50)
    return correlator.drain()


def test_siblings_of_two_services_are_one_call_of_the_application() -> None:
    trace = trace_id()
    spans = app(trace=trace, attrs={"team": "t"}), gateway(trace=trace, attrs={"team": "g"})
    assert told(*spans) == [("app", 15)]
    (call,) = calls(fed(*spans))
    assert (call.model, call.duration_s) == ("gpt-4o-2024-08-06", 1.0)
    assert call.origin.dimensions[1] == "t"


@pytest.mark.parametrize(
    "other",
    [
        {"usage": (10, 6)},
        {"start_s": 1.2},
        {"service": "app"},
        {"scope": "sdk"},
        {"attrs": {"gen_ai__operation__name": "embeddings"}},
        {"attrs": {"gen_ai__response__id": "other"}},
    ],
    ids=str,
)
def test_what_differs_is_a_call_of_its_own(other: dict[str, Any]) -> None:
    trace = trace_id()
    spans = app(trace=trace, attrs={"gen_ai__response__id": "one"}), gateway(trace=trace, **other)
    if other.get("service") == "app":
        # Two instrumentations of one service are copies, whatever trace they are in.
        assert len(told(*spans)) == 1
    else:
        assert len(told(*spans)) == 2


def test_each_sibling_has_one_partner() -> None:
    trace = trace_id()
    assert told(app(trace=trace), gateway(trace=trace), gateway(trace=trace, start_s=0.7)) == [
        ("app", 15),
        ("gateway", 15),
    ]


def failed(make: Any, error: str = "RateLimitError", **more: Any) -> RawSpan:
    found: RawSpan = make(None, attrs={"error__type": error}, status=2, **more)
    return found


def test_failures_of_siblings_are_one_where_they_say_the_same() -> None:
    trace = trace_id()
    assert told(failed(app, trace=trace), failed(gateway, trace=trace)) == [("app", -1)]
    other = failed(gateway, "APITimeoutError", trace=trace)
    assert len(told(failed(app, trace=trace), other)) == 2


@pytest.mark.parametrize("first", ["app", "gateway"])
def test_a_sibling_that_comes_late_is_not_counted_again(first: str) -> None:
    trace = trace_id()
    spans = [app(trace=trace), gateway(trace=trace), gateway(trace=trace, start_s=0.6)]
    output = in_turn(*(spans if first == "app" else [spans[1], spans[0], spans[2]]))
    assert len(calls(output)) == 2
    assert by_reason(output) == {"late": (1, 15)}


ANSWER = {"gen_ai__response__id": "chatcmpl-1"}


def test_an_id_links_two_services_where_one_ran_within_the_other() -> None:
    assert told(app(attrs=ANSWER), gateway(attrs=ANSWER)) == [("app", 15)]
    assert told(app(None, attrs=ANSWER), gateway(attrs=ANSWER)) == [("app", 15)]
    assert len(told(app(attrs=ANSWER), gateway(attrs=ANSWER, start_s=1.5))) == 2
    assert len(told(app(attrs=ANSWER), gateway((10, 6), attrs=ANSWER))) == 2


def test_an_id_links_two_services_also_where_one_comes_late() -> None:
    output = in_turn(app(attrs=ANSWER), gateway(attrs=ANSWER))
    assert (len(calls(output)), by_reason(output)) == (1, {"late": (1, 15)})
    assert len(calls(in_turn(app(attrs=ANSWER), gateway(attrs=ANSWER, start_s=1.5)))) == 2


@pytest.mark.parametrize("usage", [(10, 5), None])
def test_one_id_for_every_answer_links_none_that_one_instrumentation_told(
    usage: tuple[int, int] | None,
) -> None:
    spans = [app(usage, attrs=ANSWER, start_s=0.1 * number) for number in range(5)]
    assert len(calls(fed(*spans))) == 5
    assert len(calls(in_turn(*spans))) == 5


def test_one_id_for_every_answer_pairs_those_that_say_the_same() -> None:
    spans = [app((10, n), attrs=ANSWER, start_s=0.1 * n) for n in range(1, 6)]
    spans += [
        gateway((10, n), attrs=ANSWER, start_s=0.1 * n + 0.5, service="app") for n in range(1, 6)
    ]
    found = calls(fed(*spans))
    assert sorted(c.tokens.total for c in found if c.tokens) == [11, 12, 13, 14, 15]


def test_what_shares_nothing_is_one_where_the_configuration_names_the_gateway() -> None:
    spans = app(), gateway(attrs={"team": "g"})
    assert len(told(*spans)) == 2
    assert told(*spans, limits=NAMED) == [("app", 15)]
    (call,) = calls(fed(*spans, limits=NAMED))
    assert call.model == "gpt-4o-2024-08-06"


def test_clocks_of_a_named_gateway_may_differ() -> None:
    for start_s, number in ((-0.4, 1), (-0.6, 2), (1.4, 1), (1.6, 2)):
        assert len(told(app(), gateway(start_s=start_s), limits=NAMED)) == number


def test_a_client_that_was_not_told_its_usage_has_its_gateways() -> None:
    assert told(app(None), gateway(), limits=NAMED) == [("app", 15)]
    assert told(app(None), gateway(None), limits=NAMED) == [("app", -1)]


def test_ids_of_a_named_gateway_need_not_be_its_clients() -> None:
    ids = [{"gen_ai__response__id": each} for each in ("a", "b")]
    assert told(app(attrs=ids[0]), gateway(attrs=ids[1]), limits=NAMED) == [("app", 15)]


def test_a_call_of_a_named_gateway_without_a_partner_counts() -> None:
    assert told(gateway(), limits=NAMED) == [("gateway", 15)]
    assert len(told(gateway(), gateway(), app(), limits=NAMED)) == 2
    assert len(told(app((10, 6)), gateway(), limits=NAMED)) == 2
    assert len(told(failed(app), gateway(), limits=NAMED)) == 2


def test_failures_of_a_named_gateway_are_its_clients() -> None:
    assert told(failed(app), failed(gateway), limits=NAMED) == [("app", -1)]


def test_a_partner_that_has_waited_less_is_heard() -> None:
    for usage in ((10, 5), None):
        for spans in permutations((app(usage), gateway())):
            correlator = Correlator(Limits(decision_wait_s=10, gateways=NAMED.gateways))
            for number, span in enumerate(spans):
                add(correlator, span, 5.0 * number)
            correlator.settle(10.0)
            assert len(calls(correlator.drain())) == 1
            assert correlator.waiting == 0


LINKED = app(attrs=ANSWER), gateway(attrs=ANSWER)


def test_a_service_that_was_found_behind_another_is_so_when_it_fails() -> None:
    pair = failed(app, start_s=10), failed(gateway, start_s=10.5)
    assert len(told(*pair)) == 2
    assert told(*LINKED, *pair) == [("app", -1), ("app", 15)]
    correlator = Correlator(Limits(decision_wait_s=10))
    for span, now_s in zip((*LINKED, *pair), (0.0, 0.0, 100.0, 105.0), strict=True):
        add(correlator, span, now_s)
        correlator.settle(now_s)
    correlator.settle(110.0)
    assert len(calls(correlator.drain())) == 2
    assert correlator.waiting == 0


@pytest.mark.parametrize(
    "other",
    [{"error": "APITimeoutError"}, {"start_s": 12.0}, {"service": "another"}],
    ids=str,
)
def test_another_failure_of_it_is_its_own(other: dict[str, Any]) -> None:
    pair = failed(app, start_s=10), failed(gateway, **{"start_s": 10.5} | other)
    assert len(calls(fed(*LINKED, *pair))) == 3


def test_who_stands_behind_whom_is_remembered_over_a_restart() -> None:
    correlator, later = Correlator(tracks=True), Correlator()
    for span in LINKED:
        add(correlator, span, 0.0)
    correlator.settle_all()
    for part in correlator.save(every=True).parts:
        assert later.restore(part, None, 0.0)
    later.restored()
    for span in (failed(app, start_s=10), failed(gateway, start_s=10.5)):
        add(later, span, 10.0)
    later.settle_all()
    assert len(calls(later.drain())) == 1
