"""What of Grafana's classic dashboard model our files use; nothing else is allowed in them."""

from __future__ import annotations

from typing import Any

from dashboards.units import GRAFANA_UNIT, UNITS

Schema = dict[str, Any]
TEXT: Schema = {"type": "string"}
FULL: Schema = {"type": "string", "minLength": 3}
NUMBER: Schema = {"type": "integer", "minimum": 0}
FLAG: Schema = {"type": "boolean"}


def exactly(**properties: Any) -> Schema:
    """An object of these members and no others."""
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def listed(items: Schema, at_least: int = 0) -> Schema:
    return {"type": "array", "items": items, "minItems": at_least}


def one_of(*values: Any) -> Schema:
    return {"enum": list(values)}


DATASOURCE = exactly(type=one_of("prometheus"), uid=one_of("${datasource}"))
GRID = exactly(h=NUMBER, w={"type": "integer", "minimum": 1, "maximum": 24}, x=NUMBER, y=NUMBER)
UNIT = one_of(*(GRAFANA_UNIT.get(unit, unit) for unit in UNITS))
STEPS = exactly(
    mode=one_of("absolute"),
    steps=listed(exactly(color=TEXT, value={"type": ["number", "null"]}), 1),
)
OVERRIDE = exactly(
    matcher=exactly(id=one_of("byName", "byFrameRefID"), options=TEXT),
    properties=listed(exactly(id=TEXT, value={}), 1),
)
TARGET = exactly(
    refId={"type": "string", "pattern": "^[A-Z]$"},
    datasource=DATASOURCE,
    editorMode=one_of("code"),
    expr=FULL,
    legendFormat=FULL,
    format=one_of("time_series", "table", "heatmap"),
    instant=FLAG,
    range=FLAG,
    exemplar=FLAG,
    interval=one_of("1m", "15m", "60m"),
)
LINK = {
    **exactly(title=FULL, url=FULL, targetBlank=FLAG),
    "required": ["title", "url"],
}
MAPPING: Schema = {
    "type": "object", "required": ["type", "options"], "additionalProperties": False,
    "properties": {"type": one_of("value", "special"), "options": {"type": "object"}},
}  # fmt: skip
DEFAULTS: Schema = {
    **exactly(
        unit=UNIT, noValue=FULL, custom={"type": "object"}, thresholds=STEPS, links=listed(LINK),
        color=exactly(mode=one_of("thresholds", "palette-classic")), min={"type": "number"},
        max={"type": "number"}, decimals=NUMBER, mappings=listed(MAPPING, 1),
    ),
    "required": ["unit", "noValue", "custom", "thresholds", "links"],
}  # fmt: skip
_PANEL = exactly(
    id={"type": "integer", "minimum": 1},
    type=one_of("timeseries", "stat", "bargauge", "table", "heatmap", "state-timeline"),
    title=FULL,
    description={"type": "string", "pattern": r"(?s).{15,}\n\nFormula: .+\n\nUnit: .+\.$"},
    datasource=DATASOURCE,
    gridPos=GRID,
    targets=listed(TARGET, 1),
    fieldConfig=exactly(defaults=DEFAULTS, overrides=listed(OVERRIDE)),
    options={"type": "object", "minProperties": 1},
    transformations=listed(
        exactly(id=one_of("merge", "organize", "configFromData"), options={"type": "object"})
    ),
)
PANEL: Schema = {
    **_PANEL,
    "properties": {**_PANEL["properties"], "maxDataPoints": {"type": "integer", "minimum": 10}},
}  # fmt: skip
ROW = exactly(
    id=NUMBER, type=one_of("row"), title=FULL, collapsed=FLAG, gridPos=GRID, panels=listed(PANEL)
)
VARIABLE: Schema = {
    "type": "object",
    "required": ["name", "label", "type", "query", "hide", "current", "options", "skipUrlSync"],
    "properties": {
        **dict.fromkeys(("name", "label", "definition", "regex", "allValue"), TEXT),
        **dict.fromkeys(("multi", "includeAll", "skipUrlSync"), FLAG),
        "type": one_of("datasource", "query", "textbox"),
        "query": {"type": ["string", "object"]},
        "datasource": DATASOURCE,
        "refresh": one_of(1, 2),
        "sort": NUMBER,
        "hide": one_of(0, 2),
        "current": {"type": "object"},
        "options": {"type": "array"},
    },
    "additionalProperties": False,
}
ANNOTATION = exactly(
    name=FULL, datasource=DATASOURCE, enable=FLAG, hide=FLAG, iconColor=TEXT, expr=FULL,
    step=TEXT, titleFormat=TEXT, textFormat=TEXT, tagKeys=TEXT, useValueForTime=FLAG,
)  # fmt: skip
DASHBOARD = exactly(
    id={"type": "null"},
    uid={"type": "string", "pattern": "^llm-[a-z-]{2,30}$"},
    title={"type": "string", "pattern": "^LLM / .+"},
    description=FULL,
    tags=listed(TEXT, 1),
    schemaVersion=one_of(38),
    version=one_of(1),
    editable=one_of(False),
    graphTooltip=one_of(1),
    fiscalYearStartMonth=NUMBER,
    liveNow=one_of(False),
    refresh=one_of("1m", "5m"),
    time=exactly(**{"from": FULL, "to": one_of("now")}),
    timepicker=exactly(refresh_intervals=listed(TEXT)),
    timezone=one_of("browser"),
    weekStart=TEXT,
    links=listed({"type": "object"}, 1),
    annotations=exactly(list=listed(ANNOTATION)),
    templating=exactly(list=listed(VARIABLE, 1)),
    panels=listed({"if": {"properties": {"type": one_of("row")}}, "then": ROW, "else": PANEL}, 1),
)
