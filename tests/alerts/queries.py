"""What a PromQL expression is made of."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import promql_parser as ql

OVER_TIME = {"rate", "increase", "irate", "resets"}
"""What may be asked of a counter."""


@dataclass(frozen=True, slots=True)
class Selector:
    """One vector selector and where it stands."""

    name: str
    labels: tuple[str, ...]
    """Labels that it matches on."""
    within: tuple[str, ...]
    """Functions and operators around it, the outermost first."""
    range_s: float
    """0: an instant vector."""


def parse(query: str) -> Any:
    """The tree of an expression, type-checked.

    Raises: ValueError for what Prometheus would not take.
    """
    return ql.parse(query)


def selectors(node: Any, within: tuple[str, ...] = (), range_s: float = 0.0) -> Iterator[Selector]:
    """Every selector of a tree."""
    if isinstance(node, ql.VectorSelector):
        labels = tuple(matcher.name for matcher in node.matchers.matchers)
        yield Selector(node.name or "", labels, within, range_s)
    elif isinstance(node, ql.MatrixSelector):
        yield from selectors(node.vector_selector, within, node.range.total_seconds())
    else:
        for child in _children(node):
            yield from selectors(child, (*within, _name(node)), range_s)


def nodes(node: Any) -> Iterator[Any]:
    """Every node of a tree, itself first."""
    yield node
    for child in _children(node):
        yield from nodes(child)


def grouping(node: Any) -> tuple[str, ...]:
    """Labels that aggregations of this tree name."""
    found: list[str] = []
    for one in nodes(node):
        modifier = getattr(one, "modifier", None)
        if isinstance(one, ql.AggregateExpr) and modifier is not None:
            found += modifier.labels
    return tuple(found)


def _children(node: Any) -> list[Any]:
    if isinstance(node, ql.BinaryExpr):
        return [node.lhs, node.rhs]
    if isinstance(node, ql.Call):
        return list(node.args)
    if isinstance(node, ql.AggregateExpr):
        return [node.expr, *([node.param] if node.param is not None else [])]
    if isinstance(node, ql.ParenExpr | ql.UnaryExpr | ql.SubqueryExpr):
        return [node.expr]
    return []


def _name(node: Any) -> str:
    if isinstance(node, ql.Call):
        return str(node.func.name)
    if isinstance(node, ql.BinaryExpr | ql.AggregateExpr):
        return str(node.op)
    return ""
