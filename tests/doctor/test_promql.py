"""Selectors found by their tokens are those that a whole parser finds."""

from __future__ import annotations

import promql_parser as ql
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llm_trace_exporter.doctor.promql import Matcher, Selector, of_panel, selectors
from tests.alerts.queries import nodes
from tests.alerts.rules import Rule, all_rules
from tests.dashboards.written import ASKED, Asked, substituted

OPERATORS = {"Equal": "=", "NotEqual": "!=", "Re": "=~", "NotRe": "!~"}


def parsed(expr: str) -> set[Selector]:
    found = set()
    for node in nodes(ql.parse(expr)):
        vector = node.vector_selector if isinstance(node, ql.MatrixSelector) else node
        if isinstance(vector, ql.VectorSelector):
            matchers = {
                Matcher(m.name, OPERATORS[str(m.op).rpartition(".")[2]], m.value)
                for m in vector.matchers.matchers
            }
            found.add(Selector(vector.name or "", tuple(sorted(matchers))))
    return found


@pytest.mark.parametrize("rule", all_rules(), ids=lambda rule: f"{rule.file}-{rule.id}")
def test_of_every_rule(rule: Rule) -> None:
    assert set(selectors(rule.expr)) == parsed(rule.expr)


@pytest.mark.parametrize("asked", ASKED, ids=lambda asked: asked.where)
def test_of_every_panel(asked: Asked) -> None:
    expr = substituted(asked.expr)
    assert set(selectors(expr)) == parsed(expr)


NAMES = st.sampled_from(["llm_requests_total", "a:b:c", "up", "sum", "x1"])
LABELS = st.sampled_from(["job", "le", "by", "on", "offset"])
VALUES = st.text(st.characters(codec="ascii", exclude_categories=["Cc"]), max_size=8)


@st.composite
def vectors(draw: st.DrawFn) -> str:
    pairs = draw(st.lists(st.tuples(LABELS, st.sampled_from(["=", "!="]), VALUES), max_size=3))
    inside = ",".join(str(Matcher(*pair)) for pair in pairs)
    name = draw(NAMES)
    if name == "sum":
        name = "sum_of_all"
    return f"{name}{{{inside}}}" if pairs else name


def around(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    label = LABELS.filter(lambda name: name in {"job", "le"})
    return st.one_of(
        st.builds("sum by ({}) ({})".format, label, inner),
        st.builds("max({1}) without ({0})".format, label, inner),
        st.builds("({0} or on ({2}) {1})".format, inner, inner, label),
        st.builds("({0} / on ({2}) group_left () {1})".format, inner, inner, label),
        st.builds("({} > bool 0.5e-3)".format, inner),
        st.builds("({}[1h:5m] offset 2h)".format, vectors()).map("avg_over_time{}".format),
        st.builds("rate({}[5m] @ 1.5)".format, vectors()),
        st.builds("({} unless absent({}))".format, inner, inner),
        st.builds('label_replace({}, "a", "$1", "b", "(.*)")'.format, inner),
    )


@given(st.recursive(vectors(), around, max_leaves=6))
@settings(max_examples=100, deadline=None)
def test_of_any_expression(expr: str) -> None:
    assert set(selectors(expr)) == parsed(expr)


@pytest.mark.parametrize(
    ("expr", "names"),
    [
        ('rate({"llm_requests_total", job="a"}[5m])', ["llm_requests_total"]),
        ("WITH (x = 1) sum(llm_tokens_total) limit 5", ["llm_tokens_total", "x"]),
        ("info(llm_tokens_total)", ["llm_tokens_total"]),
        ("# up\nvector(1)", []),
        ("up{job=`a}`}", ["up"]),
        ("up{", ["up"]),
        ("", []),
    ],
)
def test_what_no_parser_of_today_takes(expr: str, names: list[str]) -> None:
    assert [s.name for s in selectors(expr)] == names


def test_what_variables_choose_is_left_out() -> None:
    (found,) = of_panel('sum(rate(a_total{x=~"$x|", y="${y:regex}", z="1"}[$__rate_interval]))')
    assert str(found) == 'a_total{z="1"}'


@pytest.mark.parametrize(
    ("operator", "value", "takes"),
    [("=", "", True), ("=", "a", False), ("!=", "a", True), ("!=", "", False),
     ("=~", ".*", True), ("=~", "a|", True), ("=~", "a", False), ("!~", "a", True),
     ("!~", ".*", False), ("=~", "[", False)],
)  # fmt: skip
def test_whether_an_absent_label_passes(operator: str, value: str, takes: bool) -> None:
    assert Matcher("x", operator, value).takes_absent is takes
