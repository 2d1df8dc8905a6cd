"""What every dashboard's JSON keeps to, whichever Grafana from 10 on reads it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import takewhile
from typing import Any

import jsonschema
import pytest

from dashboards import measures
from dashboards.__main__ import FOLDER
from dashboards.boards import BOARDS
from tests.alerts.rules import all_rules
from tests.dashboards.schema import DASHBOARD
from tests.dashboards.written import DASHBOARDS, panels

MAX_BYTES = 200 * 1024
UID = pytest.mark.parametrize("uid", DASHBOARDS)


def test_the_files_are_what_the_builder_writes() -> None:
    assert {path.stem for path in FOLDER.glob("*.json")} == {board.uid for board in BOARDS}
    for board in BOARDS:
        assert (FOLDER / f"{board.uid}.json").read_text() == board.written(), "make dashboards"


@UID
def test_it_has_the_shape_that_grafana_reads(uid: str) -> None:
    jsonschema.validate(DASHBOARDS[uid], DASHBOARD, jsonschema.Draft7Validator)
    assert (FOLDER / f"{uid}.json").stat().st_size < MAX_BYTES


@UID
def test_panels_have_ids_and_places_of_their_own(uid: str) -> None:
    dashboard = DASHBOARDS[uid]
    everything = [*dashboard["panels"], *panels(dashboard)]
    ids = {id(p): p["id"] for p in everything}
    assert len(set(ids.values())) == len(ids)
    taken: set[tuple[int, int]] = set()
    for panel in panels(dashboard):
        at = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(at["x"], at["x"] + at["w"])
            for y in range(at["y"], at["y"] + at["h"])
        }
        assert not cells & taken, panel["title"]
        assert at["x"] + at["w"] <= 24
        taken |= cells


@UID
def test_rows_have_no_holes(uid: str) -> None:
    """A hole looks like a panel that did not load."""
    for row, inside in rows(DASHBOARDS[uid]):
        top = min(p["gridPos"]["y"] for p in inside)
        bottom = max(p["gridPos"]["y"] + p["gridPos"]["h"] for p in inside)
        area = sum(p["gridPos"]["w"] * p["gridPos"]["h"] for p in inside)
        assert area == 24 * (bottom - top), row["title"]


def rows(dashboard: dict[str, Any]) -> Iterator[tuple[dict[str, Any], list[dict[str, Any]]]]:
    """Each row with its panels, whether it is open or closed."""
    for row in (p for p in dashboard["panels"] if p["type"] == "row"):
        following = dashboard["panels"][dashboard["panels"].index(row) + 1 :]
        yield row, row["panels"] or [*takewhile(lambda p: p["type"] != "row", following)]


@UID
def test_what_there_may_be_hundreds_of_is_limited_or_a_table(uid: str) -> None:
    for panel in panels(DASHBOARDS[uid]):
        for target in panel["targets"]:
            by = set(re.findall(r"by \(([^)]*)\)", target["expr"]))
            labels = {label for one in by for label in one.split(", ")}
            if panel["type"] != "table" and labels & OPEN:
                assert (
                    "topk(" in target["expr"]
                    or "bottomk(" in target["expr"]
                    or (target["expr"].startswith(("max(", "count(")))
                ), panel["title"]


OPEN = {
    "service", "model", "root", "prompt_name", "prompt_version", "feature", "team", "tool", "judge",
    "name", "guardrail",
}  # fmt: skip
"""Labels of which applications have as many values as they like."""


@UID
def test_panels_without_anything_say_why(uid: str) -> None:
    for panel in panels(DASHBOARDS[uid]):
        said = panel["fieldConfig"]["defaults"]["noValue"]
        assert len(said.split()) > 1 and said != "no data", panel["title"]


@UID
def test_an_axis_of_zeros_stays_small(uid: str) -> None:
    for panel in panels(DASHBOARDS[uid]):
        if panel["type"] == "timeseries":
            most = panel["fieldConfig"]["defaults"]["custom"]["axisSoftMax"]
            assert most == 0.01 or panel["fieldConfig"]["defaults"]["unit"] != "percentunit"


def test_judges_are_counted_as_the_rules_count_them() -> None:
    (rule,) = (r for r in all_rules() if r.name == "judge:llm_judge_failures:ratio_rate1h")
    for matcher in measures.OF_JUDGES:
        assert matcher in rule.expr


@UID
def test_titles_are_unique(uid: str) -> None:
    titles = [panel["title"] for panel in panels(DASHBOARDS[uid])]
    assert len(titles) == len(set(titles))


@UID
def test_variables_are_those_that_links_carry(uid: str) -> None:
    variables = {v["name"]: v for v in DASHBOARDS[uid]["templating"]["list"]}
    assert list(variables) == [
        *("datasource", "environment", "service", "provider", "model", "feature", "team"),
        *("prompt", "judge", "instance", "trace_url", "trace_id"),
    ]
    for variable in variables.values():
        if variable["type"] == "query":
            # Labels other than the scrape's own may be absent.
            every = ".+" if variable["name"] == "instance" else ".*"
            assert variable["multi"] and variable["includeAll"] and variable["allValue"] == every
            assert variable["refresh"] == 2, "values follow the time shown"
    (link,) = DASHBOARDS[uid]["links"]
    assert link["includeVars"] and link["keepTime"] and link["asDropdown"]


@UID
def test_queries_use_variables_that_exist_and_all_that_are_shown(uid: str) -> None:
    dashboard = DASHBOARDS[uid]
    variables = {v["name"]: v for v in dashboard["templating"]["list"]}
    used = {
        name
        for panel in panels(dashboard)
        for target in panel["targets"]
        for name in re.findall(r"\$(\w+)", target["expr"])
    }
    assert {n for n in used if not n.startswith("__")} <= variables.keys()
    shown = {n for n, v in variables.items() if v["type"] == "query" and not v["hide"]}
    assert shown == {n for n in used if not n.startswith("__")}


@UID
def test_windows_follow_what_is_shown(uid: str) -> None:
    for panel in panels(DASHBOARDS[uid]):
        for target in panel["targets"]:
            windows = set(re.findall(r"\[([^\]]+)\]", target["expr"]))
            allowed = {"$__range", *FIXED} if target["instant"] else {"$__rate_interval", *FIXED}
            if "[$__range] @ end()" in target["expr"].replace("$__range])", ""):
                windows.discard("$__range")
            assert windows <= allowed, (panel["title"], windows)


@UID
def test_quantiles_have_their_sample_size_beside_them(uid: str) -> None:
    shown = [p for p in panels(DASHBOARDS[uid]) if p["type"] == "timeseries"]
    samples = sum(p["title"].startswith("Samples: ") for p in panels(DASHBOARDS[uid]))
    quantiles = [p for p in shown if "histogram_quantile" in p["targets"][0]["expr"]]
    assert samples >= len(quantiles)


def test_exemplars_lead_to_a_trace() -> None:
    found: list[dict[str, Any]] = []
    for dashboard in DASHBOARDS.values():
        for panel in panels(dashboard):
            if any(target["exemplar"] for target in panel["targets"]):
                found.append(panel)
                (link,) = panel["fieldConfig"]["defaults"]["links"]
                assert link["url"] == "${trace_url}${trace_id}"
    assert found


def test_links_to_dashboards_lead_somewhere() -> None:
    text = "".join((FOLDER / f"{uid}.json").read_text() for uid in DASHBOARDS)
    assert set(re.findall(r'"/d/([\w-]+)', text)) <= DASHBOARDS.keys()


FIXED = {"1h", "6h", "15m", "10m", "30m"}
"""Windows that are part of what a panel means."""
