"""Selectors found by their tokens are those that a whole parser finds."""

from __future__ import annotations

import promql_parser as ql
import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_trace_exporter.doctor.promql import Matcher, Need, Selector, needs, of_panel, selectors
from tests.alerts.queries import nodes
from tests.alerts.rules import Rule, all_rules
from tests.dashboards.written import ASKED, Asked, substituted
from tests.draws import draws
from tests.every import every

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


@every(all_rules(), lambda rule: f"{rule.file}-{rule.id}")
def test_of_every_rule(rule: Rule) -> None:
    assert set(selectors(needs(rule.expr))) == parsed(rule.expr)


@every(ASKED, lambda asked: asked.where)
def test_of_every_panel(asked: Asked) -> None:
    expr = substituted(asked.expr)
    assert set(selectors(needs(expr))) == parsed(expr)


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
@draws(100)
def test_of_any_expression(expr: str) -> None:
    assert set(selectors(needs(expr))) == parsed(expr)


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
    assert [s.name for s in selectors(needs(expr))] == names


def test_what_variables_choose_is_left_out() -> None:
    (found,) = selectors(
        of_panel('sum(rate(a_total{x=~"$x|", y="${y:regex}", z="1"}[$__rate_interval]))')
    )
    assert str(found) == 'a_total{z="1"}'


@pytest.mark.parametrize(
    ("operator", "value", "takes"),
    [("=", "", True), ("=", "a", False), ("!=", "a", True), ("!=", "", False),
     ("=~", ".*", True), ("=~", "a|", True), ("=~", "a", False), ("!~", "a", True),
     ("!~", ".*", False), ("=~", "[", False)],
)  # fmt: skip
def test_whether_an_absent_label_passes(operator: str, value: str, takes: bool) -> None:
    assert Matcher("x", operator, value).takes_absent is takes


A, B, C = Selector("a"), Selector("b"), Selector("c")


@pytest.mark.parametrize(
    ("expr", "need"),
    [
        ("a + b", ((A, B),)),
        ("a or b + c", ((A,), (B, C))),
        ("(a or vector(0)) + b", ((((A,), ()), B),)),
        ("a unless b and c", ((A, C),)),
        ("a unless (b or c)", ((A,),)),
        ("absent(a)", ((),)),
        ("max(a or b, c)", ((((A,), (B,)), C),)),
    ],
)
def test_what_is_needed(expr: str, need: Need) -> None:
    assert alive(needs(expr)) == alive(need)


def alive(need: Need) -> set[frozenset[Selector]]:
    """Which of A, B and C have to be there: every set that is enough."""

    def enough(part: Selector | Need, there: frozenset[Selector]) -> bool:
        if isinstance(part, Selector):
            return part in there
        return any(all(enough(item, there) for item in together) for together in part)

    subsets = [frozenset(s for n, s in enumerate((A, B, C)) if bits >> n & 1) for bits in range(8)]
    return {there for there in subsets if enough(need, there)}


def test_parentheses_without_end() -> None:
    assert selectors(needs("(" * 5000 + "a")) == ()
    assert selectors(needs("a" + ")" * 50)) == (A,)
