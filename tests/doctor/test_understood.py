"""What came in and was not understood: how much, and by name where the exporter was asked."""

from __future__ import annotations

from typing import Any

import pytest

from llm_trace_exporter.doctor.facts import Missing, Page, Sample, Unread
from llm_trace_exporter.doctor.findings import Finding
from llm_trace_exporter.doctor.shapes import unread
from llm_trace_exporter.doctor.understood import understood
from tests.doctor.facts import facts


def page(*found: Unread) -> Page:
    return Page("http://x/metrics", "", frozenset(), None, found)


def kind(name: str) -> Unread:
    return Unread("span", "acme", name, ("acme.tokens",), 3, {"name": "acme"})


def asked(question: str, value: float, **labels: str) -> dict[str, tuple[Sample, ...]]:
    return {question: (Sample(labels, value),)}


def of(found: Any) -> list[tuple[str, str]]:
    findings: list[Finding] = list(understood(found))
    return [(finding.level, finding.what) for finding in findings]


def test_all_is_understood() -> None:
    assert of(facts()) == of(facts(page=page())) == []
    assert of(facts(asked("not_understood", 0.2))) == []


def test_without_the_exporter_it_is_told_how_to_name_it() -> None:
    (finding,) = understood(facts(asked("not_understood", 12.3, dialect="semconv")))
    assert (finding.level, "--exporter" in finding.do) == ("warning", True)
    assert finding.what.startswith("12 records of the dialect semconv within a day")


def test_an_exporter_that_tells_nothing_is_no_trouble() -> None:
    hidden = Page("x", "", frozenset(), None, Missing("HTTP status 404"))
    (finding,) = understood(facts(asked("not_understood", 1.0), page=hidden))
    assert finding.what.startswith("1 record within a day") and "--exporter" in finding.do


def test_each_kind_is_named_and_not_endlessly() -> None:
    names = [kind(f"ask {number}") for number in range(13)]
    found = of(facts(asked("not_understood", 39.0), page=page(*names)))
    assert len(found) == 12
    assert found[1] == ("warning", "3 spans 'ask 0' of the scope 'acme' not understood")
    assert found[-1] == ("note", "3 more kinds of records were not understood")


def test_agents_without_calls_are_named() -> None:
    told = (Sample({"service": "shop"}, 3.0), Sample({"exported_service": "bot"}, 1.0))
    (finding,) = understood(facts({"only_agents": told}))
    assert (finding.level, finding.where) == ("warning", ("bot", "shop"))


def test_numbers_that_could_not_be_read_are_a_note() -> None:
    ((level, what),) = of(facts(asked("unreadable", 2.0, dialect="litellm")))
    assert (level, what.partition(" within")[0]) == ("note", "2 numbers of the dialect litellm")


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (Missing("x"), Missing("x")),
        ({}, ()),
        (["x", None], ()),
        ([{"attributes": "x", "convention": []}], (Unread("", "", "", (), 0, {}),)),
    ],
)
def test_what_is_no_list_names_nothing(data: Any, expected: Any) -> None:
    assert unread(data) == expected
