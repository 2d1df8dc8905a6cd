"""What is generated is up to date, and holds what it should."""

from __future__ import annotations

import json
from typing import Any

import jsonschema
import yaml

from helm import carried, members, native, readme, schema
from helm.values import CHART, described, values_file
from llm_trace_exporter import __version__
from llm_trace_exporter.metrics.catalogue import FAMILIES
from tests.alerts.queries import grouping, parse, selectors
from tests.alerts.rules import RULE_FILES
from tests.helm import definitions


def test_schema_and_readme_are_current() -> None:
    assert (CHART / "values.schema.json").read_text() == schema.default_text(), "make chart"
    assert (CHART / "README.md").read_text() == readme.default_text(), "make chart"


def test_parts_of_kubernetes_objects_are_as_its_versions_know_them() -> None:
    assert members.KUBERNETES.read_text() == definitions.text(), "python -m tests.helm.definitions"


def test_config_is_checked_by_the_exporters_schema() -> None:
    ours = json.loads((CHART / "values.schema.json").read_text())["properties"]["config"]
    theirs = json.loads(schema.EXPORTER_SCHEMA.read_text())
    for written in (ours, theirs):
        written.pop("$schema", None)
        written.pop("description")
    assert ours == theirs


def test_defaults_follow_the_schema() -> None:
    written = json.loads((CHART / "values.schema.json").read_text())
    jsonschema.Draft7Validator.check_schema(written)
    jsonschema.validate(yaml.safe_load(values_file()), written, jsonschema.Draft7Validator)


def test_every_value_is_described() -> None:
    paths = {value.path for value in described(values_file())}

    def undescribed(values: dict[str, Any], path: tuple[str, ...]) -> list[str]:
        missing: list[str] = []
        for key, value in values.items():
            here = (*path, key)
            if here in paths:
                continue
            missing += (
                undescribed(value, here) if isinstance(value, dict) and value else [".".join(here)]
            )
        return missing

    assert undescribed(yaml.safe_load(values_file()), ()) == []


def test_rules_and_dashboards_are_the_same_bytes() -> None:
    wanted, present = carried.wanted(), carried.present()
    assert present.keys() == wanted.keys(), "make chart"
    assert present == wanted, "make chart"


def test_rules_for_native_histograms_are_current_and_read_no_part_of_a_classic_one() -> None:
    wanted = native.wanted()
    assert {path: path.read_text() for path in wanted} == wanted, "make chart"
    assert {path.name for path in native.FOLDER.iterdir()} == {path.name for path in RULE_FILES}
    parts = {n for f in FAMILIES if f.type == "histogram" for n in f.sample_names}
    for path in native.FOLDER.iterdir():
        for group in yaml.safe_load(path.read_text())["groups"]:
            for rule in group["rules"]:
                tree = parse(rule["expr"])
                assert not parts & {found.name for found in selectors(tree)}, rule
                assert "le" not in grouping(tree), rule


def test_dashboards_fit_what_kubectl_applies() -> None:
    for path, content in carried.present().items():
        assert len(content) < 200 * 1024, path


def test_versions_agree() -> None:
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    assert chart["appVersion"] == __version__
    assert chart["name"] == CHART.name
    assert f":{chart['appVersion']}" in chart["annotations"]["artifacthub.io/images"]
    assert (CHART / chart["icon"].rpartition(f"/{CHART.name}/")[2]).exists()
    assert f"## {chart['version']}" in (CHART / "UPGRADING.md").read_text()
