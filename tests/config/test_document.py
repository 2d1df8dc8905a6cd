"""Whatever is in a file, reading it ends quickly with settings or with a ConfigError."""

from __future__ import annotations

import math
import time
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from llm_trace_exporter.config import Settings, effective_yaml, parse_config
from llm_trace_exporter.config.bind import load_schema
from llm_trace_exporter.config.document import Node, plain_scalar, read_document
from llm_trace_exporter.config.dump import _Dumper
from llm_trace_exporter.config.problems import MAX_SHOWN
from llm_trace_exporter.config.units import duration_s, format_duration, format_size, size_bytes
from llm_trace_exporter.errors import ConfigError
from tests.draws import draws

SCHEMA = load_schema()
PIECES = (
    *"[]{}:,-?&*!|>'\"%@`#~\n\t \\",
    *("\n  ", "- ", ": ", "&a ", "*a", "!!int ", "<<", "---\n", "...\n", "%YAML 1.2\n", "\\ud800"),
    *("web", "decision_wait", "10s", "dimensions", "label", "x"),
)


def outcome(text: str) -> Settings | list[str]:
    """Settings or problems, each on one line."""
    try:
        return parse_config(text, "c.yml")
    except ConfigError as error:
        problems = error.problems
    assert problems
    assert all(problem.startswith("c.yml") for problem in problems)
    assert not any("\n" in problem for problem in problems)
    return problems


def values_of(schema: dict[str, Any], *, bad: bool) -> st.SearchStrategy[Any]:
    """Values that a schema takes, and others too if `bad`."""
    junk = st.one_of(
        st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=8), st.just([{}])
    )
    near = [st.sampled_from(schema["examples"])] if schema.get("examples") else []
    if "default" in schema:
        near.append(st.just(schema["default"]))
    if schema.get("properties"):
        known = {key: values_of(below, bad=bad) for key, below in schema["properties"].items()}
        near.append(st.fixed_dictionaries({}, optional=known))
    if isinstance(schema.get("additionalProperties"), dict):
        member = values_of(schema["additionalProperties"], bad=bad)
        near.append(st.dictionaries(st.sampled_from(["a", "model", "openlit"]), member, max_size=2))
    if isinstance(schema.get("items"), dict):
        near.append(st.lists(values_of(schema["items"], bad=bad), max_size=3))
    if schema.get("enum"):
        near.append(st.sampled_from(schema["enum"]))
    if "x-kind" not in schema:
        near += in_range(schema)
    near = near or [st.just("x")]
    return st.one_of(*near, *near, junk) if bad else st.one_of(*near)


def in_range(schema: dict[str, Any]) -> list[st.SearchStrategy[Any]]:
    """Any value of a simple type."""
    match schema.get("type"):
        case "boolean":
            return [st.booleans()]
        case "integer":
            return [st.integers(schema["minimum"], schema["maximum"])]
        case "number":
            return [st.floats(schema["minimum"], schema["maximum"])]
        case "string" if "pattern" not in schema and "enum" not in schema:
            return [st.text(min_size=1, max_size=9)]
        case _:
            return []


@pytest.mark.dear
@draws(60)
@given(values_of(SCHEMA, bad=False))
def test_effective_configuration_loads_back(value: Any) -> None:
    found = outcome(yaml.dump(value, Dumper=_Dumper, allow_unicode=True))
    if isinstance(found, Settings):
        assert parse_config(effective_yaml(found), "again.yml") == found


@pytest.mark.dear
@draws(200)
@given(values_of(SCHEMA, bad=True))
def test_any_values_under_any_keys(value: Any) -> None:
    outcome(yaml.dump(value, Dumper=_Dumper, allow_unicode=True))


@draws(200)
@given(st.text())
def test_any_text(text: str) -> None:
    outcome(text)


@draws(200)
@given(
    st.lists(
        st.sampled_from(PIECES),
        max_size=40,
    ).map("".join)
)
def test_any_punctuation(text: str) -> None:
    outcome(text)


@pytest.mark.dear
@pytest.mark.parametrize(
    "text",
    [
        "[" * 900_000,
        "- " * 400_000,
        "{a: " * 200_000,
        "? " * 400_000,
        "a: " + "x\n  " * 200_000,
        "".join(f"key{i}: 1\n" for i in range(60_000)),
        "a: &a [x,x,x,x,x,x,x,x]\n"
        + "".join(
            f"b{i}: &b{i} [{','.join([f'*b{i - 1}' if i else '*a'] * 9)}]\n" for i in range(9)
        ),
        "a: &a {b: *a}",
        "dimensions: [{label: x, keys: [" + "1,b," * 12_000 + "]}]",
        "decision_wait: " + "9" * 500_000,
        "lateness: " + "9" * 500_000 + "s",
        "%TAG ! tag:x,2000:\n---\na: !b c",
    ],
    ids=range(12),
)
def test_hostile_files_end_soon(text: str) -> None:
    started = time.process_time()
    found = outcome(text)
    assert isinstance(found, list)
    assert time.process_time() - started < 10
    assert max(map(len, found)) < 1_000


@given(st.text(min_size=MAX_SHOWN + 1, alphabet=st.sampled_from("abcXYZ09.-")))
def test_long_values_are_never_told(text: str) -> None:
    for place in ("log: {level: %s}", "decision_wait: %s", "%s: 1", "dialects: {%s: {}}"):
        found = outcome(place % f'"{text}"')
        assert isinstance(found, list)
        assert not any(text in problem for problem in found)


@given(st.one_of(st.text(max_size=12), st.from_regex(r"\A[-+.0-9eExXoO_:]{1,8}\Z")))
def test_scalars_are_finite(text: str) -> None:
    value = plain_scalar(text)
    assert not isinstance(value, float) or math.isfinite(value)


def lines_of(node: Node) -> list[int]:
    below: list[Node] = []
    if isinstance(node.value, list):
        below = node.value
    elif isinstance(node.value, dict):
        below = list(node.value.values())
    return [node.line, *(line for part in below for line in lines_of(part))]


def test_lines_are_those_of_the_keys() -> None:
    root, problems = read_document("a:\n  b:\n    - 1\n\n    - c: |\n        x\n")
    assert problems == []
    assert lines_of(root) == [1, 1, 2, 3, 5, 5]
    assert root.plain() == {"a": {"b": [1, {"c": "x\n"}]}}


@given(st.integers(0, 10**12))
def test_durations_are_written_as_they_are_read(milliseconds: int) -> None:
    assert duration_s(format_duration(milliseconds / 1000)) == milliseconds / 1000


@given(st.integers(0, 10**12))
def test_sizes_are_written_as_they_are_read(size: int) -> None:
    assert size_bytes(format_size(size)) == size


def test_a_duration_has_every_unit_of_prometheus() -> None:
    assert duration_s("1y1w1d1h1m1s1ms") == (365 + 7 + 1) * 86_400 + 3_661.001


@pytest.mark.parametrize(
    ("text", "is_empty"),
    [
        ("", True),
        ("# decision_wait: 1m\n", True),
        ("---\n...\n", True),
        ("{}", True),
        ("~", True),
        ("judge:\npricing:\n  contracts:\n", True),
        ("judge: {endpoint: {}}", True),
        ("decision_wait: 1m", False),
        ("pricing:\n  auto_update: false\n", False),
        ("dimensions: []", False),
        ("text", False),
    ],
)
def test_what_says_nothing_is_told_from_what_says_something(text: str, is_empty: bool) -> None:
    root, _ = read_document(text)
    assert root.is_empty is is_empty
