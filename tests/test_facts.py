"""The reader of pages that most tests use reads what prometheus_client's reads."""

from __future__ import annotations

import math
from collections import defaultdict

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

from tests.facts import Samples
from tests.test_corpus import replayed


@pytest.mark.parametrize("source", ["claude-code", "openinference-evals", "langfuse"])
def test_it_reads_a_page_as_the_library_does(source: str) -> None:
    page = replayed(source)
    theirs: dict[str, list[Sample]] = defaultdict(list)
    for family in text_string_to_metric_families(page):
        for sample in family.samples:
            theirs[sample.name].append(sample)
    assert Samples(page).by_name == theirs


@given(st.text(st.characters()))
def test_it_reads_any_value_of_a_label(value: str) -> None:
    escaped = value.replace("\\", r"\\").replace("\n", r"\n").replace('"', r"\"")
    page = f'a{{b="{escaped}",c="1"}} 2.5\na{{b="{escaped}",c="2"}} +Inf\n'
    assert [s.labels["b"] for s in Samples(page).by_name["a"]] == [value] * 2
    assert [s.value for s in Samples(page).by_name["a"]] == [2.5, math.inf]


@pytest.mark.parametrize(
    "page",
    ["a", "a b", "a 1 2 3", "a{", 'a{b="}1', 'a{b="} 1', 'a{b="\\x"} 1', "a{b=c} 1", "a 1\na 2"],
)
def test_it_refuses_what_is_no_sample_or_stands_twice(page: str) -> None:
    with pytest.raises((AssertionError, ValueError)):
        Samples(page)
