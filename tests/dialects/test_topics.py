"""What is skipped where a record tells nothing of a group reads nothing but that group."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import llm_trace_exporter.dialects as room
from llm_trace_exporter.dialects.registry import TABLES
from llm_trace_exporter.dialects.schema import FIELD_GROUPS

ROOT = Path(room.__file__).parent
READS = {"text", "raw", "count", "detail", "usd", "number", "flag"}
FUNCTIONS = {
    function.name: function
    for name in ("calls", "outcome", "usage", "parser", "region")
    for function in ast.parse((ROOT / f"{name}.py").read_text()).body
    if isinstance(function, ast.FunctionDef)
}


def gate_of(statement: ast.stmt) -> str | None:
    """The group without which a function ends at this statement."""
    if isinstance(statement, ast.If) and isinstance(statement.body[-1], ast.Return):
        for test in ast.walk(statement.test):
            if isinstance(test, ast.Compare) and "view.groups" in ast.unparse(test):
                return str(ast.literal_eval(test.left))
    return None


def facts_of(node: ast.AST) -> Iterator[str]:
    """The facts that some code asks for, in the functions that it calls, too."""
    for call in ast.walk(node):
        if not isinstance(call, ast.Call):
            continue
        if isinstance(call.func, ast.Name) and call.func.id in FUNCTIONS:
            yield from facts_of(FUNCTIONS[call.func.id])
        elif isinstance(call.func, ast.Attribute) and call.func.attr in READS:
            yield from (str(a.value) for a in call.args[:1] if isinstance(a, ast.Constant))


GATED = [
    (function.name, group, number)
    for function in FUNCTIONS.values()
    for number, statement in enumerate(function.body)
    if (group := gate_of(statement)) is not None
]
# Asked for beside their group: without it, they change nothing.
# Who answered says what the provider's own counts contain.
WHO = {"provider", "request_model", "response_model"}
ALSO = {"read_usage": WHO, "_is_estimate": WHO}
# Read where a name tells them; no table lists such a name.
ONLY_BY_NAME = {
    "other_input", "cache_read_audio", "other_output", "uncached_input", "citation", "web_searches"
}  # fmt: skip


# Tells whether the short way through the usage will do.
NO_GATE = {"usage_details"}


def test_every_group_is_a_gate() -> None:
    assert {group for _, group, _ in GATED} == FIELD_GROUPS.keys() - NO_GATE


@pytest.mark.parametrize(("name", "group", "number"), GATED)
def test_behind_a_gate_only_its_group_is_read(name: str, group: str, number: int) -> None:
    behind = FUNCTIONS[name].body[number + 1 :]
    asked = {fact for statement in behind for fact in facts_of(statement)}
    assert asked - ALSO.get(name, set()) <= FIELD_GROUPS[group]
    # A usage is read by the places of its shape, not fact by fact.
    assert name in ALSO or asked & FIELD_GROUPS[group]


@pytest.mark.parametrize("group", FIELD_GROUPS)
def test_facts_of_a_group_are_written_somewhere(group: str) -> None:
    listed = {fact for table in TABLES.values() for fact in table}
    assert FIELD_GROUPS[group] - ONLY_BY_NAME <= listed
