"""Whole dashboards: variables, annotations, links and layout."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from .panels import DATASOURCE, Json, Panel
from .promql import NOT_JUDGES, VARIABLE_OF, select

TAG = "llm-trace-exporter"
SCHEMA_VERSION = 38
"""Grafana 10.0's: later ones migrate upwards, none migrates downwards."""
COLUMNS = 24
LONG_H = 24
"""From this time on nothing that is shown moves within a minute."""
TRACE_URL = "https://langfuse.example.com/project/PROJECT/traces/"


@dataclass(frozen=True, slots=True)
class Row:
    """Panels under one heading, from left to right."""

    title: str
    panels: tuple[Panel, ...]
    is_collapsed: bool = False


@dataclass(frozen=True, slots=True)
class Board:
    """One dashboard."""

    uid: str
    """Never changes: links and alerts name it."""
    title: str
    text: str
    rows: tuple[Row, ...]
    hours: int = 6
    """What is shown at first."""

    @property
    def panels(self) -> Iterator[Panel]:
        """All of them, in order."""
        for row in self.rows:
            yield from row.panels

    def to_json(self) -> dict[str, Any]:
        """The dashboard as Grafana reads it."""
        return {
            "id": None,
            "uid": self.uid,
            "title": f"LLM / {self.title}",
            "description": self.text,
            "tags": [TAG],
            "schemaVersion": SCHEMA_VERSION,
            "version": 1,
            "editable": False,
            "graphTooltip": 1,
            "fiscalYearStartMonth": 0,
            "liveNow": False,
            "refresh": "1m" if self.hours < LONG_H else "5m",
            "time": {"from": f"now-{self.hours}h", "to": "now"},
            "timepicker": {"refresh_intervals": ["30s", "1m", "5m", "15m", "1h"]},
            "timezone": "browser",
            "weekStart": "",
            "links": list(_links()),
            "annotations": {"list": list(_annotations())},
            "templating": {"list": list(self._variables())},
            "panels": list(self._placed()),
        }

    def written(self) -> str:
        """The text of its file."""
        return json.dumps(self.to_json(), indent=1, ensure_ascii=False) + "\n"

    def _variables(self) -> Iterator[Json]:
        used = " ".join(query.expr for panel in self.panels for query in panel.queries)
        yield _datasource()
        for label, variable in VARIABLE_OF.items():
            yield _query_variable(variable, _values(label), is_shown=f"${variable}" in used)
        instances = "label_values(llm_exporter_build_info, instance)"
        yield _query_variable("instance", instances, is_shown="$instance" in used)
        has_traces = any(query.exemplar for panel in self.panels for query in panel.queries)
        yield _text("trace_url", "Trace address", TRACE_URL, is_shown=has_traces)
        yield _text("trace_id", "Trace id", "", is_shown=has_traces)

    def _placed(self) -> Iterator[dict[str, Any]]:
        panel_id, y = 0, 0
        for row in self.rows:
            panel_id += 1
            heading: dict[str, Any] = {
                "id": panel_id,
                "type": "row",
                "title": row.title,
                "collapsed": row.is_collapsed,
                "gridPos": {"h": 1, "w": COLUMNS, "x": 0, "y": y},
                "panels": [],
            }
            y += 1
            x = tallest = 0
            inside: list[dict[str, Any]] = []
            for panel in row.panels:
                if x + panel.width > COLUMNS:
                    x, y, tallest = 0, y + tallest, 0
                panel_id += 1
                inside.append(panel.to_json(panel_id, x, y))
                x, tallest = x + panel.width, max(tallest, panel.height)
            y += tallest
            if row.is_collapsed:
                heading["panels"] = inside
                yield heading
            else:
                yield heading
                yield from inside


def to_board(uid: str, title: str) -> Json:
    """A link to another dashboard that takes time and variables along."""
    kept = "&".join(f"${{{v}:queryparam}}" for v in ("datasource", *VARIABLE_OF.values()))
    return {"title": title, "url": f"/d/{uid}?${{__url_time_range}}&{kept}"}


TRACE_LINK: Mapping[str, Any] = {
    "title": "Open the trace whose id is in Trace id",
    "url": "${trace_url}${trace_id}",
    "targetBlank": True,
}
"""For panels with exemplars."""


def _links() -> Iterator[Json]:
    common = {"icon": "external link", "includeVars": True, "keepTime": True, "tooltip": ""}
    yield {
        **common, "type": "dashboards", "title": "LLM dashboards", "tags": [TAG],
        "asDropdown": True, "targetBlank": False, "url": "",
    }  # fmt: skip


def _annotations() -> Iterator[Json]:
    requests = select("llm_requests_total", NOT_JUDGES)
    prompts = select("llm_requests_total", NOT_JUDGES, 'prompt_version!=""')
    told = (
        ("Alerts", "red", 'max by (alertname, severity, service) '
         '(ALERTS{alertstate="firing",alertname=~"LLM.*"})', "{{alertname}} {{service}}",
         "severity,service"),
        ("New prompt versions", "blue", _new("service, prompt_name, prompt_version", prompts),
         "{{prompt_name}} {{prompt_version}}", "service"),
        ("New models", "purple", _new("service, model", requests), "{{model}}", "service"),
    )  # fmt: skip
    for name, colour, expr, title, tags in told:
        yield {
            "name": name, "datasource": DATASOURCE, "enable": True, "hide": False,
            "iconColor": colour, "expr": expr, "step": "60s", "titleFormat": title,
            "textFormat": "", "tagKeys": tags, "useValueForTime": False,
        }  # fmt: skip


def _new(labels: str, selector: str) -> str:
    """1 for ten minutes after what was not there in the hour before."""
    return (
        f"group by ({labels}) ({selector}) unless on ({labels}) "
        f"group by ({labels}) (last_over_time({selector}[1h] offset 10m))"
    )


def _values(label: str) -> str:
    family = "llm_judge_verdicts_total" if label == "judge" else "llm_requests_total"
    narrowed = {"environment": "", "service": '{environment=~"$environment"}'}
    within = narrowed.get(label, '{environment=~"$environment",service=~"$service"}')
    return f"label_values({family}{within}, {label})"


def _datasource() -> Json:
    return {
        "name": "datasource", "label": "Data source", "type": "datasource",
        "query": "prometheus", "regex": "", "refresh": 1, "hide": 0, "multi": False,
        "includeAll": False, "current": {}, "options": [], "skipUrlSync": False,
    }  # fmt: skip


def _query_variable(name: str, query: str, *, is_shown: bool) -> Json:
    return {
        "name": name, "label": name.capitalize(), "type": "query", "datasource": DATASOURCE,
        "definition": query, "query": {"query": query, "refId": name}, "regex": "",
        "refresh": 2, "sort": 1, "hide": 0 if is_shown else 2, "multi": True,
        "includeAll": True, "allValue": ".+" if name == "instance" else ".*", "options": [],
        "skipUrlSync": False,
        "current": {"selected": True, "text": ["All"], "value": ["$__all"]},
    }  # fmt: skip


def _text(name: str, label: str, value: str, *, is_shown: bool) -> Json:
    chosen = {"selected": True, "text": value, "value": value}
    return {
        "name": name, "label": label, "type": "textbox", "query": value,
        "hide": 0 if is_shown else 2, "current": chosen, "options": [chosen],
        "skipUrlSync": False,
    }  # fmt: skip
