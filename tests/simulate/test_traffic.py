"""The simulated applications: what is sent is theirs alone, and depends on the seed alone."""

from __future__ import annotations

from functools import cache
from itertools import pairwise

import pytest

from llm_trace_exporter.simulate.traffic import Sent
from llm_trace_exporter.simulate.world import SERVICES, Service, load
from tests.simulate.world import START_S, traffic

HOUR_S = 3_600.0


@cache
def sent(*incidents: str, seed: int = 1) -> list[Sent]:
    """What is sent in an hour, made once."""
    return made(*incidents, seed=seed)


def made(*incidents: str, seed: int = 1) -> list[Sent]:
    return list(traffic(HOUR_S, *incidents, seed=seed).until(START_S + HOUR_S))


def told(every: list[Sent], but: str = "") -> list[object]:
    return [
        (s.at_s, span.span_id, span.start_ns, span.end_ns, span.name, span.status_code, span.attrs)
        for s in every
        for span in s.spans
        if s.place.service.name != but
    ]


def test_the_seed_determines_everything() -> None:
    assert told(sent()) == told(made())
    assert told(sent()) != told(sent(seed=2))


def test_time_goes_forward_and_nothing_is_sent_before_it_ended() -> None:
    every = sent()
    assert len(every) > 500
    assert all(a.at_s <= b.at_s for a, b in pairwise(every))
    for one in every:
        assert all(span.end_ns <= one.at_s * 1e9 for span in one.spans)
        assert all(log.time_ns <= one.at_s * 1e9 for log in one.logs)


def test_spans_lie_within_their_parents() -> None:
    for one in sent():
        by_id = {span.span_id: span for span in one.spans}
        for span in one.spans:
            if span.parent_span_id:
                parent = by_id[span.parent_span_id]
                assert parent.start_ns <= span.start_ns <= span.end_ns <= parent.end_ns


def test_an_incident_in_one_application_leaves_the_others_as_they_are() -> None:
    healthy, troubled = sent(), sent("agent-loop")
    assert told(healthy) != told(troubled)
    assert told(healthy, but="coding-agent") == told(troubled, but="coding-agent")


def test_before_an_incident_all_is_as_without_it() -> None:
    half_s = START_S + HOUR_S / 2
    healthy = list(traffic(HOUR_S).until(half_s))
    troubled = list(traffic(HOUR_S, "tool-failure@30m+30m").until(half_s))
    assert told(healthy) == told(troubled)


@pytest.mark.parametrize("service", SERVICES, ids=lambda s: s.name)
def test_a_week_has_its_ups_and_downs_around_one(service: Service) -> None:
    week = [load(service.curve, START_S + hour * HOUR_S) for hour in range(7 * 24)]
    assert sum(week) / len(week) == pytest.approx(1.0, abs=0.08)
    assert max(week) > 3 * min(week)
