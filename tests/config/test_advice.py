"""What is valid and most likely not meant."""

from __future__ import annotations

from pathlib import Path

import pytest

from llm_trace_exporter.config import advice, load_config, state_advice

BUDGET = "budgets: [{name: all, limit_usd: 5, period: daily}]\n"
RULES = "judge:\n  rules: [{name: polite, question: Polite}]\n"
ENDPOINT = "  endpoint: {url: 'http://m', model: m, api_key_file: key}\n"


@pytest.mark.parametrize(
    ("text", "keys"),
    [
        ("", []),
        (BUDGET, ["budgets"]),
        (BUDGET + "state: {path: state.db}\n", []),
        (RULES, ["judge"]),
        (RULES + ENDPOINT, ["judge.endpoint.api_key_file"]),
        (RULES + ENDPOINT.replace(", api_key_file: key", ""), []),
    ],
)
def test_what_does_nothing_is_told(tmp_path: Path, text: str, keys: list[str]) -> None:
    file = tmp_path / "config.yml"
    file.write_text(text)
    assert [line.partition(": ")[0] for line in advice(load_config(file))] == keys


def test_a_key_that_is_there_is_not_told(tmp_path: Path) -> None:
    file = tmp_path / "config.yml"
    file.write_text(RULES + ENDPOINT)
    (tmp_path / "key").write_text("k")
    assert [*advice(load_config(file))] == []


def test_a_state_folder_that_is_not_there_is_told(tmp_path: Path) -> None:
    file = tmp_path / "config.yml"
    file.write_text(f"state: {{path: {tmp_path}/stat/state.db}}\n")
    (line,) = state_advice(load_config(file))
    assert f"{tmp_path}/stat " in line
    (tmp_path / "stat").mkdir()
    assert [*state_advice(load_config(file))] == []
    assert [*state_advice(load_config(None))] == []
