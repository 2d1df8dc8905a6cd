"""What is asked is PromQL about metrics that exist, and somebody wants to know it."""

from __future__ import annotations

import re

import promql_parser as ql
import pytest

from llm_trace_exporter.doctor.gather import EXEMPLARS_OF
from llm_trace_exporter.doctor.promql import needs, selectors
from llm_trace_exporter.doctor.questions import OUR_NAME, QUESTIONS
from llm_trace_exporter.doctor.why import FAMILY_OF
from llm_trace_exporter.metrics.catalogue import FAMILY
from tests.e2e.process import ROOT

CODE = "".join(
    path.read_text()
    for path in sorted((ROOT / "exporter" / "llm_trace_exporter" / "doctor").glob("*.py"))
    if path.name != "questions.py"
)
OF_PROMETHEUS = {"process_start_time_seconds", "scrape_samples_post_metric_relabeling"}


@pytest.mark.parametrize("question", QUESTIONS)
def test_a_question(question: str) -> None:
    query = QUESTIONS[question]
    ql.parse(query)
    for selector in selectors(needs(query)):
        assert selector.name in OF_PROMETHEUS | FAMILY_OF.keys() | FAMILY.keys()
        labels = FAMILY_OF[selector.name].labels if selector.name in FAMILY_OF else ()
        assert {m.label.removeprefix("exported_") for m in selector.matchers} <= set(labels)
    assert re.search(rf'"{question}"', CODE)


def test_exemplars_are_asked_of_a_family_that_has_them() -> None:
    for name in EXEMPLARS_OF.split(" or "):
        assert ({**FAMILY, **FAMILY_OF})[name].exemplars


def test_every_metric_is_known_for_ours() -> None:
    assert all(OUR_NAME.fullmatch(name) for name in FAMILY_OF)
