"""Set-ups that are broken in many ways at once, each of which the doctor names."""

from __future__ import annotations

import re

import pytest

from tests.doctor.conftest import Broken
from tests.doctor.test_page import PAGE
from tests.doctor.worlds import Told, address, ask, printed


@pytest.fixture(scope="module")
def told(broken: Broken) -> Told:
    return ask(broken.watch.base, code=1)


def test_a_label_that_the_scrape_took(told: Told) -> None:
    found = told.one("labels", "problem", "hides the exporter's")
    assert "exported_service" in found["what"]
    assert "labeldrop" in found["do"]
    assert [name.split(" ", 1)[1] for name in found["where"]] == ["(job monitor)"]


def test_one_process_scraped_twice(told: Told) -> None:
    found = told.one("copies", "problem", "one exporter is seen 2 times")
    assert {name.split(" ")[1] for name in found["where"]} == {"(job"}
    assert "job" in found["why"]


def test_calls_that_two_exporters_count(told: Told) -> None:
    found = told.one("copies", "problem", "counted by more than one exporter")
    assert len(found["where"]) == 2


def test_what_relabelling_drops(told: Told) -> None:
    found = told.one("dropped", "warning", "llm_tokens_total")
    assert found["where"] == ["job again"]


def test_a_rule_that_fails(told: Told) -> None:
    found = told.one("evaluated", "problem", "broken fails")
    assert "many-to-many" in found["what"] or "duplicate series" in found["what"]


def test_a_rule_of_another_version(told: Told) -> None:
    assert "no metric llm_reqests_total" in told.one("series", "problem", "llm_reqests")["what"]


def test_a_rule_in_two_places(told: Told) -> None:
    assert len(told.one("loaded", "warning", "loaded twice")["where"]) == 2


def test_recordings_that_are_missing(told: Told) -> None:
    found = told.one("loaded", "problem", "missing that 13 loaded rules need")
    assert "recording.yml" in found["do"]
    assert "service:llm_slo_target:effective" in found["where"]
    dead = told.one("series", "problem", "recordings of recording.yml are missing")
    assert "LLMErrorBudgetBurn (critical)" in dead["where"]


def test_nothing_is_scraped(broken: Broken) -> None:
    """Neither a port where nothing listens, nor a wrong one, nor what relabelling drops."""
    told = ask(broken.blind.base, code=1)
    otlp = broken.one.http.removeprefix("http://")
    found = told.one("scraped", "problem", "no exporter is seen")
    assert found["where"] == ["llm-trace-exporter:9891 (job dropped)"]
    assert "nothing listens there" in told.one("scraped", "problem", broken.closed)["why"]
    assert "4318" in told.one("scraped", "problem", otlp)["why"]
    assert "exemplar-storage" in told.one("exemplars", "warning", "not kept")["why"]
    assert "none of the exporter's rules" in told.one("loaded", "problem", "")["what"]
    assert not told.of("series") and not told.of("panels")


def test_counters_in_memory(broken: Broken, told: Told) -> None:
    found = told.one("health", "note", "kept in memory only")
    assert found["where"] == [address(broken.one), address(broken.other)]


def words(text: str) -> str:
    """Without line breaks, versions and numbers of rules, which come and go."""
    text = re.sub(r"Prometheus \S+ answers", "Prometheus answers", text)
    return re.sub(r"\b\d+ (rule|more)", r"# \1", " ".join(text.split()))


def test_the_example_is_what_it_says(broken: Broken) -> None:
    shown = printed(broken.watch.base, code=1)
    for name, target in (("exporter-0", broken.one), ("exporter-1", broken.other)):
        shown = shown.replace(address(target), f"{name}:9891")
    said = words(shown)
    example = PAGE.split("```text\n")[1].split("```")[0]
    findings = re.split(r"\n(?=  (?:ok|note|warning|problem) |\n)", example)
    assert len(findings) > 6
    for finding in findings:
        assert words(finding) in said
