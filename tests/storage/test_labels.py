"""Other labels, caps and limits at a restart or a reload: nothing is counted again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from llm_trace_exporter.config import Settings
from llm_trace_exporter.config.settings import DimensionSettings, LabelSettings, SeriesSettings
from tests.spans import chat, raw_log, raw_span, trace_id
from tests.storage.machine import SETTLE_S, Machine

CALLS = 20


def dimensions(*labels: str) -> tuple[DimensionSettings, ...]:
    return tuple(DimensionSettings(label, (label,)) for label in labels)


SETTINGS = Settings(
    zero_hold_s=0, decision_wait_s=SETTLE_S, dimensions=dimensions("region", "plan")
)
CHANGES: dict[str, dict[str, Any]] = {
    "none": {},
    "one taken away": {"dimensions": dimensions("region")},
    "renamed": {"dimensions": (DimensionSettings("area", ("region",)), *dimensions("plan"))},
    "swapped": {"dimensions": dimensions("plan", "region")},
    "added": {"dimensions": dimensions("region", "plan", "channel")},
    "capped": {"dimensions": (DimensionSettings("region", ("region",), cap=2),)},
    "models capped": {"labels": LabelSettings(caps={"model": 2})},
    "few series": {"series": SeriesSettings(max_per_family=3)},
}


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    found = Machine(tmp_path / "state.db", SETTINGS)
    for number in range(CALLS):
        more = {
            "region": f"r{number % 7}",
            "plan": f"p{number % 3}",
            "gen_ai.response.model": f"model-{number % 5}",
        }
        found.send(raw_span(chat() | more))
    found.settle()
    return found


def reload(machine: Machine, **changes: Any) -> None:
    machine.settings = replace(machine.settings, **changes)
    machine.engine.apply(machine.settings)


WAYS: dict[str, Callable[..., None]] = {
    "restart": Machine.restart,
    "crash": Machine.crash,
    "reload": reload,
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("change", CHANGES)
def test_history_is_counted_once(machine: Machine, change: str, way: str) -> None:
    WAYS[way](machine, **CHANGES[change])
    for _ in range(3):
        assert machine.calls() == (CALLS, 15 * CALLS)
        machine.checkpoint()
        machine.crash()
        machine.restart()
    assert machine.calls() == (CALLS, 15 * CALLS)


@pytest.mark.parametrize("change", CHANGES)
def test_what_came_after_the_checkpoint_has_the_labels_it_came_with(
    machine: Machine, change: str
) -> None:
    """The journal was written under other labels than those it is applied under."""
    machine.checkpoint()
    machine.send(raw_span(chat() | {"region": "r1", "plan": "p9"}))
    machine.settle()
    machine.crash(**CHANGES[change])
    assert machine.calls() == (CALLS + 1, 15 * (CALLS + 1))
    if any(d.label == "plan" for d in machine.settings.dimensions) and change != "few series":
        assert machine.total("llm_requests_total", plan="p9") == 1
        assert machine.total("llm_requests_total", region="p9") == 0


@pytest.mark.parametrize("way", WAYS)
def test_a_family_at_its_limit_does_not_grow_at_a_restart(tmp_path: Path, way: str) -> None:
    limited = replace(SETTINGS, series=SeriesSettings(max_per_family=4))
    machine = Machine(tmp_path / "state.db", limited)
    for number in range(CALLS):
        machine.send(raw_span(chat() | {"region": f"r{number}"}))
    machine.settle()
    for _ in range(4):
        WAYS[way](machine)
        machine.checkpoint()
    assert machine.calls() == (CALLS, 15 * CALLS)


@pytest.mark.parametrize("way", WAYS)
def test_what_waits_follows_its_labels(machine: Machine, way: str) -> None:
    """Calls that wait, verdicts that wait, and a trace that is open."""
    trace = trace_id()
    span = raw_span(chat() | {"region": "east", "plan": "gold"}, trace=trace)
    machine.send(span)
    machine.checkpoint()
    WAYS[way](machine, dimensions=dimensions("plan", "region"))
    machine.settle()
    told = {"gen_ai.evaluation.name": "faithful", "gen_ai.evaluation.score.label": "fail"}
    event = "gen_ai.evaluation.result"
    machine.send(raw_log(told, event=event, trace=span.trace_id, span=span.span_id))
    machine.settle()
    machine.tick(60)
    for name, labels in {
        "llm_requests_total": {"region": "east", "plan": "gold"},
        "llm_judge_verdicts_total": {"region": "east", "plan": "gold", "verdict": "fail"},
        "llm_traces_total": {"region": "east", "plan": "gold", "outcome": "ok"},
    }.items():
        assert machine.total(name, **labels) == 1, name


@pytest.mark.parametrize("way", WAYS)
def test_a_frozen_trace_lends_under_the_new_labels(tmp_path: Path, way: str) -> None:
    """Quiet for minutes, then one more call comes within a span that carries the dimension."""
    lending = (DimensionSettings("region", ("region",), inherit=True), *dimensions("plan"))
    machine = Machine(tmp_path / "state.db", replace(SETTINGS, dimensions=lending))
    root = raw_span({"region": "east", "gen_ai.operation.name": "invoke_agent"})
    machine.send(root, raw_span(chat(), trace=root.trace_id, parent=root.span_id))
    machine.settle()
    machine.tick(120)
    machine.tick()
    WAYS[way](machine, dimensions=(*dimensions("plan"), lending[0]))
    machine.send(raw_span(chat(), trace=root.trace_id, parent=root.span_id))
    machine.settle()
    assert machine.total("llm_requests_total", region="east") == 2


def test_the_file_does_not_grow_with_series_that_go(tmp_path: Path) -> None:
    settings = replace(SETTINGS, series=SeriesSettings(idle_expiry_s=120))
    machine = Machine(tmp_path / "state.db", settings)
    sizes = []
    for number in range(20):
        for model in range(40):
            machine.send(raw_span(chat() | {"gen_ai.response.model": f"m{number}-{model}"}))
        machine.settle()
        machine.tick(200)
        machine.tick(100)
        assert machine.engine.state is not None
        sizes.append(machine.engine.state._file.number("SELECT sum(length(value)) FROM series"))
    machine.engine.close()
    live = len(machine.rows("SELECT 1 FROM series WHERE family = 'llm_requests_total'"))
    assert live <= 2 * 40 * 3
    assert max(sizes[16:]) <= 1.1 * max(sizes[:16])
