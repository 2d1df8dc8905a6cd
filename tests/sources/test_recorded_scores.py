"""Scores of real stores, recorded as they changed: what counts is what truly happened."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.every import every
from tests.facts import Samples
from tests.sources.conftest import Watching
from tests.sources.standin import MLflow, Phoenix, Recorded, loaded

Store = Callable[[int], Recorded]
STORES: dict[str, tuple[Store, int, str]] = {
    "phoenix": (Phoenix, 4, "shop-22"),
    "mlflow": (MLflow, 5, "13"),
}
"""System -> (the store at a time, how many times there are, project)."""


def verdicts(at: Samples) -> dict[tuple[str, str, str], float]:
    """(judge, kind, verdict) -> how many."""
    found: dict[tuple[str, str, str], float] = {}
    for sample in at.matching("llm_judge_verdicts_total"):
        labels = sample.labels
        key = (labels["judge"], labels["kind"], labels["verdict"])
        found[key] = found.get(key, 0) + sample.value
    return {key: n for key, n in found.items() if n}


def revisions(at: Samples) -> dict[tuple[str, str, str, str], float]:
    """(judge, kind, from, to) -> how many."""
    return {
        tuple(s.labels[name] for name in ("judge", "kind", "from", "to")): s.value  # type: ignore[misc]
        for s in at.matching("llm_judge_revisions_total")
        if s.value
    }


EXPECTED: dict[str, dict[tuple[str, str, str], float]] = {
    "phoenix": {
        ("correctness", "llm", "pass"): 4,
        ("correctness", "llm", "fail"): 1,
        ("correctness", "human", "fail"): 1,
        ("toxicity", "code", "unscored"): 1,
        ("judge_broken", "llm", "error"): 1,
        ("grounded", "llm", "fail"): 1,
    },
    "mlflow": {
        ("correctness", "llm", "pass"): 4,
        ("correctness", "llm", "fail"): 1,
        ("correctness", "human", "pass"): 1,
        ("relevance", "llm", "unscored"): 1,
        ("safety", "llm", "error"): 1,
        ("has_pii", "code", "pass"): 1,
    },
}
"""In the words of the metrics; `test_the_table_is_the_truth` holds it to the recording."""


@every(EXPECTED, str)
def test_the_table_is_the_truth(system: str) -> None:
    truth: dict[str, Any] = loaded(system, "expected")["final_scores"]
    table = EXPECTED[system]
    for name in ("correctness/llm", "correctness/human", "grounded", "judge_broken", "safety"):
        if name in truth:
            judge, _, kind = name.partition("/")
            told = {v: n for (j, k, v), n in table.items() if j == judge and kind in ("", k)}
            assert told == {v: n for v, n in truth[name].items() if v != "note"}


def read(watching: Watching, system: str, times: list[int], *, is_kept: bool = False) -> Any:
    store, _, project = STORES[system]
    watched = watching(system, store(times[0]), projects=(project,), is_kept=is_kept)
    for time in times:
        watched.poll(store(time))
        if is_kept:
            watched.crash()
    return watched


@pytest.mark.parametrize("system", EXPECTED)
@pytest.mark.parametrize("often", [1, 3])
@pytest.mark.parametrize("crashes", [False, True])
def test_what_counts_is_what_happened(
    watching: Watching, system: str, often: int, crashes: bool
) -> None:
    times = [time for time in range(STORES[system][1]) for _ in range(often)]
    at = read(watching, system, times, is_kept=crashes).samples()
    assert verdicts(at) == EXPECTED[system]
    assert at.total("llm_feedback_total", rating="negative") == 1
    changed = revisions(at)
    gone = {key: n for key, n in changed.items() if key[3] == "deleted"}
    truth = loaded(system, "expected")["final_scores"]
    assert sum(gone.values()) == truth["deletions_seen"]
    if system == "phoenix":
        assert changed == {
            ("toxicity", "code", "unscored", "unscored"): 1,
            ("correctness", "llm", "pass", "deleted"): 1,
        }
        return
    assert sum(changed.values()) - sum(gone.values()) == truth["revisions_total"]
    assert changed == {
        ("relevance", "llm", "unscored", "unscored"): 1,
        ("correctness", "llm", "fail", "invalid"): 1,
        ("correctness", "llm", "invalid", "fail"): 1,
        ("correctness", "llm", "pass", "deleted"): 1,
        ("correctness", "human", "pass", "deleted"): 1,
    }


def test_phoenix_between_two_polls_things_are_lost(watching: Watching) -> None:
    at = read(watching, "phoenix", [0, 3]).samples()
    assert verdicts(at) == {
        ("correctness", "llm", "pass"): 2,
        ("correctness", "llm", "fail"): 1,
        ("correctness", "human", "fail"): 1,
        ("toxicity", "code", "unscored"): 1,
        ("grounded", "llm", "fail"): 1,
    }
    assert revisions(at) == {}


def test_mlflow_an_override_that_was_made_and_deleted_in_between(watching: Watching) -> None:
    at = read(watching, "mlflow", [1, 4]).samples()
    assert ("correctness", "human", "pass") not in verdicts(at)
    assert revisions(at)["relevance", "llm", "unscored", "unscored"] == 1


def test_what_people_overwrite_is_compared_with_the_judge(watching: Watching) -> None:
    at = read(watching, "phoenix", [0, 1, 2]).samples()
    assert at.by("llm_judge_agreement_total", "agrees") == {"false": 1.0}


def test_an_offline_run_is_no_production(watching: Watching) -> None:
    at = read(watching, "mlflow", [3, 4]).samples()
    assert not [s for s in at.matching("llm_judge_verdicts_total") if s.labels["judge"] == "short"]
    assert at.total("llm_eval_run_cases", judge="short", suite="13", verdict="fail") == 1
    assert at.total("llm_eval_run_failure_ratio", judge="short") == 1
    newest = at.total("llm_eval_run_timestamp_seconds", judge="short")
    assert newest == pytest.approx(1795821334.249)


@pytest.mark.parametrize("system", EXPECTED)
def test_what_was_there_before_does_not_count(watching: Watching, system: str) -> None:
    store, last, project = STORES[system]
    watched = watching(system, store(1), projects=(project,), start_at_s=0.0)
    watched.poll(store(1))
    watched.poll(store(1))
    for time in range(1, last):
        watched.poll(store(time))
    at = watched.samples()
    assert verdicts(at) == {}
    assert revisions(at) == {}
