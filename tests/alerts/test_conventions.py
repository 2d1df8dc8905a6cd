"""What holds for every rule: annotations, severities, guards, names that the catalogue has."""

from __future__ import annotations

import json
import re
import subprocess
from collections import Counter
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

from dashboards.promql import RECORDED as ON_DASHBOARDS
from llm_trace_exporter.metrics.catalogue import FAMILY
from tests.alerts.queries import OVER_TIME, Selector, grouping, nodes, parse, selectors
from tests.alerts.rules import HOME, ROOT, RULE_FILES, RUNBOOKS, Rule, alerts, all_rules
from tests.every import every

SAMPLES = {sample: family for family in FAMILY.values() for sample in family.sample_names}
RECORDED = {rule.name: rule for rule in all_rules() if not rule.is_alert}
DIMENSIONS = {"feature", "team", "prompt_name", "prompt_version"}
"""The default ones."""
OF_A_SCRAPE = {"job", "instance"}
FROM_PROMETHEUS = dict.fromkeys(
    (
        "up",
        "process_start_time_seconds",
        "process_cpu_seconds_total",
        "process_resident_memory_bytes",
    ),
    OF_A_SCRAPE,
)
SEVERITIES = {"critical", "warning", "info"}
SCRAPE_INTERVAL_S = 30.0
DASHBOARDS = {
    path.stem: {f"var-{v['name']}" for v in json.loads(path.read_text())["templating"]["list"]}
    for path in (ROOT / "dashboards/json").glob("*.json")
}
"""Name -> what its address may set."""
COMPARISONS = {"==", "!=", ">", "<", ">=", "<="}
HEADINGS = ("Meaning", "Impact", "Diagnosis", "Mitigation", "When to silence")

each_rule = every(all_rules(), lambda rule: rule.id)
each_alert = every(alerts(), lambda rule: rule.id)


def labels_of(name: str) -> set[str]:
    """Every label that a series of this name can have."""
    if name in FROM_PROMETHEUS:
        return FROM_PROMETHEUS[name]
    if name in RECORDED:
        rule = RECORDED[name]
        inner = (labels_of(found.name) for found in selectors(parse(rule.expr)))
        kept = set(grouping(parse(rule.expr))) or set().union(*inner)
        same = (set(r.labels) for r in all_rules() if r.name == name)
        return kept.union(*same)
    family = SAMPLES[name]
    own = {*family.labels, *OF_A_SCRAPE} | (DIMENSIONS if family.with_dimensions else set())
    return own | ({"le"} if name.endswith("_bucket") else set())


def used(rule: Rule) -> list[Selector]:
    return list(selectors(parse(rule.expr)))


def test_promtool_finds_nothing(promtool: str) -> None:
    run = subprocess.run(
        [promtool, "check", "rules", "--lint=all", "--lint-fatal", *RULE_FILES],
        check=False, capture_output=True, text=True,
    )  # fmt: skip
    assert run.returncode == 0, run.stdout + run.stderr


@each_alert
def test_alert_says_what_it_must(rule: Rule) -> None:
    assert set(rule.annotations) == {"summary", "description", "runbook_url", "dashboard_url"}
    assert rule.severity in SEVERITIES
    assert rule.hold or rule.comment, "rings at once, and no comment above it says why"
    assert rule.annotations["summary"].endswith(".") and "{{" not in rule.annotations["summary"]
    assert rule.annotations["runbook_url"] == f"{HOME}/{rule.name}.md"
    dashboard = urlsplit(rule.annotations["dashboard_url"])
    assert dict(parse_qsl(dashboard.query)).keys() <= DASHBOARDS[dashboard.path.removeprefix("/d/")]
    prefix = "LLMExporter" if rule.file == "exporter" else "LLM"
    assert re.fullmatch(rf"{prefix}[A-Z]\w+", rule.name)


@each_alert
def test_description_tells_a_humanized_value(rule: Rule) -> None:
    description = rule.annotations["description"]
    says_itself = re.search(r"== [01]\b|\babsent\(", rule.expr)
    assert description.endswith(".") and ("$value" in description or says_itself)
    values = re.findall(r"\{\{[^}]*\$value[^}]*\}\}", description)
    assert all("humanize" in value or "printf" in value for value in values)


@each_alert
def test_expression_compares(rule: Rule) -> None:
    operators = {str(node.op) for node in nodes(parse(rule.expr)) if hasattr(node, "op")}
    absent = any(
        getattr(n, "func", None) and n.func.name == "absent" for n in nodes(parse(rule.expr))
    )
    assert operators & COMPARISONS or absent


@each_rule
def test_names_and_labels_are_the_catalogues(rule: Rule) -> None:
    for found in used(rule):
        assert found.name in SAMPLES or found.name in RECORDED or found.name in FROM_PROMETHEUS
        assert set(found.labels) <= labels_of(found.name), found.name
    told = set().union(*(labels_of(found.name) for found in used(rule)))
    assert set(grouping(parse(rule.expr))) <= told


@each_rule
def test_counters_are_asked_for_their_growth(rule: Rule) -> None:
    for found in used(rule):
        family = SAMPLES.get(found.name)
        if family is None or family.type not in ("counter", "histogram"):
            continue
        if found.within and found.within[-1] in ("or", "group"):
            continue  # only whether there is such a series
        assert set(found.within) & OVER_TIME, found


@each_rule
def test_quantiles_keep_the_bounds(rule: Rule) -> None:
    for node in nodes(parse(rule.expr)):
        if getattr(node, "func", None) and node.func.name == "histogram_quantile":
            assert "le" in grouping(node.args[1])


@each_rule
def test_ranges_hold_four_scrapes(rule: Rule) -> None:
    assert all(s.range_s == 0 or s.range_s >= 4 * SCRAPE_INTERVAL_S for s in used(rule))


@each_rule
def test_no_job_is_presumed(rule: Rule) -> None:
    """The job's name is the user's: only whether a target is up cannot be asked without."""
    assert all("job" not in s.labels for s in used(rule) if s.name != "up")


def test_alerts_of_one_name_differ_in_severity() -> None:
    twice = [id_ for id_, count in Counter(rule.id for rule in alerts()).items() if count > 1]
    files = {(rule.name, rule.file) for rule in alerts()}
    assert not twice
    assert len(files) == len({rule.name for rule in alerts()})


def is_statistic(rule: Rule) -> bool:
    """Whether few calls would make it a matter of chance."""
    for found in used(rule):
        if (
            re.search(r":(ratio|quantile|p\d\d)_", found.name)
            or "histogram_quantile" in found.within
        ):
            return True
        if "/" in found.within and set(found.within) & OVER_TIME:
            return True
    return False


@every([rule for rule in alerts() if is_statistic(rule)], lambda rule: rule.id)
def test_statistics_need_traffic(rule: Rule) -> None:
    guards = [
        node
        for node in nodes(parse(rule.expr))
        if str(getattr(node, "op", "")) in (">", ">=")
        and type(node.rhs).__name__ == "NumberLiteral"
        and node.rhs.val >= 1
        and any(":increase" in s.name or "increase" in s.within for s in selectors(node.lhs))
    ]
    assert guards


@each_rule
def test_recorded_names_tell_level_metric_and_operation(rule: Rule) -> None:
    if not rule.is_alert:
        assert re.fullmatch(r"[a-z_]+:llm_[a-z_]+:[a-z0-9_]+", rule.name)


def test_every_recording_is_of_use() -> None:
    """By a rule or a dashboard."""
    wanted = {found.name for rule in all_rules() for found in used(rule)} | set(ON_DASHBOARDS)
    assert not set(RECORDED) - wanted


def test_each_alert_has_a_runbook_and_each_runbook_an_alert() -> None:
    assert {path.stem for path in RUNBOOKS.glob("*.md")} == {rule.name for rule in alerts()}


@every(sorted(RUNBOOKS.glob("*.md")), lambda path: path.stem)
def test_runbook_has_the_five_parts(path: Path) -> None:
    text = path.read_text()
    assert text.startswith(f"# {path.stem}\n")
    assert tuple(re.findall(r"^## (.+)$", text, re.MULTILINE)) == HEADINGS
    for part in re.split(r"^## .+$", text, flags=re.MULTILINE)[1:]:
        assert len(part.split()) >= 8


@every(sorted(RUNBOOKS.glob("*.md")), lambda path: path.stem)
def test_queries_of_runbooks_are_of_the_catalogue(path: Path) -> None:
    queries = re.findall(r"^```promql[^\n]*\n(.*?)^```", path.read_text(), re.MULTILINE | re.DOTALL)
    assert queries
    for query in queries:
        for found in selectors(parse(query)):
            assert found.name in SAMPLES or found.name in RECORDED or found.name in FROM_PROMETHEUS
            assert set(found.labels) <= labels_of(found.name), found.name
