"""Coercion of values as emitters write them."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_trace_exporter.dialects.coerce import (
    MAX_TOKENS,
    count,
    flag,
    instant_ns,
    is_made_up,
    number,
    parse_object,
    text,
    texts,
    usd,
)
from llm_trace_exporter.dialects.finish_reasons import finish_reasons
from llm_trace_exporter.errors import RejectedRecord

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=8,
)


@pytest.mark.parametrize(
    ("value", "expected"),
    [(12, 12), (12.0, 12), ("12", 12), ('"12"', 12), ("", None), ("None", None), (None, None),
     (True, None), ([12], None)],
)  # fmt: skip
def test_counts_in_every_spelling(value: Any, expected: int | None) -> None:
    """Ints, doubles, numeric and JSON-quoted strings are one thing; nothing is unknown."""
    assert count(value) == expected


@pytest.mark.parametrize("value", [-1, float("nan"), float("inf"), "many", MAX_TOKENS + 1, 10**400])
def test_impossible_counts_are_rejected(value: Any) -> None:
    """A count that cannot be true rejects the record instead of changing a number."""
    with pytest.raises(RejectedRecord):
        count(value)


@pytest.mark.parametrize("value", [-0.01, "nan", 1e9])
def test_impossible_dollars_are_rejected(value: Any) -> None:
    """Likewise for money."""
    with pytest.raises(RejectedRecord):
        usd(value)


@pytest.mark.parametrize(
    ("value", "expected"),
    [("a", "a"), ('"a"', "a"), (3, "3"), (True, "true"), (None, ""), ("null", ""), (["a"], "")],
)
def test_texts_lose_their_json_quotes(value: Any, expected: str) -> None:
    """MLflow and Langfuse quote every value once more."""
    assert text(value) == expected


@pytest.mark.parametrize("value", [["stop"], '["stop"]', "['stop']", "stop", {"values": ["stop"]}])
def test_lists_in_every_spelling(value: Any) -> None:
    """Arrays, JSON arrays in a string, Python reprs and lone texts."""
    assert texts(value) == ("stop",)


@pytest.mark.parametrize(
    "written", ['{"a": {"b": 1}}', "{'a': {'b': 1}}", '"{\\"a\\": {\\"b\\": 1}}"']
)
def test_objects_as_json_or_repr(written: str) -> None:
    """LangSmith and LiteLLM write Python reprs where others write JSON."""
    assert parse_object(written) == {"a": {"b": 1}}


@pytest.mark.parametrize("written", ["[" * 50_000, "{'a': " * 9_000, "__import__('os')", "{" * 10])
def test_hostile_objects_are_nothing(written: str) -> None:
    """Deep nesting and code end as nothing, without an error."""
    assert parse_object(written) is None


@pytest.mark.parametrize("written", ['"gpt\\ud800"', "['gpt\\ud800']"])
def test_half_a_surrogate_pair_is_replaced(written: str) -> None:
    """It is no text that a page or a file could hold."""
    assert texts(written) == ("gpt?",)


def test_a_number_too_long_to_write_is_no_text() -> None:
    """Python refuses to write it; a Python literal can hold it."""
    assert text(parse_object("{'n': 0x" + "f" * 6_000 + "}")["n"]) == ""  # type: ignore[index, call-overload]


def test_long_literals_are_not_parsed() -> None:
    """Python's parser takes a hundred times as long as JSON's."""
    short, long = ({str(n): n for n in range(size)} for size in (500, 1_000))
    assert parse_object(repr(short)) == short
    assert parse_object(repr(long)) is None
    assert parse_object(json.dumps(long)) == long


@given(VALUES)
def test_coercions_reject_or_return(value: Any) -> None:
    """No value breaks a coercion other than by rejecting the record."""
    for coerce in (count, usd, number):
        with suppress(RejectedRecord):
            coerce(value)
    text(value)
    texts(value)
    flag(value)
    instant_ns(value)
    parse_object(value)
    finish_reasons(value)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (["end_turn"], ("stop",)),
        ("STOP", ("stop",)),
        ("FinishReason.MAX_TOKENS", ("length",)),
        (["tool-calls"], ("tool_calls",)),
        ('["tool_calls"]', ("tool_calls",)),
        (["stop", "stop"], ("stop",)),
        ("SAFETY", ("content_filter",)),
        ("refusal", ("refusal",)),
        ("error", ()),
        ("weird", ("other",)),
        (None, ()),
    ],
)
def test_finish_reasons_of_every_provider(value: Any, expected: tuple[str, ...]) -> None:
    """Every spelling maps to the catalogue's words; `error` is no reason."""
    assert finish_reasons(value) == expected


def test_times_need_a_zone() -> None:
    """A time without a zone could be any instant."""
    assert instant_ns('"2026-11-21T00:00:00.5Z"') == 1_795_219_200_500_000_000
    assert instant_ns("2026-11-21T00:00:00") is None


@pytest.mark.parametrize(
    ("identifier", "invented"),
    [
        ("chatcmpl-stub2237", False),
        ("msg_01XFDUDYJgAACzvnptvVoYEL", False),
        ("req_stub_1921", True),
        ("9d1f0c5e-1b1e-4f0a-9c53-0f7d4f0a1c2b", True),
        ("chatcmpl-9d1f0c5e-1b1e-4f0a-9c53-0f7d4f0a1c2b", True),
    ],
)
def test_invented_ids_are_known(identifier: str, invented: bool) -> None:
    """UUIDs and HTTP request ids link nothing."""
    assert is_made_up(identifier) is invented
