"""Panels of Grafana's classic dashboard model (schema v1), as records."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

Kind = Literal[
    "timeseries", "stat", "bargauge", "table", "heatmap", "state-timeline", "row", "text"
]
Json = Mapping[str, Any]

UNITS: Mapping[str, str] = {
    "percentunit": "ratio 0-1, shown as percent",
    "s": "seconds",
    "currencyUSD": "US dollars",
    "reqps": "per second",
    "short": "count",
    "none": "number",
    "bytes": "bytes",
    "dateTimeFromNow": "time since then",
    "x": "multiple",
}
"""Grafana's unit ids that panels may use, and how descriptions name them."""
GRAFANA_UNIT: Mapping[str, str] = {"x": "none"}
"""Ours that Grafana knows by another name."""

DATASOURCE: Json = {"type": "prometheus", "uid": "${datasource}"}
MIN_STEP = "1m"

Threshold = tuple[float | None, str]
GREEN: tuple[Threshold, ...] = ((None, "green"),)
PLAIN: tuple[Threshold, ...] = ((None, "blue"),)
BAD_ABOVE_1: tuple[Threshold, ...] = ((None, "green"), (0.8, "orange"), (1.0, "red"))
"""For what is measured in multiples of a target or a limit."""
SAMPLES: tuple[Threshold, ...] = ((None, "red"), (30, "orange"), (100, "green"))
"""A quantile of fewer than 30 samples says little; p95 wants 100."""
ANY_IS_BAD: tuple[Threshold, ...] = ((None, "green"), (0.5, "orange"))


def up_to(warn: float, bad: float) -> tuple[Threshold, ...]:
    """Green, orange from `warn`, red from `bad`."""
    return ((None, "green"), (warn, "orange"), (bad, "red"))


@dataclass(frozen=True, slots=True)
class Query:
    """One expression of a panel."""

    expr: str
    legend: str = ""
    """With label names in double braces."""
    exemplar: bool = False
    is_target: bool = False
    """Drawn as a dashed line that is aimed at."""


@dataclass(frozen=True, slots=True)
class Column:
    """One column of numbers in a table."""

    title: str
    expr: str
    unit: str = "short"
    steps: tuple[Threshold, ...] = ()
    """Colours of the cell; none: plain text."""


@dataclass(frozen=True, slots=True)
class Panel:
    """One panel; sizes in Grafana's grid of 24 columns."""

    kind: Kind
    title: str
    text: str
    """What it is for."""
    formula: str
    unit: str
    queries: tuple[Query, ...]
    width: int
    height: int
    instant: bool = False
    steps: tuple[Threshold, ...] = GREEN
    options: Json = field(default_factory=dict)
    custom: Json = field(default_factory=dict)
    defaults: Json = field(default_factory=dict)
    overrides: tuple[Json, ...] = ()
    transformations: tuple[Json, ...] = ()
    links: tuple[Json, ...] = ()
    format: Literal["time_series", "table", "heatmap"] = "time_series"
    no_value: str = "no data"

    @property
    def description(self) -> str:
        """What readers see behind the i."""
        return f"{self.text}\n\nFormula: {self.formula}\n\nUnit: {UNITS[self.unit]}."

    def sized(self, width: int, height: int) -> Panel:
        """The same in another size."""
        return replace(self, width=width, height=height)

    def to_json(self, panel_id: int, x: int, y: int) -> dict[str, Any]:
        """The panel as Grafana reads it."""
        return {
            "id": panel_id,
            "type": self.kind,
            "title": self.title,
            "description": self.description,
            "datasource": DATASOURCE,
            "gridPos": {"h": self.height, "w": self.width, "x": x, "y": y},
            "targets": [self._target(i, q) for i, q in enumerate(self.queries)],
            "fieldConfig": {
                "defaults": {
                    "unit": GRAFANA_UNIT.get(self.unit, self.unit),
                    "noValue": self.no_value,
                    "custom": dict(self.custom),
                    "thresholds": thresholds(self.steps),
                    "links": list(self.links),
                    **self.defaults,
                },
                "overrides": [*self.overrides, *self._dashed()],
            },
            "options": dict(self.options),
            "transformations": list(self.transformations),
        }

    def _target(self, index: int, query: Query) -> dict[str, Any]:
        return {
            "refId": ref(index),
            "datasource": DATASOURCE,
            "editorMode": "code",
            "expr": query.expr,
            "legendFormat": query.legend or "__auto",
            "format": self.format,
            "instant": self.instant,
            "range": not self.instant,
            "exemplar": query.exemplar,
            "interval": MIN_STEP,
        }

    def _dashed(self) -> Iterable[Json]:
        for index, query in enumerate(self.queries):
            if query.is_target:
                yield override(
                    "byFrameRefID",
                    ref(index),
                    {
                        "custom.lineStyle": {"fill": "dash", "dash": [8, 8]},
                        "custom.fillOpacity": 0,
                        "custom.lineWidth": 1,
                        "custom.stacking": {"group": "A", "mode": "none"},
                        "color": {"mode": "fixed", "fixedColor": "red"},
                    },
                )


def ref(index: int) -> str:
    """A, B, ..."""
    return chr(ord("A") + index)


def thresholds(steps: Sequence[Threshold]) -> dict[str, Any]:
    """Colours from values on."""
    return {"mode": "absolute", "steps": [{"color": c, "value": v} for v, c in steps]}


def override(matcher: str, which: str, properties: Mapping[str, Any]) -> Json:
    """Other settings for some fields."""
    told = [{"id": name, "value": value} for name, value in properties.items()]
    return {"matcher": {"id": matcher, "options": which}, "properties": told}


def series(
    title: str, text: str, formula: str, unit: str, *queries: Query,
    width: int = 12, height: int = 8, stacked: bool = False, links: tuple[Json, ...] = (),
    most: float | None = None,
) -> Panel:  # fmt: skip
    """Lines over time."""
    custom = {
        "drawStyle": "line",
        "lineInterpolation": "linear",
        "lineWidth": 1,
        "fillOpacity": 35 if stacked else 8,
        "showPoints": "auto",
        "pointSize": 4,
        "spanNulls": False,
        "axisSoftMin": 0,
        "stacking": {"group": "A", "mode": "normal" if stacked else "none"},
    }
    defaults: dict[str, Any] = {"color": {"mode": "palette-classic"}, "min": 0}
    if most is not None:
        defaults["max"] = most
    options = {
        "legend": {
            "displayMode": "table", "placement": "bottom", "showLegend": True,
            "calcs": ["mean", "max"], "sortBy": "Max", "sortDesc": True,
        },
        "tooltip": {"mode": "multi", "sort": "desc"},
    }  # fmt: skip
    return Panel(
        "timeseries", title, text, formula, unit, queries, width, height,
        options=options, custom=custom, defaults=defaults, links=links,
    )  # fmt: skip


def stat(
    title: str, text: str, formula: str, unit: str, expr: str,
    steps: tuple[Threshold, ...] = PLAIN, *, legend: str = "", width: int = 4, height: int = 4,
    decimals: int | None = None, no_value: str = "no data", links: tuple[Json, ...] = (),
) -> Panel:  # fmt: skip
    """One number over the whole time shown."""
    options = {
        "colorMode": "value", "graphMode": "none", "justifyMode": "auto", "orientation": "auto",
        "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False},
        "textMode": "auto",
    }  # fmt: skip
    defaults: dict[str, Any] = {"color": {"mode": "thresholds"}}
    if decimals is not None:
        defaults["decimals"] = decimals
    return Panel(
        "stat", title, text, formula, unit, (Query(expr, legend),), width, height,
        instant=True, steps=steps, options=options, defaults=defaults, no_value=no_value,
        links=links,
    )  # fmt: skip


def bars(
    title: str, text: str, formula: str, unit: str, expr: str, legend: str,
    steps: tuple[Threshold, ...] = PLAIN, *, width: int = 8, height: int = 8,
    most: float | None = None, no_value: str = "no data",
) -> Panel:  # fmt: skip
    """One bar a series, over the whole time shown."""
    options = {
        "displayMode": "gradient", "orientation": "horizontal", "showUnfilled": True,
        "valueMode": "color", "minVizHeight": 10, "minVizWidth": 0,
        "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False},
    }  # fmt: skip
    defaults: dict[str, Any] = {"color": {"mode": "thresholds"}, "min": 0}
    if most is not None:
        defaults["max"] = most
    return Panel(
        "bargauge", title, text, formula, unit, (Query(expr, legend),), width, height,
        instant=True, steps=steps, options=options, defaults=defaults, no_value=no_value,
    )  # fmt: skip


def heatmap(
    title: str, text: str, formula: str, unit: str, expr: str, *,
    width: int = 12, height: int = 8, links: tuple[Json, ...] = (), exemplar: bool = False,
) -> Panel:  # fmt: skip
    """How observations spread over buckets; `expr` is by `le`."""
    options = {
        "calculate": False,
        "cellGap": 1,
        "color": {
            "mode": "scheme", "scheme": "Oranges", "exponent": 0.5, "fill": "dark-orange",
            "reverse": False, "scale": "exponential", "steps": 64,
        },
        "exemplars": {"color": "rgba(255,0,255,0.7)"},
        "filterValues": {"le": 1e-9},
        "legend": {"show": True},
        "rowsFrame": {"layout": "auto"},
        "showValue": "never",
        "tooltip": {"mode": "single", "showColorScale": False, "yHistogram": True},
        "yAxis": {"axisPlacement": "left", "reverse": False, "unit": unit},
    }  # fmt: skip
    return Panel(
        "heatmap", title, text, formula, "short", (Query(expr, "{{le}}", exemplar),),
        width, height, options=options, links=links, format="heatmap",
        custom={"scaleDistribution": {"type": "linear"}},
    )  # fmt: skip


def timeline(
    title: str, text: str, formula: str, expr: str, legend: str, *,
    width: int = 24, height: int = 6, no_value: str = "no data",
) -> Panel:  # fmt: skip
    """A bar a series while its value is there."""
    options = {
        "alignValue": "left", "mergeValues": True, "rowHeight": 0.8, "showValue": "never",
        "legend": {"displayMode": "list", "placement": "bottom", "showLegend": False},
        "tooltip": {"mode": "single", "sort": "none"},
    }  # fmt: skip
    mapping = {"type": "value", "options": {"1": {"text": "firing", "color": "red", "index": 0}}}
    return Panel(
        "state-timeline", title, text, formula, "none", (Query(expr, legend),), width, height,
        steps=((None, "green"), (1, "red")), options=options, no_value=no_value,
        custom={"fillOpacity": 80, "lineWidth": 0},
        defaults={"color": {"mode": "thresholds"}, "mappings": [mapping]},
    )  # fmt: skip


def table(
    title: str, text: str, formula: str, labels: Sequence[str], *columns: Column,
    sort: int = 0, width: int = 24, height: int = 8, links: tuple[Json, ...] = (),
    no_value: str = "no data",
) -> Panel:  # fmt: skip
    """One line a label set: labels first, then a column a query; sorted by column `sort`."""
    several = len(columns) > 1
    values = [f"Value #{ref(i)}" if several else "Value" for i in range(len(columns))]
    names = dict(zip(values, (c.title for c in columns), strict=True))
    overrides = [override("byName", column.title, _cell(column)) for column in columns]
    if links:
        overrides.append(override("byName", labels[0], {"links": list(links)}))
    transformations: list[Json] = [{"id": "merge", "options": {}}] if several else []
    transformations.append(
        {
            "id": "organize",
            "options": {
                "excludeByName": {"Time": True},
                "indexByName": {n: i for i, n in enumerate((*labels, *values))},
                "renameByName": names,
            },
        }
    )
    options = {
        "cellHeight": "sm",
        "showHeader": True,
        "sortBy": [{"displayName": columns[sort].title, "desc": True}],
    }
    return Panel(
        "table", title, text, formula, "none", tuple(Query(c.expr) for c in columns),
        width, height, instant=True, options=options, format="table", no_value=no_value,
        custom={"align": "auto", "cellOptions": {"type": "auto"}, "filterable": True},
        overrides=tuple(overrides), transformations=tuple(transformations),
    )  # fmt: skip


def _cell(column: Column) -> dict[str, Any]:
    properties: dict[str, Any] = {"unit": GRAFANA_UNIT.get(column.unit, column.unit)}
    if column.steps:
        properties["thresholds"] = thresholds(column.steps)
        properties["custom.cellOptions"] = {"type": "color-text"}
        properties["color"] = {"mode": "thresholds"}
    return properties
