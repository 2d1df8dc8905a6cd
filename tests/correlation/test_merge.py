"""What two reporters of one call give to the record of it, and who may be a reporter of one."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from llm_trace_exporter.correlation.merge import (
    Interval,
    fill_missing,
    first_non_empty,
    may_be_copies,
    overlap,
    same_model,
    with_late_usage,
)
from llm_trace_exporter.model import LlmCall, Origin, ReportedCost, Tokens

USED = Tokens(10, output=5)
FINER = Tokens(4, cache_read=6, output=5)


def told(
    from_ms: int = 0,
    until_ms: int = 1000,
    *,
    service: str = "shop",
    environment: str = "",
    dimensions: tuple[str, ...] = (),
    signal: Any = "span",
    operation: str = "chat",
    **facts: Any,
) -> LlmCall:
    origin = Origin(
        b"t" * 16, b"s" * 8, b"", signal, "semconv", "scope", service, environment, dimensions
    )
    return LlmCall(origin, from_ms * 10**6, until_ms * 10**6, operation, **facts)


def filled(inner: LlmCall, outer: LlmCall, usage: bool = True, cost: bool = True) -> LlmCall:
    return fill_missing(inner, outer, with_usage=usage, with_cost=cost)


@pytest.mark.parametrize(
    ("fact", "mine", "theirs"),
    [
        ("provider", "openai", "azure.ai.openai"),
        ("request_model", "gpt-4o", "alias"),
        ("response_model", "gpt-4o", "alias"),
        ("tokens", USED, Tokens(99)),
        ("finish_reasons", ("stop",), ("length",)),
        ("streaming", True, True),
        ("ttft_s", 0.0, 0.2),
        ("reported_cost", ReportedCost(0.0), ReportedCost(0.2)),
        ("response_id", "one", "other"),
        ("service_tier", "batch", "flex"),
        ("purpose", "judge", "judge"),
        ("gateway_events", (("retry", 2),), (("retry", 1),)),
    ],
)
def test_what_one_knows_is_kept_and_the_inner_one_knows_best(
    fact: str, mine: Any, theirs: Any
) -> None:
    inner, outer, silent = told(**{fact: mine}), told(**{fact: theirs}), told()
    assert getattr(filled(inner, silent), fact) == mine
    assert getattr(filled(silent, outer), fact) == theirs
    assert getattr(filled(inner, outer), fact) == mine


@pytest.mark.parametrize(("mine", "theirs", "kept"), [(2, 3, 3), (3, 2, 3)])
def test_an_event_of_a_gateway_came_as_often_as_who_saw_most_of_it(
    mine: int, theirs: int, kept: int
) -> None:
    inner = told(gateway_events=(("retry", mine), ("queue_full", 1)))
    outer = told(gateway_events=(("retry", theirs), ("fallback", 1)))
    assert dict(filled(inner, outer).gateway_events) == {
        "retry": kept, "queue_full": 1, "fallback": 1,
    }  # fmt: skip


def test_the_outer_one_knows_best_who_asked() -> None:
    inner = told(service="sdk", environment="test", dimensions=("a", ""))
    outer = told(service="app", environment="prod", dimensions=("b", "c"))
    origin = filled(inner, outer).origin
    assert (origin.service, origin.environment, origin.dimensions) == ("app", "prod", ("a", "c"))
    assert filled(inner, told()).origin.environment == "test"
    assert filled(inner, told(service="app", signal="log")).origin.service == "sdk"


def test_values_of_another_configuration_stand_in_for_none() -> None:
    assert first_non_empty(("", "b"), ("x",)) == ("", "b")


@pytest.mark.parametrize(
    ("inner", "outer", "kept"),
    [
        ((5, 5), (0, 1000), (0, 1000)),
        ((5, 5), (7, 7), (5, 5)),
        ((500, 1500), (0, 3000), (500, 1500)),
    ],
)
def test_an_interval_stands_in_for_a_moment_only(
    inner: tuple[int, int], outer: tuple[int, int], kept: tuple[int, int]
) -> None:
    call = filled(told(*inner), told(*outer))
    assert (call.start_ns, call.end_ns) == tuple(ms * 10**6 for ms in kept)


def test_the_sum_of_several_calls_is_lent_to_none() -> None:
    outer = told(tokens=USED, reported_cost=ReportedCost(0.5))
    assert filled(told(), outer, usage=False).tokens is None
    assert filled(told(), outer, cost=False).reported_cost is None


@pytest.mark.parametrize(
    ("mine", "theirs", "kept"),
    [
        (USED, FINER, FINER),
        (FINER, USED, FINER),
        (USED, Tokens(5, cache_read=6, output=5), USED),
        (USED, Tokens(4, cache_read=6, output=6), USED),
        (FINER, Tokens(3, cache_read=7, output=5), FINER),
    ],
)
def test_the_finer_split_of_the_same_totals_is_taken(
    mine: Tokens, theirs: Tokens, kept: Tokens
) -> None:
    assert filled(told(tokens=mine), told(tokens=theirs)).tokens == kept
    assert filled(told(tokens=mine), told(tokens=theirs), usage=False).tokens == mine


EXCLUSIVE = Tokens(4022, cache_read=1024, cache_write=256, output=12)
"""Of an input that does not contain the cached tokens, as it is."""


@pytest.mark.parametrize(
    ("one", "other"),
    [
        # The cached tokens are left out of the input and not told either.
        (Tokens(4022, output=12), EXCLUSIVE),
        # The split is taken from an input that does not contain it; the other knows the sum.
        (Tokens(2742, cache_read=1024, cache_write=256, output=12), Tokens(5302, output=12)),
        (Tokens(2742, cache_read=1024, cache_write=256, output=12), EXCLUSIVE),
        # The last part of a stream does not repeat the input.
        (Tokens(0, output=12), EXCLUSIVE),
    ],
)
def test_usage_without_its_cached_tokens_is_completed(one: Tokens, other: Tokens) -> None:
    for inner, outer in ((one, other), (other, one)):
        assert filled(told(tokens=inner), told(tokens=outer)).tokens == EXCLUSIVE
    unlike = replace(other, output=13)
    assert filled(told(tokens=one), told(tokens=unlike)).tokens == one


@pytest.mark.parametrize(
    ("inner", "outer", "usage", "error"),
    [
        ({}, "cancelled", True, "cancelled"),  # what was answered without usage did not arrive
        ({}, "cancelled", False, ""),  # one of several: another may have failed
        ({"tokens": USED}, "cancelled", True, ""),
        ({"error_type": "timeout"}, "other", True, "timeout"),
        ({"error_type": "timeout"}, "cancelled", False, "timeout"),
        ({"error_type": "other"}, "timeout", False, "timeout"),
        ({"error_type": "other"}, "", True, "other"),
    ],
)
def test_why_a_call_failed(inner: dict[str, Any], outer: Any, usage: bool, error: str) -> None:
    assert filled(told(**inner), told(error_type=outer), usage=usage).error_type == error


@pytest.mark.parametrize("fact", ["provider", "request_model", "response_model"])
def test_late_usage_goes_under_the_names_that_were_counted(fact: str) -> None:
    counted: dict[str, Any] = {fact: "counted"}
    named: dict[str, Any] = {fact: "late"}
    late = told(tokens=USED, **named)
    assert getattr(with_late_usage(told(**counted), late), fact) == "counted"
    assert getattr(with_late_usage(told(), late), fact) == "late"
    assert getattr(with_late_usage(told(**counted), told()), fact) == "counted"


def test_a_cost_that_was_counted_does_not_come_again_with_late_usage() -> None:
    late = told(tokens=USED, reported_cost=ReportedCost(0.5))
    assert with_late_usage(told(), late).reported_cost == ReportedCost(0.5)
    assert with_late_usage(told(reported_cost=ReportedCost(0.4)), late).reported_cost is None


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ({}, {"request_model": "gpt-4o"}, True),
        ({"request_model": "gpt-4o"}, {"request_model": "claude-sonnet-4-5"}, False),
        ({"request_model": "alias", "response_model": "gpt-4o"}, {"request_model": "alias"}, True),
        ({"request_model": "openai/GPT-4o"}, {"response_model": "gpt-4o-2024-08-06"}, True),
        ({"request_model": "gpt-4o"}, {"request_model": "gpt-4o-mini"}, False),
    ],
)
def test_one_model_has_several_names(
    one: dict[str, Any], other: dict[str, Any], same: bool
) -> None:
    assert same_model(told(**one), told(**other)) is same
    assert same_model(told(**other), told(**one)) is same


FAILED: dict[str, Any] = {"error_type": "timeout"}


@pytest.mark.parametrize(
    ("one", "other", "may_be"),
    [
        (told(0, 1000), told(-50, 900), True),
        (told(0, 1000), told(-51, 900), False),
        (told(0, 1000), told(100, 1050), True),
        (told(0, 1000), told(100, 1051), False),
        (told(response_id="r"), told(), True),
        (told(response_id="r"), told(response_id="s"), False),
        (told(), told(operation="embeddings"), False),
        (told(request_model="gpt-4o"), told(request_model="o3"), False),
        (told(tokens=USED), told(tokens=FINER), True),
        (told(tokens=USED), told(tokens=Tokens(11, output=5)), False),
        (told(tokens=USED), told(tokens=Tokens(10, output=6)), False),
        (told(tokens=USED), told(), False),
        (told(tokens=USED), told(tokens=Tokens(0, output=5)), True),
        (told(tokens=USED), told(tokens=Tokens(0, output=6)), False),
        (told(0, 1000, tokens=USED), told(100, 1290, tokens=USED), True),
        (told(0, 1000, tokens=USED), told(100, 1400, tokens=USED), False),
        (told(0, 1000, tokens=USED), told(1001, 1290, tokens=USED), False),
        (told(**FAILED, tokens=USED), told(**FAILED), True),
        (told(**FAILED), told(error_type="other"), True),
        (told(**FAILED), told(error_type="rate_limited"), False),
        (told(**FAILED), told(), False),
        (told(error_type="other"), told(), False),
    ],
)
def test_copies_say_the_same_at_one_time(one: LlmCall, other: LlmCall, may_be: bool) -> None:
    assert may_be_copies(one, other) is may_be
    assert may_be_copies(other, one) is may_be


@pytest.mark.parametrize(("start_ms", "at_one_time"), [(1050, True), (1051, False)])
def test_clocks_may_be_a_little_apart(start_ms: int, at_one_time: bool) -> None:
    one, other = told(0, 1000), told(start_ms, 3000)
    assert overlap(one, other) is overlap(other, one) is at_one_time


def test_intervals_are_apart_at_both_ends() -> None:
    assert Interval(2, 10).apart_ns(Interval(5, 8)) == 5


@pytest.mark.parametrize(("mine", "theirs"), [(1.0, 10.0), (10.0, 1.0)])
def test_who_is_not_sampled_tells_the_rest_as_well(mine: float, theirs: float) -> None:
    assert filled(told(weight=mine), told(weight=theirs)).weight == 1
