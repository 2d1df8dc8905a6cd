"""JSON of the HTTP API as records. What has another shape than documented is passed over."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from ..config.units import parse_duration
from .facts import Curve, Exemplar, Group, Labels, Missing, Rule, Sample, Target, Unread
from .promql import Need, needs, of_panel

_OTHER = Missing("an answer of another shape than documented")


def samples(data: Any) -> tuple[Sample, ...] | Missing:
    """Of an instant query's vector; what has no value, or an infinite one, says nothing."""
    if isinstance(data, Missing):
        return data
    found: list[Sample] = []
    for row in items(data, "result"):
        value = row.get("value")
        if (
            isinstance(value, list)
            and len(value) == 2
            and (number := _finite(value[1])) is not None
        ):
            found.append(Sample(labels_of(row.get("metric")), number))
    return tuple(found)


def curves(data: Any) -> tuple[Curve, ...] | Missing:
    """Of a range query's matrix; points as of `samples`."""
    if isinstance(data, Missing):
        return data
    return tuple(
        Curve(labels_of(row.get("metric")), tuple(_points(row.get("values"))))
        for row in items(data, "result")
    )


def _points(values: Any) -> Iterator[tuple[float, float]]:
    for point in values if isinstance(values, list) else ():
        if isinstance(point, list) and len(point) == 2:
            at_s, value = map(_finite, point)
            if at_s is not None and value is not None:
                yield at_s, value


def targets(data: Any, kind: str) -> tuple[Target, ...] | Missing:
    """`activeTargets` or `droppedTargets`."""
    if isinstance(data, Missing):
        return data
    if not isinstance(data, dict) or kind not in data:
        return _OTHER
    return tuple(
        Target(
            # Before Prometheus 3 a dropped target tells its job only.
            pool=str(row.get("scrapePool") or discovered.get("job", "")),
            labels=labels_of(row.get("labels")),
            discovered=discovered,
            url=str(row.get("scrapeUrl", "")),
            health=str(row.get("health", "")),
            error=str(row.get("lastError", "")),
            duration_s=number(row.get("lastScrapeDuration")),
            interval_s=seconds(row.get("scrapeInterval")),
            timeout_s=seconds(row.get("scrapeTimeout")),
        )
        for row in items(data, kind)
        for discovered in (labels_of(row.get("discoveredLabels")),)
    )


def groups(data: Any) -> tuple[Group, ...] | Missing:
    """Every group of rules."""
    if isinstance(data, Missing):
        return data
    if not isinstance(data, dict) or not isinstance(data.get("groups"), list):
        return _OTHER
    return tuple(_group(row) for row in items(data, "groups"))


def _group(row: dict[str, Any]) -> Group:
    name, file = str(row.get("name", "")), str(row.get("file", ""))
    return Group(
        name=name,
        file=file,
        interval_s=number(row.get("interval")),
        evaluation_s=number(row.get("evaluationTime")),
        evaluated_s=unix(row.get("lastEvaluation")),
        rules=tuple(_rule(rule, name, file) for rule in items(row, "rules")),
    )


def _rule(row: dict[str, Any], group: str, file: str) -> Rule:
    expr = str(row.get("query", ""))
    return Rule(
        name=str(row.get("name", "")),
        group=group,
        file=file,
        is_alert=row.get("type") == "alerting",
        expr=expr,
        labels=labels_of(row.get("labels")),
        health=str(row.get("health", "")),
        error=str(row.get("lastError", "")),
        need=needs(expr),
    )


def written_rules(tree: Any, file: str) -> Iterator[Rule]:
    """The rules of a rule file."""
    for group in items(tree, "groups"):
        for row in items(group, "rules"):
            expr = str(row.get("expr", ""))
            name = row.get("alert") or row.get("record") or ""
            yield Rule(
                str(name), str(group.get("name", "")), file, "alert" in row, expr,
                labels_of(row.get("labels")), "", "", needs(expr),
            )  # fmt: skip


def panel_rows(tree: Any) -> Iterator[tuple[str, tuple[Need, ...]]]:
    """Title and needs of each panel of a dashboard that asks something, nested ones, too."""
    for panel in items(tree, "panels"):
        yield from panel_rows(panel)
        asked = [str(t["expr"]) for t in items(panel, "targets") if isinstance(t.get("expr"), str)]
        if asked:
            yield str(panel.get("title", "")), tuple(map(of_panel, asked))


def exemplars(data: Any) -> tuple[Exemplar, ...] | Missing:
    """Of an exemplar query."""
    if isinstance(data, Missing):
        return data
    found: list[Exemplar] = []
    for series in data if isinstance(data, list) else ():
        if not isinstance(series, dict):
            continue
        instance = labels_of(series.get("seriesLabels")).get("instance", "")
        for row in items(series, "exemplars"):
            marks = labels_of(row.get("labels"))
            found.append(
                Exemplar(
                    instance,
                    marks.get("trace_id", ""),
                    marks.get("span_id", ""),
                    number(row.get("timestamp")),
                )
            )
    return tuple(found)


def unread(data: Any) -> tuple[Unread, ...] | Missing:
    """Of an exporter's list of what it did not understand."""
    if isinstance(data, Missing):
        return data
    return tuple(
        Unread(
            signal=str(row.get("signal", "")),
            scope=str(row.get("scope", "")),
            name=str(row.get("name", "")),
            attributes=_texts(row.get("attributes")),
            records=int(number(row.get("records"))),
            convention=found if isinstance(found := row.get("convention"), dict) else {},
        )
        for row in items({"rows": data}, "rows")
    )


def _texts(value: Any) -> tuple[str, ...]:
    return tuple(map(str, value)) if isinstance(value, list) else ()


def items(value: Any, key: str) -> list[dict[str, Any]]:
    """The objects in a list of an object; none where it is not one."""
    found = value.get(key) if isinstance(value, dict) else None
    return [row for row in found if isinstance(row, dict)] if isinstance(found, list) else []


def labels_of(value: Any) -> Labels:
    """Labels as text."""
    return {str(k): str(v) for k, v in value.items()} if isinstance(value, Mapping) else {}


def strings(value: Any) -> frozenset[str] | Missing:
    """A list of texts."""
    if isinstance(value, Missing):
        return value
    return frozenset(map(str, value)) if isinstance(value, list) else _OTHER


def number(value: Any) -> float:
    """A number, also one written as text; 0 where it is none, or infinite."""
    return _finite(value) or 0.0


def _finite(value: Any) -> float | None:
    try:
        found = float(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return found if math.isfinite(found) else None


def seconds(value: Any) -> float:
    """Of a duration such as `1m30s`; 0 where it is not told."""
    try:
        return parse_duration(str(value))
    except ValueError:
        return 0.0


def unix(value: Any) -> float:
    """Of an ISO time; 0 for Go's zero time and what is none."""
    try:
        found = datetime.fromisoformat(str(value)).timestamp()
    except (ValueError, OverflowError):
        return 0.0
    return max(found, 0.0)
