"""Every query is PromQL, and names only what the metric catalogue has."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import promql_parser

from dashboards.promql import FAMILY_OF, RECORDED, labels_of
from tests.dashboards.written import ASKED, DASHBOARDS, Asked, panels, substituted
from tests.every import every

OF_PROMETHEUS = {
    "ALERTS": frozenset({"alertname", "alertstate", "severity", "service"}),
    "up": frozenset({"job", "instance"}),
}
OTHERS = {**OF_PROMETHEUS, **RECORDED}
"""Not of the catalogue."""


def nodes(expr: Any) -> Iterator[Any]:
    """An expression and everything in it."""
    yield expr
    for name in ("expr", "lhs", "rhs", "param", "vector_selector"):
        inner = getattr(expr, name, None)
        if inner is not None and not isinstance(inner, str | float):
            yield from nodes(inner)
    for inner in getattr(expr, "args", None) or ():
        yield from nodes(inner)


def selectors(expr: str) -> list[Any]:
    """The vector selectors of an expression."""
    parsed = promql_parser.parse(expr)
    return [n for n in nodes(parsed) if type(n).__name__ == "VectorSelector"]


@every(ASKED, lambda asked: asked.where)
def test_metrics_and_labels_are_those_of_the_catalogue(asked: Asked) -> None:
    expr = substituted(asked.expr)
    found = selectors(expr)
    assert found or "vector(" in expr
    known: set[str] = set()
    for selector in found:
        if selector.name in OTHERS:
            allowed = OTHERS[selector.name]
        else:
            allowed = labels_of(FAMILY_OF[selector.name])
        known |= allowed
        for matcher in selector.matchers.matchers:
            assert matcher.name in allowed, (selector.name, matcher.name)
    for node in nodes(promql_parser.parse(expr)):
        if type(node).__name__ == "AggregateExpr" and node.modifier is not None:
            assert set(node.modifier.labels) <= known


@every(ASKED, lambda asked: asked.where)
def test_counters_are_only_looked_at_through_their_increase(asked: Asked) -> None:
    expr = substituted(asked.expr)
    whole = [n for n in nodes(promql_parser.parse(expr)) if type(n).__name__ == "MatrixSelector"]
    within = [str(n.vector_selector) for n in whole]
    if asked.where.startswith("annotation"):
        return
    for selector in selectors(expr):
        family = FAMILY_OF.get(selector.name)
        if family is not None and family.type in ("counter", "histogram"):
            assert str(selector) in within, selector


def test_every_family_of_the_contract_is_on_a_dashboard() -> None:
    shown = {selector.name for asked in ASKED for selector in selectors(substituted(asked.expr))}
    families = {FAMILY_OF[name].name for name in shown if name in FAMILY_OF}
    contract = {f.name for f in FAMILY_OF.values() if f.section != "Profiles"}
    assert not contract - families - NOT_SHOWN


def test_legends_name_labels_that_the_query_keeps() -> None:
    for dashboard in DASHBOARDS.values():
        for panel in panels(dashboard):
            for target in panel["targets"]:
                kept = target["expr"] + "le"
                for label in target["legendFormat"].replace("}}", "{{").split("{{")[1::2]:
                    assert label in kept, (panel["title"], label)


NOT_SHOWN: frozenset[str] = frozenset()
"""Families that no panel needs."""
