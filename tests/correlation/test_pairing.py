"""Partners of calls that say the same: as comparing all with all finds them, only sooner."""

from __future__ import annotations

import time
from dataclasses import dataclass
from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_trace_exporter.correlation import Correlator, Limits
from llm_trace_exporter.correlation.matching import Timeline, closest_pairs, timelines
from llm_trace_exporter.correlation.merge import Interval, may_be_copies
from llm_trace_exporter.dialects import Context
from llm_trace_exporter.model import LlmCall
from tests.spans import chat, raw_span, read_span

CONTEXT = Context()


@dataclass(eq=False)
class Told:
    """A call and who told it."""

    reporter: str
    call: LlmCall


def told(reporter: str, start_ms: int, length_ms: int, output_tokens: int = 5) -> Told:
    span = raw_span(
        chat((10, output_tokens)),
        scope=reporter, start_s=start_ms / 1e3, duration_s=length_ms / 1e3,
    )  # fmt: skip
    (call,) = read_span(span, CONTEXT).records
    assert isinstance(call, LlmCall)
    return Told(reporter, call)


def apart(one: Told, other: Told) -> int:
    first, second = one.call, other.call
    return Interval(first.start_ns, first.end_ns).apart_ns(Interval(second.start_ns, second.end_ns))


def by_comparing_all(calls: list[Told]) -> list[int]:
    """How far apart the partners are whom the nearest pairs, one after the other, make."""
    possible = [
        (one, other)
        for one, other in combinations(calls, 2)
        if one.reporter != other.reporter and may_be_copies(one.call, other.call)
    ]
    found, taken = [], set[int]()
    for one, other in sorted(possible, key=lambda pair: apart(*pair)):
        if not {id(one), id(other)} & taken:
            taken |= {id(one), id(other)}
            found.append(apart(one, other))
    return found


@given(
    st.lists(
        st.tuples(st.sampled_from("ab"), st.integers(0, 400), st.integers(1, 400)),
        max_size=16,
        # What is equally far from two partners may have either.
        unique_by=(lambda t: t[1], lambda t: t[1] + t[2]),
    )
)
def test_partners_are_those_of_comparing_all(drawn: list[tuple[str, int, int]]) -> None:
    calls = [told(*one) for one in drawn]
    found = [
        apart(one, other)
        for one, other in closest_pairs(
            timelines(calls, lambda t: frozenset({t.reporter}), lambda t: t.call)
        )
    ]
    distances = [apart(a, b) for a, b in combinations(calls, 2)]
    if len(set(distances)) == len(distances):
        assert sorted(found) == sorted(by_comparing_all(calls))
    assert found == sorted(found)


def line(*calls: Told) -> Timeline[Told]:
    return Timeline(calls, lambda t: t.call)


def test_neighbours_are_the_eight_nearest_before_and_after() -> None:
    neighbours = line(*(told("a", 5 * number, 1000) for number in range(40)))
    call = told("b", 102, 1000).call
    assert list(neighbours.after(call)) == list(range(21, 29))
    assert list(neighbours.before(call)) == list(range(20, 12, -1))


def test_what_found_its_partner_is_passed_over() -> None:
    neighbours = line(*(told("a", 5 * number, 1000) for number in range(6)))
    call = told("b", -1, 1000).call
    for at in (0, 2, 3, 5):
        neighbours.take(at)
    assert list(neighbours.after(call)) == [1, 4]
    assert [neighbours.is_taken(at) for at in range(6)] == [True, False, True, True, False, True]


@pytest.mark.parametrize(("strangers", "found"), [(63, True), (64, False)])
def test_a_partner_is_looked_for_at_sixty_four_places(strangers: int, found: bool) -> None:
    between = [told("a", 100, 900, output_tokens=9) for _ in range(strangers)]
    after = line(*between, told("a", 101, 900))
    assert bool(list(after.after(told("b", 99, 900).call))) is found
    before = line(told("a", 99, 900), *between)
    assert bool(list(before.before(told("b", 101, 900).call))) is found


def test_a_long_call_is_found_behind_a_short_one() -> None:
    neighbours = line(told("a", 0, 10_000), told("a", 9_000, 10), told("a", 9_300, 1))
    assert list(neighbours.before(told("b", 9_500, 100).call)) == [0]


def test_clocks_may_be_a_little_apart() -> None:
    assert list(line(told("a", 150, 0)).after(told("b", 0, 100).call)) == [0]
    assert list(line(told("a", 0, 100)).before(told("b", 150, 0).call)) == [0]


def test_a_service_has_sixteen_instrumentations_at_most() -> None:
    calls = [told(f"scope{number % 20}", number, 10) for number in range(40)]
    found = timelines(calls, lambda t: t.reporter, lambda t: t.call)
    assert {reporter: len(told.items) for reporter, told in found.items()} == {
        f"scope{number}": 2 for number in range(16)
    }


@pytest.mark.dear
def test_an_outage_told_twice_is_settled_at_once() -> None:
    """Thousands of calls that time out together: comparing all of them would take a minute."""
    outage = 4_000
    correlator = Correlator(Limits(max_pending=10**6))
    for number in range(outage):
        for scope in ("framework", "sdk"):
            attrs = chat(None, error__type="APITimeoutError")
            span = raw_span(attrs, scope=scope, start_s=number * 1e-3, duration_s=60)
            correlator.add(read_span(span, CONTEXT), 0.0)
    started_s = time.process_time()
    correlator.settle_all()
    assert time.process_time() - started_s < 15
    assert len(correlator.drain().records) == outage


def test_one_id_for_everything_is_settled_at_once() -> None:
    """A server that gives every answer the same id."""
    calls = 6_000
    correlator = Correlator(Limits(max_pending=10**6))
    for number in range(calls):
        attrs = chat((10, 5), gen_ai__response__id="resp_1")
        correlator.add(read_span(raw_span(attrs, start_s=number * 2), CONTEXT), 0.0)
    started_s = time.process_time()
    correlator.settle_all()
    assert time.process_time() - started_s < 5
    assert len(correlator.drain().records) == calls


@pytest.mark.dear
def test_thousands_of_reporters_take_no_time_and_lose_nothing() -> None:
    """More instrumentations than any service has, of one moment."""
    correlator = Correlator(Limits(max_pending=10**6))
    for number in range(3_000):
        span = raw_span(chat(None, error__type="timeout"), scope=f"scope{number}", duration_s=60)
        correlator.add(read_span(span, CONTEXT), 0.0)
    started_s = time.process_time()
    correlator.settle_all()
    assert time.process_time() - started_s < 15
    output = correlator.drain()
    rest = sum(n for n, _ in output.discarded.values())
    assert len(output.records) + rest == 3_000
