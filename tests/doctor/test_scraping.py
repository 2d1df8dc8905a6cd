"""Each check of server and scrapes, from facts alone."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from llm_trace_exporter.doctor import histograms, scraping
from llm_trace_exporter.doctor.facts import Exemplar, Missing, Page, Sample, Target
from llm_trace_exporter.doctor.findings import Finding
from tests.doctor.facts import BUILD, NOW_S, SOURCE, TARGET, facts


def bad(findings: Any) -> list[Finding]:
    return [f for f in findings if f.level != "ok"]


@pytest.mark.parametrize(
    ("product", "version", "is_old"),
    [("Prometheus", "2.41.0", True), ("Prometheus", "2.42.0+ds", False), ("", "2.24.0", False),
     ("Prometheus", "3.5.0", False), ("Grafana Mimir", "2.14.0", False), ("Prometheus", "", False)],
)  # fmt: skip
def test_old_servers(product: str, version: str, is_old: bool) -> None:
    assert bool(bad(scraping.server(facts(product=product, version=version)))) is is_old


@pytest.mark.parametrize(("error", "part"), scraping._ERRORS)
def test_errors_of_scrapes_are_explained(error: str, part: str) -> None:
    target = replace(TARGET, health="down", error=f'Get "http://x": {error} y')
    (found,) = bad(scraping.scraped(facts(targets=(target,))))
    assert found.level == "problem" and found.why == part


def test_an_error_that_nobody_knows_is_told_as_it_is() -> None:
    target = replace(TARGET, health="down", error="out of cheese")
    (found,) = bad(scraping.scraped(facts(targets=(target,))))
    assert "out of cheese" in found.what and not found.why


OTHER = Target("node", {"job": "node", "instance": "n:9100"}, {}, "http://n:9100/metrics", "up")


@pytest.mark.parametrize(
    ("targets", "dropped", "part"),
    [
        ((), (), "no targets"),
        ((OTHER,), (), "no target looks like it"),
        ((replace(OTHER, health="down", error="x"),), (), "one of those that fail"),
        ((replace(TARGET, health="down"),), (), "does not deliver"),
        ((OTHER,), (TARGET,), "relabel_configs drop"),
        ((OTHER,), Missing("x"), "no target looks like it"),
    ],
)
def test_no_exporter_is_seen(targets: Any, dropped: Any, part: str) -> None:
    found = list(
        scraping.scraped(facts({"exporters": ()}, targets=targets, dropped=dropped))
    )  # fmt: skip
    assert found[0].level == "problem" and part in found[0].why


def test_what_answers_is_no_exporter() -> None:
    found = list(scraping.scraped(facts({"exporters": ()}, targets=(TARGET,))))
    assert "shows no llm_exporter_build_info" in found[1].what


def test_where_targets_are_not_told() -> None:
    (found,) = bad(scraping.scraped(facts(targets=Missing("the server has no such API"))))
    assert found.level == "note" and "not available here" in found.what


@pytest.mark.parametrize(
    ("change", "level"),
    [
        ({}, "ok"),
        ({"duration_s": 6.0}, "warning"),
        ({"interval_s": 180.0}, "problem"),
        ({"interval_s": 65.0}, "problem"),
        ({"interval_s": 60.0}, "ok"),
        ({"interval_s": 30.0, "timeout_s": 0.0}, "ok"),
    ],
)
def test_timing(change: dict[str, Any], level: str) -> None:
    (found,) = scraping.timing(facts(targets=(replace(TARGET, **change),)))
    assert found.level == level


@pytest.mark.parametrize(
    ("limit", "number", "is_told"),
    [(1000, 900.0, True), (1000, 700.0, False), (0, 900.0, False), ("x", 900.0, False)],
)
def test_sample_limit(limit: Any, number: float, is_told: bool) -> None:
    config = {"scrape_configs": [{"job_name": "llm", "sample_limit": limit}]}
    found = list(scraping.limits(facts({"samples": (Sample(SOURCE, number),)}, config=config)))
    assert bool(found) is is_told


def test_hidden_labels() -> None:
    names = frozenset({"service", "exported_service", "exported_pod"})
    figures = {"hidden": (Sample(SOURCE, 5.0),)}
    (found,) = bad(scraping.labels(facts(figures, label_names=names)))
    assert found.level == "problem" and "exported_pod and exported_service" in found.what
    assert found.where == ("exporter-0:9891 (job llm)",)
    assert not bad(scraping.labels(facts()))
    (found,) = scraping.labels(facts(label_names=frozenset({"exported_pod"})))
    assert found.level == "warning"
    assert bad(scraping.labels(facts(label_names=Missing("x"))))[0].level == "note"


@pytest.mark.parametrize(
    ("label", "level"), [("service", "problem"), ("environment", "warning"), ("pod", "")]
)
def test_filled_labels(label: str, level: str) -> None:
    filled = replace(BUILD, labels={**BUILD.labels, label: "x"})
    found = bad(scraping.labels(facts({"exporters": (filled,)})))
    assert [one.level for one in found] == [level] * bool(level)
    if found:
        assert f"fills {label}" in found[0].what
        assert found[0].where == ("exporter-0:9891 (job llm)",)


@pytest.mark.parametrize(
    ("action", "regex", "is_told"),
    [
        ("drop", "llm_tokens_.*", True), ("drop", "go_.*", False), ("keep", "up|llm_.*", False),
        ("keep", "llm_requests_total", True), ("drop", "[", False),
    ],
)  # fmt: skip
def test_dropped_metrics(action: str, regex: str, is_told: bool) -> None:
    step = {"source_labels": ["__name__"], "regex": regex, "action": action}
    config = {"scrape_configs": [{"job_name": "llm", "metric_relabel_configs": [step]}]}
    assert bool(list(scraping.dropped(facts(config=config)))) is is_told
    config["scrape_configs"][0]["job_name"] = "other"
    assert not list(scraping.dropped(facts(config=config)))


@pytest.mark.parametrize(
    ("action", "regex", "is_told"),
    [("labeldrop", "model", True), ("labeldrop", "pod", False), ("labelkeep", "job|le", True)],
)
def test_dropped_labels(action: str, regex: str, is_told: bool) -> None:
    step = {"regex": regex, "action": action}
    config = {"scrape_configs": [{"job_name": "llm", "metric_relabel_configs": [step, 1]}]}
    assert bool(list(scraping.dropped(facts(config=config)))) is is_told


CALLS = {"calls": (Sample(SOURCE, 5.0),)}
ONE = Exemplar("exporter-0:9891", "a", "b", NOW_S)
OLD = {"scrape_configs": [{"job_name": "llm", "scrape_protocols": ["PrometheusText0.0.4"]}]}


@pytest.mark.parametrize(
    ("changes", "level", "part"),
    [
        ({"exemplars": (ONE,)}, "ok", "1 of the last hour"),
        ({"flags": {"enable-feature": "native-histograms"}}, "warning", "not kept"),
        ({"flags": Missing("x"), "exemplars": Missing("no such API")}, "note", "not available"),
        ({"config": OLD}, "warning", "old text format"),
        ({}, "note", "no exemplar has arrived"),
    ],
)
def test_exemplars(changes: dict[str, Any], level: str, part: str) -> None:
    (found,) = scraping.exemplars(facts(CALLS, **changes))
    assert found.level == level and part in found.what


def test_a_proxy_that_takes_accept_away() -> None:
    page = Page("http://x/metrics", "text/plain; version=0.0.4", frozenset(), None)
    found = next(iter(scraping.exemplars(facts(page=page))))
    assert found.level == "warning" and "OpenMetrics" in found.what


def test_histograms_without_buckets_are_a_problem() -> None:
    assert bad(histograms.classic(facts())) == []
    (found,) = histograms.classic(facts({"native": (Sample(SOURCE, 2.0),)}))
    assert found.level == "problem" and "always_scrape_classic_histograms: true" in found.do
    assert found.where == ("exporter-0:9891 (job llm)",)
