"""docs/doctor.md names every check; that its example is what is said, test_broken.py shows."""

from __future__ import annotations

import re

from llm_trace_exporter.doctor.checks import CHECKS
from tests.e2e.process import ROOT

PAGE = (ROOT / "docs" / "doctor.md").read_text()


def test_every_check_is_described() -> None:
    table = PAGE.split("## What is looked at")[1].split("##")[0]
    assert set(re.findall(r"`(\w+)`(?:, `\w+`)? \|", table)) <= {c.name for c in CHECKS}
    assert {c.name for c in CHECKS} <= set(re.findall(r"`(\w+)`", table))
