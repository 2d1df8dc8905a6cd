"""docs/doctor.md shows what the doctor says, and names every check."""

from __future__ import annotations

import re

from llm_trace_exporter.doctor.checks import CHECKS
from tests.doctor.conftest import Worlds
from tests.doctor.worlds import address, printed
from tests.e2e.process import ROOT

PAGE = (ROOT / "docs" / "doctor.md").read_text()


def words(text: str) -> str:
    """Without line breaks, versions and numbers of rules, which come and go."""
    text = re.sub(r"Prometheus \S+ answers", "Prometheus answers", text)
    return re.sub(r"\b\d+ (rule|more)", r"# \1", " ".join(text.split()))


def test_the_example_is_what_it_says(worlds: Worlds) -> None:
    shown = printed(worlds.broken.base, code=1)
    for name, target in (("exporter-0", worlds.other), ("exporter-1", worlds.third)):
        shown = shown.replace(address(target), f"{name}:9891")
    said = words(shown)
    example = PAGE.split("```text\n")[1].split("```")[0]
    findings = re.split(r"\n(?=  (?:ok|note|warning|problem) |\n)", example)
    assert len(findings) > 6
    for finding in findings:
        assert words(finding) in said


def test_every_check_is_described() -> None:
    table = PAGE.split("## What is looked at")[1].split("##")[0]
    assert set(re.findall(r"`(\w+)`(?:, `\w+`)? \|", table)) <= {c.name for c in CHECKS}
    assert {c.name for c in CHECKS} <= set(re.findall(r"`(\w+)`", table))
