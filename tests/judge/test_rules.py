"""Which calls a rule is for, and which of them are chosen."""

from __future__ import annotations

import random

import pytest

from llm_trace_exporter.content.record import CallContent
from llm_trace_exporter.judge.rules import Rule, Sample, is_sampled, parse_matcher

LABELS = {"service": "shop", "model": "gpt-4o", "feature": 'a"b', "team": ""}


@pytest.mark.parametrize(
    ("text", "matches"),
    [
        ('service="shop"', True),
        ('service="sho"', False),
        ('service!="shop"', False),
        ('model=~"gpt-.*"', True),
        ('model=~"gpt"', False),
        ('model!~"gpt"', True),
        ('model!~"gpt-.*"', False),
        (r'feature="a\"b"', True),
        (r'feature=~"a\"."', True),
        ('team=""', True),
        ('unknown=""', True),
        ('unknown!="x"', True),
    ],
)
def test_matchers(text: str, matches: bool) -> None:
    assert parse_matcher(text)(LABELS) is matches


@pytest.mark.parametrize("text", ["", "a", 'a="', '="x"', "a=x", 'a=~"("', '1a="x"'])
def test_what_is_no_matcher(text: str) -> None:
    with pytest.raises(ValueError, match="not a"):
        parse_matcher(text)


def test_the_first_sample_that_matches_decides() -> None:
    refunds = Sample((parse_matcher('feature="refunds"'),), 1.0)
    rule = Rule("r", "?", samples=(refunds, Sample((parse_matcher('team=~".+"'),), 0.5)))
    assert rule.sample_of({"feature": "refunds", "team": "x"}) == 0
    assert rule.sample_of({"feature": "chat", "team": "x"}) == 1
    assert rule.sample_of({"feature": "chat"}) is None


def test_what_a_rule_needs() -> None:
    whole = CallContent("hi", "hello", "", ("a",))
    assert Rule("r", "?", ("user", "answer", "documents")).can_judge(whole)
    assert not Rule("r", "?", ("answer", "system")).can_judge(whole)
    assert Rule("r", "?", ("answer", "system"), requires=("answer",)).can_judge(whole)
    assert Rule("r", "?", ("answer", "system"), requires=()).can_judge(CallContent())
    assert not Rule("r", "?", ("user", "documents")).can_judge(
        CallContent("x", documents=(" ", ""))
    )


@pytest.mark.parametrize("rate", [0.0, 0.02, 0.5, 1.0])
def test_rates_are_kept_whatever_the_ids_are_like(rate: float) -> None:
    draw = random.Random(1)
    ids = [draw.randbytes(16) for _ in range(10_000)]
    counted = [n.to_bytes(16, "big") for n in range(10_000)]
    low = [bytes(9) + draw.randbytes(7) for _ in range(10_000)]
    for several in (ids, counted, low):
        share = sum(is_sampled(i, rate) for i in several) / len(several)
        assert share == pytest.approx(rate, abs=0.02 if 0 < rate < 1 else 0)


def test_replicas_choose_the_same_and_larger_shares_hold_smaller_ones() -> None:
    ids = [n.to_bytes(16, "big") for n in range(2_000)]
    small = {i for i in ids if is_sampled(i, 0.1)}
    assert small == {i for i in ids if is_sampled(i, 0.1)}
    assert small < {i for i in ids if is_sampled(i, 0.3)}
    # The choice is part of what replicas agree on: it must not change between versions.
    assert [n for n in range(100) if is_sampled(n.to_bytes(16, "big"), 0.05)] == CHOSEN


CHOSEN = [18, 22, 26, 83, 87, 91]


@pytest.mark.parametrize(
    ("told", "rate"),
    [
        ({}, 1.0),
        ({"feature": "refunds"}, 1.0),
        ({"feature": "search"}, 0.02),
        ({"feature": "search", "operation": "chat"}, 0.02),
        ({"feature": "search", "operation": "embeddings"}, 0.0),
    ],
)
def test_what_calls_could_be_sampled_at_by_what_is_told_so_far(
    told: dict[str, str], rate: float
) -> None:
    """A label that is not told yet could have any value."""
    rule = Rule(
        "good",
        "Is it?",
        where=(parse_matcher('operation="chat"'),),
        samples=(
            Sample((parse_matcher('feature="refunds"'),), 1.0),
            Sample((parse_matcher('model=~"gpt-.*"'),), 0.01),
            Sample(rate=0.02),
            Sample(rate=0.5),
        ),
    )
    assert rule.highest_rate(told) == rate
