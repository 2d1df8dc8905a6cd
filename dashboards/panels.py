"""Panels of Grafana's classic dashboard model (schema v1), as records."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from .promql import why_absent
from .units import GRAFANA_UNIT, GREEN, PLAIN, SOFT_MAX, UNITS, Threshold

Kind = Literal["timeseries", "stat", "bargauge", "table", "heatmap", "state-timeline"]
Json = Mapping[str, Any]

NOT_A_NUMBER: Mapping[str, Any] = {
    "type": "special",
    "options": {"match": "nan", "result": {"text": "nothing to measure", "index": 9}},
}
"""A ratio of nothing to nothing."""
TARGET_COLOR = "text"
"""No series has it, in the dark or in the light."""

DATASOURCE: Json = {"type": "prometheus", "uid": "${datasource}"}
MIN_STEP = "1m"
POINTS = 288
"""Of a line, at most: a day in steps of five minutes. More say no more and make Prometheus read the
same samples several times."""


@dataclass(frozen=True, slots=True)
class Query:
    """One expression of a panel."""

    expr: str
    legend: str = ""
    """With label names in double braces."""
    exemplar: bool = False
    is_target: bool = False
    """Drawn as a dashed line that is aimed at."""
    is_threshold: bool = False
    """Not drawn: from this value on the number of the panel is red."""


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
    no_value: str = ""
    """What stands where nothing is there; empty: what the catalogue says of the metrics."""
    least_step: str = MIN_STEP
    """Between two points."""
    most_points: int | None = None
    """In all of the time shown; None: as many as there are pixels."""

    @property
    def description(self) -> str:
        """What readers see behind the i."""
        return f"{self.text}\n\nFormula: {self.formula}\n\nUnit: {UNITS[self.unit]}."

    @property
    def why_empty(self) -> str:
        """What readers see where nothing is there."""
        return self.no_value or why_absent(*(query.expr for query in self.queries))

    def sized(self, width: int, height: int) -> Panel:
        """The same in another size."""
        return replace(self, width=width, height=height)

    def to_json(self, panel_id: int, x: int, y: int) -> dict[str, Any]:
        """The panel as Grafana reads it."""
        points = {} if self.most_points is None else {"maxDataPoints": self.most_points}
        return {
            **points,
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
                    "noValue": self.why_empty,
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
            "instant": self.instant or query.is_threshold,
            "range": not (self.instant or query.is_threshold),
            "exemplar": query.exemplar,
            "interval": self.least_step,
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
                        "color": {"mode": "fixed", "fixedColor": TARGET_COLOR},
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
    most: float | None = None, no_value: str = "", least_step: str = MIN_STEP,
) -> Panel:  # fmt: skip
    """Lines over time."""
    custom: dict[str, Any] = {
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
    custom["axisSoftMax"] = SOFT_MAX.get(unit, 1)
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
        options=options, custom=custom, defaults=defaults, links=links, no_value=no_value,
        least_step=least_step, most_points=POINTS,
    )  # fmt: skip


def stat(
    title: str, text: str, formula: str, unit: str, expr: str,
    steps: tuple[Threshold, ...] = PLAIN, *, legend: str = "", width: int = 4, height: int = 4,
    decimals: int | None = None, no_value: str = "", links: tuple[Json, ...] = (),
    target: str = "",
) -> Panel:  # fmt: skip
    """One number of the whole time shown, or of a gauge.

    `target` is the expression of what is aimed at: the number is red from there on, and `steps`
    hold where there is no target.
    """
    defaults: dict[str, Any] = {"color": {"mode": "thresholds"}, "mappings": [NOT_A_NUMBER]}
    if decimals is not None:
        defaults["decimals"] = decimals
    aimed = (Query(target, "target", is_threshold=True),) if target else ()
    return Panel(
        "stat", title, text, formula, unit, (Query(expr, legend), *aimed), width, height,
        instant=True, steps=steps, options=_one_number("none"), defaults=defaults,
        no_value=no_value, links=links, transformations=(_RED_FROM_TARGET,) if target else (),
    )  # fmt: skip


def now(panel: Panel) -> Panel:
    """The same as it is at this moment, with its course; its expression is over a short time."""
    return replace(
        panel, instant=False, options=_one_number("area"), most_points=POINTS_OF_A_COURSE
    )


def _one_number(graph: str) -> Json:
    return {
        "colorMode": "value", "graphMode": graph, "justifyMode": "auto", "orientation": "auto",
        "reduceOptions": {"calcs": ["last"], "fields": "", "values": False},
        "textMode": "value",
    }  # fmt: skip


POINTS_OF_A_COURSE = 40
_RED_FROM_TARGET: Mapping[str, Any] = {
    "id": "configFromData",
    "options": {
        "configRefId": "B",
        "mappings": [
            {"fieldName": "target", "handlerKey": "threshold1"},
        ],
    },
}
"""Grafana takes the second query as what the first is beside."""


def bars(
    title: str, text: str, formula: str, unit: str, expr: str, legend: str,
    steps: tuple[Threshold, ...] = PLAIN, *, width: int = 8, height: int = 8,
    most: float | None = None, no_value: str = "",
) -> Panel:  # fmt: skip
    """One bar a series, over the whole time shown."""
    options = {
        "displayMode": "gradient", "orientation": "horizontal", "showUnfilled": True,
        "text": {"titleSize": 13, "valueSize": 16},
        "valueMode": "color", "minVizHeight": 10, "minVizWidth": 0,
        "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False},
    }  # fmt: skip
    defaults: dict[str, Any] = {
        "color": {"mode": "thresholds"}, "min": 0, "mappings": [NOT_A_NUMBER],
    }  # fmt: skip
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
        width, height, options=options, links=links, format="heatmap", most_points=POINTS,
        custom={"scaleDistribution": {"type": "linear"}},
    )  # fmt: skip


def timeline(
    title: str, text: str, formula: str, expr: str, legend: str, *,
    width: int = 24, height: int = 6, no_value: str = "",
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
        most_points=POINTS,
        custom={"fillOpacity": 80, "lineWidth": 0},
        defaults={"color": {"mode": "thresholds"}, "mappings": [mapping]},
    )  # fmt: skip


def table(
    title: str, text: str, formula: str, labels: Sequence[str], *columns: Column,
    sort: int = 0, width: int = 24, height: int = 8, links: tuple[Json, ...] = (),
    no_value: str = "", rising: bool = False, values_first: bool = False,
) -> Panel:  # fmt: skip
    """One line a label set: labels first, then a column a query; sorted by column `sort`.

    The largest stand first, or where it is `rising` the smallest. A narrow table may hide what is
    at its right: `values_first` then has the numbers at the left.
    """
    several = len(columns) > 1
    values = [f"Value #{ref(i)}" if several else "Value" for i in range(len(columns))]
    names = dict(zip(values, (c.title for c in columns), strict=True))
    order = (*values, *labels) if values_first else (*labels, *values)
    overrides = [override("byName", column.title, _cell(column)) for column in columns]
    if links:
        overrides.append(override("byName", labels[0], {"links": list(links)}))
    transformations: list[Json] = [{"id": "merge", "options": {}}] if several else []
    transformations.append(
        {
            "id": "organize",
            "options": {
                "excludeByName": {"Time": True},
                "indexByName": {name: at for at, name in enumerate(order)},
                "renameByName": names,
            },
        }
    )
    options = {
        "cellHeight": "sm",
        "showHeader": True,
        "sortBy": [{"displayName": columns[sort].title, "desc": not rising}],
    }
    return Panel(
        "table", title, text, formula, "none", tuple(Query(c.expr) for c in columns),
        width, height, instant=True, options=options, format="table", no_value=no_value,
        custom={"align": "auto", "cellOptions": {"type": "auto"}, "filterable": True},
        overrides=tuple(overrides), transformations=tuple(transformations),
        defaults={"mappings": [NOT_A_NUMBER]},
    )  # fmt: skip


def _cell(column: Column) -> dict[str, Any]:
    properties: dict[str, Any] = {"unit": GRAFANA_UNIT.get(column.unit, column.unit)}
    if column.steps:
        properties["thresholds"] = thresholds(column.steps)
        properties["custom.cellOptions"] = {"type": "color-text"}
        properties["color"] = {"mode": "thresholds"}
    return properties
