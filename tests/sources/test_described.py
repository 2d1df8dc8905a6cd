"""Scores of stores that cannot be run here, as they change: what counts is what truly happened."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from tests.facts import Samples
from tests.sources.conftest import Watched, Watching
from tests.sources.described import Arize, Braintrust, Datadog, Opik, Weave, described
from tests.sources.standin import Recorded
from tests.sources.test_recorded_scores import revisions, verdicts

STORES: dict[str, tuple[Callable[[int], Recorded], int, str]] = {
    "opik": (Opik, 3, "shop"),
    "braintrust": (Braintrust, 3, "shop"),
    "weave": (Weave, 3, "shop/prod"),
    "datadog": (Datadog, 3, "shop"),
    "arize": (Arize, 3, "UHJvamVjdDox"),
}
"""System -> (the store at a time, how many times there are, project)."""
PROOFS = {
    "opik": ("shop-team:key-1234567", {"Authorization": "key-1234567",
                                       "Comet-Workspace": "shop-team"}),
    "braintrust": ("sk-1234567", {"Authorization": "Bearer sk-1234567"}),
    "weave": ("0123456789", {"Authorization": "Basic YXBpOjAxMjM0NTY3ODk="}),
    "datadog": ("key-1234567:app-1234567", {"DD-API-KEY": "key-1234567",
                                            "DD-APPLICATION-KEY": "app-1234567"}),
    "arize": ("ak-1234567", {"Authorization": "Bearer ak-1234567"}),
}  # fmt: skip
"""System -> (what its file of credentials holds, the headers that come of it)."""


def at_of(table: dict[Any, float]) -> dict[str, float]:
    return {"/".join(key): n for key, n in table.items()}


def offline(at: Samples) -> dict[str, float]:
    found = at.matching("llm_eval_run_cases")
    return {f"{s.labels['judge']}/{s.labels['verdict']}": s.value for s in found if s.value}


def begun(watching: Watching, system: str, time: int = 0, **options: Any) -> Watched:
    store, _, project = STORES[system]
    return watching(system, store(time), projects=(project,), **options)


def read_all(source: Watched, system: str, often: int = 1, *, crashes: bool = False) -> Samples:
    store, times, _ = STORES[system]
    for time in [time for time in range(times) for _ in range(often)]:
        assert source.poll(store(time)) == 60
        if crashes:
            source.crash()
    # Gauges of offline runs are those of the last walk.
    source.poll()
    return source.samples()


def assert_truth(at: Samples, system: str) -> None:
    truth = described(system, "expected")
    assert at_of(verdicts(at)) == truth["verdicts"]
    assert at_of(revisions(at)) == truth["revisions"]
    assert at.total("llm_feedback_total", rating="negative") == truth["negative_feedback"]
    assert offline(at) == truth["offline"]
    assert at.by("llm_judge_agreement_total", "agrees") == truth["agreement"]


@pytest.mark.parametrize("system", STORES)
@pytest.mark.parametrize("often", [1, 3])
@pytest.mark.parametrize("crashes", [False, True])
def test_what_counts_is_what_happened(
    watching: Watching, system: str, often: int, crashes: bool
) -> None:
    source = begun(watching, system, is_kept=crashes)
    assert_truth(read_all(source, system, often, crashes=crashes), system)


@pytest.mark.parametrize("system", STORES)
@pytest.mark.parametrize("at_once", [2, 3])
def test_it_is_the_same_in_pages(
    watching: Watching, system: str, at_once: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = import_module(f"llm_trace_exporter.sources.{system}")
    monkeypatch.setattr(module, "_AT_ONCE", at_once)
    source = begun(watching, system)
    assert_truth(read_all(source, system), system)
    assert len(source.stand_in.asked) > STORES[system][1] * 2


@pytest.mark.parametrize("system", STORES)
def test_what_was_there_before_does_not_count(watching: Watching, system: str) -> None:
    last = STORES[system][1] - 1
    source = begun(watching, system, last, start_at_s=0.0)
    for _ in range(2):
        source.poll()
    assert verdicts(source.samples()) == {}


@pytest.mark.parametrize("system", STORES)
def test_what_began_before_the_look_back_does_not_count(watching: Watching, system: str) -> None:
    source = begun(watching, system, lookback_s=60.0)
    source.poll()
    at = source.samples()
    assert verdicts(at) == {}
    assert at.total("llm_exporter_source_up") == 1


@pytest.mark.parametrize("system", STORES)
def test_who_asks_is_proved(watching: Watching, system: str, tmp_path: Path) -> None:
    told, headers = PROOFS[system]
    file = tmp_path / "credentials"
    file.write_text(f"{told}\n")
    source = begun(watching, system, credentials_file=str(file))
    source.poll()
    for _, _, _, sent in source.stand_in.asked:
        assert headers.items() <= sent.items()


@pytest.mark.parametrize("system", STORES)
def test_a_refusal_and_a_limit(watching: Watching, system: str) -> None:
    source = begun(watching, system)
    source.stand_in.trouble = [(401, b'{"message": "no such key"}', {})]
    assert source.poll() == 300
    assert source.samples().total("llm_exporter_source_up") == 0
    source.stand_in.trouble = [(429, b"", {"Retry-After": "17"})]
    assert source.poll() == 17
    assert_truth(read_all(source, system), system)


@pytest.mark.parametrize("system", STORES)
def test_no_text_and_no_person_is_kept(watching: Watching, system: str, tmp_path: Path) -> None:
    source = begun(watching, system, is_kept=True)
    shown = source.engine.exposition.render("", []).body
    read_all(source, system)
    shown += source.engine.exposition.render("", []).body
    source.crash()
    kept = b"".join(file.read_bytes() for file in tmp_path.iterdir())
    for secret in (b"a text", b"anna@example.com"):
        assert secret not in kept
        assert secret not in shown
