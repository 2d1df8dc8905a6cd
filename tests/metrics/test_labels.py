"""Label values from outside are made safe, and there is never more than a cap of them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_trace_exporter.metrics.label_policy import MAX_LENGTH, LabelPolicy, clean_value

ANY_TEXT = st.text(st.characters())  # lone surrogates and control characters included


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        ("gpt-4o", "gpt-4o"),
        ("  team a \t", "team a"),
        ("team  a", "team a"),
        ("a\nb\r\n\x00c", "a b c"),
        ("a\u2028b\u00a0c", "a b c"),
        ("\u202egpt\u200b-4o\ufeff", "gpt-4o"),
        ("bad \ud800 text", "bad ? text"),
        ("größe 大", "größe 大"),
        ('quote " and \\', 'quote " and \\'),
        ("\x00\x1f\u200b ", ""),
        ("x" * 200, "x" * 128),
        ("x" * 127 + "  y", "x" * 127),
        (" " * 10_000_000 + "x", ""),
        # Printable for Python, and not to be seen.
        ("gpt\ufe0f-4o", "gpt-4o"),
        ("a" + " " * 300 + "b", "a b"),
    ],
)
def test_clean_value(raw: str, shown: str) -> None:
    assert clean_value(raw) == shown


@given(ANY_TEXT)
def test_cleaned_values_are_short_printable_and_stable(raw: str) -> None:
    shown = clean_value(raw)
    assert len(shown) <= MAX_LENGTH
    assert shown == shown.strip()
    assert not any(ord(c) < 32 or 127 <= ord(c) < 160 for c in shown)
    shown.encode()
    assert clean_value(shown) == shown


def test_past_the_cap_a_value_is_other_and_that_is_told() -> None:
    policy = LabelPolicy({"model": 2}, default_cap=1)
    assert policy.admit("model", "a") == ("a", False)
    assert policy.admit("model", "b") == ("b", False)
    assert policy.admit("model", "c") == ("other", True)
    assert policy.admit("model", " a ") == ("a", False)
    assert policy.admit("tool", "a") == ("a", False)
    assert policy.admit("tool", "b") == ("other", True)


def test_empty_and_other_take_no_room() -> None:
    policy = LabelPolicy({"model": 1})
    assert policy.admit("model", "") == ("", False)
    assert policy.admit("model", "other") == ("other", False)
    assert policy.admit("model", "a") == ("a", False)


def test_a_flood_of_names_leaves_no_trace() -> None:
    policy = LabelPolicy({"model": 10})
    shown = {policy.admit("model", f"model-{i}")[0] for i in range(100_000)}
    assert len(shown) == 11
    assert policy.full_labels() == ("model",)
    policy.retain("model", {"model-3", "gone"})
    assert policy.full_labels() == ()
    assert policy.admit("model", "new") == ("new", False)
    assert policy.admit("model", "model-3") == ("model-3", False)


def test_equal_values_share_one_string() -> None:
    policy = LabelPolicy()
    first, _ = policy.admit("model", "".join(["gpt", "-4o"]))
    second, _ = policy.admit("model", "".join(["gpt-", "4o"]))
    assert first is second


def test_a_lower_cap_keeps_what_is_shown_already() -> None:
    policy = LabelPolicy({"model": 3})
    for name in ("a", "b", "c"):
        policy.admit("model", name)
    policy.set_caps({"model": 1}, 1)
    assert policy.admit("model", "c") == ("c", False)
    assert policy.admit("model", "d") == ("other", True)


def test_a_label_that_was_never_seen_shows_nothing() -> None:
    assert LabelPolicy({"model": 3}, default_cap=7).usage("model") == (0, 3)
    assert LabelPolicy({"model": 3}, default_cap=7).usage("team") == (0, 7)


def test_a_label_without_its_value_is_refused() -> None:
    with pytest.raises(ValueError, match="shorter"):
        LabelPolicy().admit_all(("model", "tool"), ("gpt-4o",))
