"""Langfuse and LangSmith, as their SDKs describe what they answer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from langfuse.api.commons import ObservationV2
from langfuse.api.core.pydantic_utilities import parse_obj_as
from langfuse.api.scores import ScoreV3
from langsmith.schemas import Feedback

from llm_trace_exporter.sources import langsmith
from tests.sources.conftest import Watched, Watching
from tests.sources.made_up import (
    RUN,
    Langfuse,
    LangSmith,
    feedback,
    langfuse_score,
    observation,
)
from tests.sources.test_recorded_scores import revisions, verdicts

SCORES = [
    langfuse_score("relevance", 0.4),
    langfuse_score("grounded", True, "BOOLEAN"),
    langfuse_score("polite", False, "BOOLEAN", source="ANNOTATION"),
    langfuse_score("tone", "fail", "CATEGORICAL"),
    langfuse_score("remark", "SECRET of a person", "TEXT"),
    langfuse_score("in_a_run", 1, "NUMERIC", subject={"kind": "experiment", "id": "run-1"}),
]
VERDICTS = {
    ("relevance", "llm", "unscored"): 1,
    ("grounded", "llm", "pass"): 1,
    ("polite", "human", "fail"): 1,
    ("tone", "llm", "fail"): 1,
}
FEEDBACK = [
    feedback("correctness", 1, "correct"),
    feedback("grounded", None, "fail"),
    feedback("helpful", True, feedback_source={"type": "app"}),
    feedback("broken", extra={"error": True}),
    feedback("only_a_comment"),
    feedback("user_score", 0, feedback_source={"type": "api"}),
    feedback("better", 1, comparative_experiment_id=RUN),
]
FEEDBACK_VERDICTS = {
    ("correctness", "llm", "pass"): 1,
    ("grounded", "llm", "fail"): 1,
    ("helpful", "human", "pass"): 1,
    ("broken", "llm", "error"): 1,
}


def test_the_made_up_answers_are_what_the_sdks_read() -> None:
    for row in SCORES:
        assert parse_obj_as(ScoreV3, row).name == row["name"]  # type: ignore[arg-type]
    assert parse_obj_as(ObservationV2, observation(1)).usage_details
    for row in FEEDBACK:
        assert Feedback.model_validate(row).key == row["key"]


class TestLangfuse:
    @pytest.fixture(params=[False, True], ids=["now", "version 3"])
    def source(self, watching: Watching, request: pytest.FixtureRequest) -> Watched:
        return watching("langfuse", Langfuse(SCORES, is_former=request.param))

    def test_what_scores_mean(self, source: Watched) -> None:
        for _ in range(3):
            source.poll()
        at = source.samples()
        found = verdicts(at)
        is_former = getattr(source.stand_in.store, "is_former", False)
        # The former API has an experiment's id in a member of its own.
        assert {k: n for k, n in found.items() if k[0] != "in_a_run"} == VERDICTS
        in_runs = at.total("llm_eval_run_cases", judge="in_a_run", verdict="unscored")
        assert in_runs == (0 if is_former else 1)

    def test_an_edit_keeps_the_time(self, source: Watched) -> None:
        source.poll()
        edited = [{**row, "value": False} if row["name"] == "grounded" else row for row in SCORES]
        former = getattr(source.stand_in.store, "is_former", False)
        source.poll(Langfuse(edited, is_former=former))
        assert revisions(source.samples()) == {("grounded", "llm", "pass", "fail"): 1}

    def test_one_that_is_gone(self, watching: Watching) -> None:
        source = watching("langfuse", Langfuse(SCORES))
        source.poll()
        source.poll(Langfuse(SCORES[1:]))
        source.poll(Langfuse(SCORES[1:]))
        assert revisions(source.samples()) == {("relevance", "llm", "unscored", "deleted"): 1}

    @pytest.mark.parametrize("is_former", [False, True])
    def test_calls(self, watching: Watching, is_former: bool, tmp_path: Path) -> None:
        calls = [
            observation(1),
            observation(2, "SPAN", usageDetails={}, providedModelName=None),
            observation(3, level="ERROR", statusMessage="429 rate limited", usageDetails={}),
            observation(4, endTime=None),
        ]
        store = Langfuse(SCORES, calls, is_former=is_former)
        source = watching("langfuse", store, mode="calls+scores", is_kept=True)
        for _ in range(3):
            source.poll()
            source.crash()
        at = source.samples()
        assert at.total("llm_requests_total", outcome="ok") == 1
        assert at.total("llm_requests_total", error_type="rate_limited") == 1
        assert at.by("llm_tokens_total", "type") == {"input": 100, "cache_read": 20, "output": 10}
        assert set(at.by("llm_cost_usd_total", "cost_source")) == {"list"}
        assert at.total("llm_judge_verdicts_total", environment="prod", model="gpt-4o-mini") > 0
        assert tmp_path.exists()

    def test_the_keys_are_user_and_password(self, watching: Watching, tmp_path: Path) -> None:
        file = tmp_path / "keys"
        file.write_text("pk-lf-1:sk-lf-2")
        source = watching("langfuse", Langfuse(SCORES), credentials_file=str(file))
        source.poll()
        assert source.stand_in.asked[-1][3]["Authorization"] == "Basic cGstbGYtMTpzay1sZi0y"


class TestLangSmith:
    def source(self, watching: Watching, rows: list[Any]) -> Watched:
        return watching("langsmith", LangSmith(rows), projects=(RUN,))

    def test_what_feedback_means(self, watching: Watching) -> None:
        source = self.source(watching, FEEDBACK)
        for _ in range(3):
            source.poll()
        at = source.samples()
        assert verdicts(at) == FEEDBACK_VERDICTS
        assert at.total("llm_feedback_total", rating="negative", source="user_score") == 1
        assert at.total("llm_eval_run_timestamp_seconds", judge="better") > 0

    def test_edits_and_deletions(self, watching: Watching) -> None:
        source = self.source(watching, FEEDBACK)
        source.poll()
        edited = [{**FEEDBACK[0], "score": 0, "value": "incorrect"}, *FEEDBACK[2:]]
        source.poll(LangSmith(edited))
        assert revisions(source.samples()) == {
            ("correctness", "llm", "pass", "fail"): 1,
            ("grounded", "llm", "fail", "deleted"): 1,
        }

    def test_pages_without_a_promised_order(
        self, watching: Watching, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(langsmith, "_AT_ONCE", 2)
        source = self.source(watching, FEEDBACK)
        source.poll()
        source.poll(LangSmith(FEEDBACK[1:]))
        at = source.samples()
        assert verdicts(at) == FEEDBACK_VERDICTS
        assert revisions(at) == {}

    def test_the_key_has_a_header_of_its_own(self, watching: Watching, tmp_path: Path) -> None:
        file = tmp_path / "key"
        file.write_text("lsv2_x\n")
        source = watching("langsmith", LangSmith([]), projects=(RUN,), credentials_file=str(file))
        source.poll()
        assert source.stand_in.asked[-1][3]["x-api-key"] == "lsv2_x"
