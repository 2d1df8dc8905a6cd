"""Each check of rules and panels, and each reason for silence, from facts alone."""

from __future__ import annotations

from typing import Any

import pytest

from llm_trace_exporter.doctor import rules
from llm_trace_exporter.doctor.facts import Facts, Group, Missing, Page, Panel, Rule, Sample
from llm_trace_exporter.doctor.findings import Finding
from llm_trace_exporter.doctor.promql import Selector, needs, of_panel, selectors
from llm_trace_exporter.doctor.why import Reason, of_needs
from tests.doctor.facts import BUILD, NOW_S, SOURCE, facts


def rule(name: str, expr: str, health: str = "ok", *, is_alert: bool = True, file: str = "a.yml",
         **labels: str) -> Rule:  # fmt: skip
    return Rule(name, "g", file, is_alert, expr, labels, health, "", needs(expr))


def group(*held: Rule, **changes: Any) -> Group:
    told = {"name": "g", "file": "a.yml", "interval_s": 60.0, "evaluation_s": 0.1,
            "evaluated_s": NOW_S - 30, **changes}  # fmt: skip
    return Group(rules=held, **told)


def counted(expr: str, **counts: int) -> dict[Selector, int]:
    """1 for all selectors, their names and conditions but those that `counts` names."""
    found: dict[Selector, int] = {}
    for one in selectors(needs(expr)):
        parts = [one, Selector(one.name), *(Selector(one.name, (m,)) for m in one.matchers)]
        found |= {part: counts.get(part.name, 1) for part in parts}
    return found


def bad(findings: Any) -> list[Finding]:
    return [f for f in findings if f.level != "ok"]


SHIPPED = (
    rule("LLMUp", "a:llm_x:y > 0", severity="critical"),
    rule("a:llm_x:y", "llm_requests_total", is_alert=False, file="recording.yml"),
)


def test_none_is_loaded() -> None:
    found = bad(rules.loaded(facts(shipped=SHIPPED)))
    assert [f.level for f in found] == ["problem"]
    assert bad(rules.loaded(facts(product="")))[0].level == "warning"
    elsewhere = facts(names=frozenset({"service:llm_requests:increase1h"}))
    assert "evaluated elsewhere" in bad(rules.loaded(elsewhere))[0].what
    assert bad(rules.loaded(facts(groups=Missing("x"))))[0].level == "note"


def test_some_are_not_loaded() -> None:
    assert not bad(rules.loaded(facts(shipped=SHIPPED, groups=(group(*SHIPPED),))))
    (found,) = bad(rules.loaded(facts(shipped=SHIPPED, groups=(group(SHIPPED[0]),))))
    assert found.level == "problem" and found.do == "load recording.yml, too"
    (found,) = bad(rules.loaded(facts(shipped=SHIPPED, groups=(group(SHIPPED[1]),))))
    assert found.level == "note" and found.where == ("LLMUp",)


def test_loaded_twice() -> None:
    groups = (group(*SHIPPED), group(*SHIPPED, file="b.yml"))
    (found,) = bad(rules.loaded(facts(shipped=SHIPPED, groups=groups)))
    assert "2 rules loaded twice" in found.what and found.where == ("a.yml (g)", "b.yml (g)")


@pytest.mark.parametrize(
    ("held", "part"),
    [
        (group(SHIPPED[0]), ""),
        (group(rule("LLMUp", "x", "err")), "LLMUp fails"),
        (group(rule("LLMUp", "x", "unknown")), "1 rule not evaluated yet"),
        (group(SHIPPED[0], evaluation_s=61.0), "takes 61.0s, and has 1m"),
        (group(SHIPPED[0], evaluated_s=NOW_S - 600), "last evaluated 10m ago"),
        (group(SHIPPED[0], evaluated_s=0.0), ""),
    ],
)
def test_evaluation(held: Group, part: str) -> None:
    found = bad(rules.healthy(facts(groups=(held,))))
    assert (len(found) == 1 and part in found[0].what) if part else not found


@pytest.mark.parametrize(
    ("number", "level"), [(1, "ok"), (0, "warning"), (Missing("x"), "note")]
)  # fmt: skip
def test_alertmanagers(number: Any, level: str) -> None:
    (found,) = rules.reach(facts(groups=(group(*SHIPPED),), alertmanagers=number))
    assert found.level == level


def why(expr: str, counts: dict[Selector, int], **changes: Any) -> Reason:
    return of_needs([needs(expr)], facts(counts=counts, **changes))


@pytest.mark.parametrize(
    ("expr", "kind", "part"),
    [
        ("llm_requests_total", "sleeps", "no call was counted"),
        ("llm_budget_spent_usd", "sleeps", "no budgets"),
        ("llm_judge_runs_total", "sleeps", "built-in judge is off"),
        ("llm_judge_verdicts_total", "sleeps", "no verdict has come"),
        ("gen_ai_client_token_usage_sum", "sleeps", "name profile is off"),
        ("llm_exporter_state_errors_total", "quiet", "nothing of the kind"),
        ("llm_unpriced_requests_total", "quiet", "nothing of the kind"),
        ("llm_reqests_total", "broken", "no metric llm_reqests_total"),
        ("a:llm_x:y", "broken", "no loaded rule records"),
        ("kafka_lag", "sleeps", "not the exporter's"),
        ("cluster:cpu:sum", "sleeps", "not the exporter's"),
        ("ALERTS", "alive", ""),
        ("process_start_time_seconds", "alive", ""),
    ],
)
def test_nothing_of_a_name(expr: str, kind: str, part: str) -> None:
    found = why(expr, counted(expr, **{expr: 0}))
    assert found.kind == kind and part in found.text


def test_a_condition_that_nothing_meets() -> None:
    expr = 'llm_requests_total{outcome="error",service="x"}'
    counts = counted(expr)
    counts[selectors(needs(expr))[0]] = 0
    assert why(expr, counts).kind == "quiet"
    (service,) = [s for s in counts if str(s) == 'llm_requests_total{service="x"}']
    counts[service] = 0
    names = frozenset({"service", "exported_service"})
    found = why(expr, counts, label_names=names)
    assert found.kind == "broken" and "exported_service" in found.text
    assert why(expr, counts).kind == "quiet"


def test_a_target_that_nobody_configured() -> None:
    expr = 'llm_slo_target{slo="cost_per_trace_usd",service=""}'
    counts = {s: int(not s.matchers) for s in counted(expr)}
    found = why(expr, counts)
    assert found.kind == "sleeps" and "no target cost_per_trace_usd" in found.text
    expr = 'llm_slo_target{slo="error_ratio",service!=""}'
    counts = {s: int(len(s.matchers) < 2) for s in counted(expr)}
    assert why(expr, counts).kind == "quiet"


def test_what_relabelling_drops() -> None:
    step = {"source_labels": ["__name__"], "regex": "llm_(tokens|cost).*", "action": "drop"}
    config = {"scrape_configs": [{"job_name": "llm", "metric_relabel_configs": [step]}]}
    expr = "llm_tokens_total"
    found = why(expr, counted(expr, llm_tokens_total=0), config=config)
    assert found.kind == "broken" and "scrape job llm" in found.text


def test_what_the_exporter_shows_and_does_not_arrive() -> None:
    page = Page("http://x", "", frozenset({"llm_tokens_total"}), None)
    found = why("llm_tokens_total", counted("llm_tokens_total", llm_tokens_total=0), page=page)
    assert found.kind == "broken" and "does not arrive" in found.text


RECORDS = rule("a:llm_x:y", "llm_feedback_total", is_alert=False)


def test_a_recording_passes_its_reason_on() -> None:
    counts = {Selector("a:llm_x:y"): 0, Selector("llm_feedback_total"): 0}
    assert "rated" in why("a:llm_x:y", counts, groups=(group(RECORDS),)).text
    counts[Selector("llm_feedback_total")] = 3
    assert why("a:llm_x:y", counts, groups=(group(RECORDS),)).kind == "quiet"
    failing = rule("a:llm_x:y", "llm_feedback_total", "err", is_alert=False)
    assert why("a:llm_x:y", counts, groups=(group(failing),)).kind == "broken"
    assert why("a:llm_x:y", counts, groups=Missing("x")).kind == "unknown"
    assert "recording.yml" in why("a:llm_x:y", counts, shipped=SHIPPED).text


def test_recordings_in_a_ring_end() -> None:
    ring = rule("a:llm_x:y", "a:llm_x:y + 1", is_alert=False)
    assert why("a:llm_x:y", {Selector("a:llm_x:y"): 0}, groups=(group(ring),)).kind == "quiet"


@pytest.mark.parametrize(
    ("expr", "kind"),
    [
        ("llm_tokens_total + llm_feedback_total", "sleeps"),
        ("llm_tokens_total + (llm_feedback_total or vector(0))", "alive"),
        ("llm_tokens_total unless llm_feedback_total", "alive"),
        ("absent(llm_feedback_total)", "alive"),
        ("llm_tokens_total or llm_feedback_total", "alive"),
        ("llm_tokens_total or llm_fedback_total", "broken"),
    ],
)
def test_what_stands_in_for_it(expr: str, kind: str) -> None:
    counts = counted(expr, llm_feedback_total=0, llm_fedback_total=0)
    assert why(expr, counts).kind == kind


def test_what_could_not_be_counted() -> None:
    assert why("llm_tokens_total", {}).kind == "unknown"


def asked(**changes: Any) -> Facts:
    expr = 'llm_feedback_total{service=~"$service"}'
    panel = Panel("Quality", "Ratings", (of_panel(expr),))
    alerts = (rule("LLMSad", "llm_feedback_total", severity="info"), rule("LLMOdd", "llm_odd"))
    counts = {Selector("llm_feedback_total"): 0, Selector("llm_odd"): 0}
    return facts(**{"groups": (group(*alerts),), "panels": (panel,), "counts": counts, **changes})


def test_reasons_are_told_with_names() -> None:
    sleeping, broken = sorted(bad(rules.alive(asked())), key=lambda f: f.level)
    assert sleeping.what == "1 rule sleeps: no user has rated an answer"
    assert sleeping.where == ("LLMSad (info)",)
    assert broken.level == "problem" and broken.what.startswith("1 rule cannot work: ")
    (panel,) = bad(rules.panels(asked()))
    assert panel.where == ("Quality: Ratings",)


def test_without_an_exporter_all_would_be_silent() -> None:
    blind = facts({"exporters": ()}, groups=(group(*SHIPPED),))
    assert not list(rules.alive(blind)) and not list(rules.panels(blind))


COMPARES = rule("LLMDrop", "llm_tokens_total > llm_tokens_total offset 1w", severity="info")


@pytest.mark.parametrize(
    ("retention", "level"), [("0s", "note"), ("3d", "warning"), ("15d", "note"), ("x", "note")]
)
def test_nothing_to_compare_with(retention: str, level: str) -> None:
    held = facts(
        groups=(group(COMPARES, SHIPPED[0]),), flags={"storage.tsdb.retention.time": retention}
    )
    (found,) = rules.history(held)
    assert found.level == level and found.where == ("LLMDrop (info)",)
    assert "1 alert compares with last week" in found.what
    assert not list(rules.history(facts({"week_ago": (BUILD,)}, groups=(group(COMPARES),))))


def test_converted_histograms_are_no_part_that_sleeps() -> None:
    expr = "rate(llm_request_time_to_first_token_seconds_bucket[5m])"
    counts = counted(expr, llm_request_time_to_first_token_seconds_bucket=0)
    names = frozenset({"llm_request_time_to_first_token_seconds"})
    native = {"native": (Sample(SOURCE, 1.0),)}
    found = of_needs([needs(expr)], facts(native, counts=counts, names=names))
    assert found.kind == "broken" and "always_scrape_classic_histograms" in found.do
    assert of_needs([needs(expr)], facts(native, counts=counts)).kind != "broken"
    assert of_needs([needs(expr)], facts(counts=counts, names=names)).kind != "broken"
