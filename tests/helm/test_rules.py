"""The rules as values change them."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from shutil import which
from typing import Any

import pytest
import yaml

from helm import carried, native
from helm.values import CHART
from tests.helm.chart import NAMESPACE, NEWEST, Helm, Manifest, of_kind, validate

SOURCES: list[Manifest] = [
    group
    for path, content in carried.wanted().items()
    if path.parent.name == "alerts"
    for group in yaml.load(content, yaml.CSafeLoader)["groups"]
]


def groups(objects: list[Manifest]) -> list[Manifest]:
    (rule,) = of_kind(objects, "PrometheusRule")
    return rule["spec"]["groups"]  # type: ignore[no-any-return]


def alerts(groups: list[Manifest]) -> list[Manifest]:
    return [r for g in groups for r in g["rules"] if "alert" in r]


def changed(helm: Helm, **values: Any) -> list[Manifest]:
    """The groups with `prometheusRule` as given."""
    asked = json.dumps({"enabled": True, "runbookBaseUrl": "", **values})
    return groups(helm.render("--set-json", f"prometheusRule={asked}"))


def test_nothing_changes_that_nobody_asked_for(helm: Helm) -> None:
    assert changed(helm) == SOURCES


def test_every_group_can_be_left_out(helm: Helm) -> None:
    names = [g["name"] for g in SOURCES]
    left = changed(helm, disabledGroups=dict.fromkeys(names[1:], True))
    assert [g["name"] for g in left] == names[:1]
    assert changed(helm, disabledGroups=dict.fromkeys(names, False)) == SOURCES


def test_an_alert_can_be_left_out_whole_or_in_part(helm: Helm) -> None:
    gone = {("LLMExporterAbsent", "critical"), ("LLMSpendSpike", "warning")}
    wanted = [a for a in alerts(SOURCES) if (a["alert"], a["labels"]["severity"]) not in gone]
    off = {"enabled": False}
    found = changed(helm, alerts={"LLMExporterAbsent": off, "LLMSpendSpike/warning": off})
    assert alerts(found) == wanted
    back = {"LLMSpendSpike": off, "LLMSpendSpike/critical": {"enabled": True}}
    kept = [a for a in alerts(changed(helm, alerts=back)) if a["alert"] == "LLMSpendSpike"]
    assert [a["labels"]["severity"] for a in kept] == ["critical"]


def test_histograms_may_be_native(helm: Helm) -> None:
    files = sorted(native.FOLDER.glob("*.yml"))
    wanted = [g for path in files for g in yaml.safe_load(path.read_text())["groups"]]
    assert changed(helm, histograms="native") == wanted != SOURCES


def test_a_group_without_rules_is_left_out(helm: Helm) -> None:
    off = {a["alert"]: {"enabled": False} for a in alerts(SOURCES)}
    assert not alerts(found := changed(helm, alerts=off))
    assert [g["name"] for g in found] == [g["name"] for g in SOURCES if "record" in g["rules"][0]]


def test_one_alert_can_differ(helm: Helm) -> None:
    asked = {
        "severity": "ticket",
        "for": "42m",
        "labels": {"team": "b"},
        "annotations": {"runbook_url": "https://example.com/mine", "more": "yes"},
    }
    common = {"additionalRuleLabels": {"team": "a"}, "additionalRuleAnnotations": {"more": "no"}}
    found = alerts(changed(helm, alerts={"LLMBudgetSpent": asked}, **common))
    for a in found:
        ours = a["alert"] == "LLMBudgetSpent"
        assert a["labels"]["team"] == ("b" if ours else "a")
        assert a["annotations"]["more"] == ("yes" if ours else "no")
        assert (a.get("for") == "42m") == ours
        assert (a["labels"]["severity"] == "ticket") == ours
        assert (a["annotations"]["runbook_url"] == "https://example.com/mine") == ours


def test_severities_runbooks_and_dashboards_move_everywhere(helm: Helm) -> None:
    found = changed(
        helm,
        severities={"critical": "page", "warning": "ticket", "info": "look"},
        runbookBaseUrl="https://runbooks.example.com/llm/",
        grafanaBaseUrl="https://grafana.example.com/",
    )
    assert {a["labels"]["severity"] for a in alerts(found)} == {"page", "ticket", "look"}
    for a in alerts(found):
        url = a["annotations"]["runbook_url"]
        assert url == f"https://runbooks.example.com/llm/{a['alert']}.md"
        assert a["annotations"]["dashboard_url"].startswith("https://grafana.example.com/d/llm-")


def test_promtool_takes_them(helm: Helm, tmp_path: Path) -> None:
    if which("promtool") is None:
        pytest.skip("promtool is not on PATH")
    path = tmp_path / "rules.yml"
    path.write_text(yaml.safe_dump({"groups": groups(helm.case("monitoring"))}))
    done = subprocess.run(
        ["promtool", "check", "rules", path], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_matchers_of_the_route_are_added_to_ours(helm: Helm) -> None:
    more = {"name": "environment", "matchType": "=", "value": "prod"}
    asked = json.dumps({"enabled": True, "route": {"matchers": [more]}})
    objects = helm.render("--set-json", f"alertmanagerConfig={asked}")
    (written,) = of_kind(objects, "AlertmanagerConfig")
    validate(written, NEWEST)
    ours = {"name": "alertname", "matchType": "=~", "value": "LLM.*"}
    assert written["spec"]["route"]["matchers"] == [ours, more]


def test_the_operators_alertmanager_sees_and_inhibits_them(helm: Helm) -> None:
    objects = helm.case("monitoring")
    assert {a["labels"]["namespace"] for a in alerts(groups(objects))} == {NAMESPACE}
    (written,) = of_kind(objects, "AlertmanagerConfig")
    assert written["metadata"]["namespace"] == NAMESPACE
    example = yaml.safe_load((CHART / "files" / "alertmanager" / "alertmanager.yml").read_text())
    rules = written["spec"]["inhibitRules"]
    assert len(rules) == len(example["inhibit_rules"]) > 0
    for ours, theirs in zip(rules, example["inhibit_rules"], strict=True):
        for side in ("source", "target"):
            matchers = [f'{m["name"]}{m["matchType"]}"{m["value"]}"' for m in ours[f"{side}Match"]]
            renamed = [
                m.replace('severity="critical"', 'severity="page"')
                for m in theirs[f"{side}_matchers"]
            ]
            assert matchers == renamed
        assert ours.get("equal", []) == theirs.get("equal", [])
