"""The catalogue keeps the rules that Prometheus and the contract set."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

from llm_trace_exporter.metrics.catalogue import FAMILIES, FAMILY, REQUEST
from llm_trace_exporter.metrics.family import Family
from llm_trace_exporter.metrics.labels_and_buckets import BUCKETS, LABEL
from llm_trace_exporter.reference.metrics import main, render_reference
from tests.every import every

UNITS = ("seconds", "tokens", "usd", "USD", "bytes", "ratio")
PAGE = Path(__file__).parents[2] / "docs" / "metrics.md"


def test_names_are_unique_with_and_without_suffix() -> None:
    names = [family.base_name for family in FAMILIES]
    samples = [name for family in FAMILIES for name in family.sample_names]
    assert len(set(names)) == len(names) == len(FAMILY)
    assert len(set(samples)) == len(samples)


@every(FAMILIES, lambda f: f.name)
def test_family_is_well_formed(family: Family) -> None:
    prefix = "gen_ai" if family.profiles else "llm"
    assert re.fullmatch(rf"{prefix}_[a-z0-9]+(_[a-z0-9]+)*(_USD)?", family.name)
    assert (family.type == "counter") == family.name.endswith("_total")
    assert (family.type == "info") == family.name.endswith("_info")
    assert (family.type == "histogram") == bool(family.buckets)
    assert not family.buckets or family.buckets in BUCKETS
    assert set(family.labels) <= set(LABEL)
    assert len(set(family.labels)) == len(family.labels)
    assert bool(family.reasons) <= ("reason" in family.labels)
    assert not family.exemplars or family.type in ("counter", "histogram")
    assert family.help.endswith(".") and "\n" not in family.help
    assert family.base_name in family.query


@every(FAMILIES, lambda f: f.name)
def test_unit_is_a_base_unit_and_ends_the_name(family: Family) -> None:
    named = [unit for unit in UNITS if family.base_name.endswith("_" + unit)]
    assert ([family.unit] if family.unit else []) == named


def test_requests_have_the_base_labels_first() -> None:
    for family in FAMILIES:
        if family.section == "Requests" and family.name != "llm_model_routing_total":
            assert family.labels[: len(REQUEST)] == REQUEST
            assert family.with_dimensions


def test_nothing_that_identifies_a_person_or_a_request_is_a_label() -> None:
    words = {"user", "session", "trace", "span", "request", "key", "id", "prompt"}
    assert not words & {part for family in FAMILIES for part in family.labels}


@every(BUCKETS.values())
def test_buckets_ascend(bounds: tuple[float, ...]) -> None:
    assert list(bounds) == sorted(set(bounds))


def test_prometheus_can_parse_every_query(promtool: str, tmp_path: Path) -> None:
    rules = "".join(
        f"  - record: test:{f.base_name}\n    expr: {json.dumps(f.query)}\n" for f in FAMILIES
    )
    path = tmp_path / "rules.yml"
    path.write_text(f"groups:\n- name: queries\n  rules:\n{rules}")
    run = subprocess.run(
        [promtool, "check", "rules", path], check=False, capture_output=True, text=True
    )
    assert run.returncode == 0, run.stdout + run.stderr


def test_reference_page_is_what_the_catalogue_says(tmp_path: Path) -> None:
    assert PAGE.read_text(encoding="utf-8") == render_reference()
    assert main(["--check", str(PAGE)]) == 0
    copy = tmp_path / "metrics.md"
    assert main(["--check", str(copy)]) == 1
    assert main([str(copy)]) == 0
    assert main(["--check", str(copy)]) == 0
    copy.write_text("# Metrics\n")
    assert main(["--check", str(copy)]) == 1


def test_reference_page_shows_every_family_and_label() -> None:
    page = render_reference()
    for family in FAMILIES:
        assert f"### `{family.name}`\n" in page
        assert family.query in page
        assert all(f"| `{label}` |" in page for label in family.labels)
