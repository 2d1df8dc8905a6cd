"""docs/pricing.md: its command, its contracts and its names do what it says."""

from __future__ import annotations

import re
import shlex
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, get_args

import pytest

from llm_trace_exporter.cli import main as cli
from llm_trace_exporter.config import load_config
from llm_trace_exporter.engine.wiring import pricing_policy
from llm_trace_exporter.pricing import Pricing
from llm_trace_exporter.pricing.regions import REGIONAL_PRICES
from llm_trace_exporter.settled import Assumption, UnpricedReason

DOCS = Path(__file__).parents[2] / "docs" / "pricing.md"
TEXT = DOCS.read_text()


def block(language: str) -> str:
    found = re.search(rf"```{language}\n(.*?)```", TEXT, re.DOTALL)
    assert found
    return found[1]


def without_date_of_list(text: str) -> list[str]:
    return [line for line in text.strip().splitlines() if not line.startswith("list as of")]


def test_the_command_prints_what_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    command, _, shown = block("console").partition("\n")
    arguments = shlex.split(command.removeprefix("$ llm-trace-exporter "))
    assert cli.main(arguments) == 0
    assert without_date_of_list(capsys.readouterr().out) == without_date_of_list(shown)


def test_the_contracts_are_a_configuration(tmp_path: Path, make_call: Any) -> None:
    path = tmp_path / "config.yml"
    path.write_text(block("yaml"))
    pricing = Pricing(pricing_policy(load_config(path)))
    june = datetime(2026, 6, 1, tzinfo=UTC)
    assert pricing.price(make_call("azure", at=june)).cost_usd == pytest.approx(0.0032)
    batch = make_call("azure", at=june, service_tier="batch")
    assert pricing.price(batch).cost_usd == pytest.approx(0.0018)
    rerank = make_call("cohere", "rerank-v3.5", None, operation="rerank")
    assert pricing.price(rerank).cost_usd == 0.002


def test_the_names_are_labels(pricing: Pricing, make_call: Any) -> None:
    rows = re.findall(r"^\| (`.*`) \| `([^`]+)` \|$", TEXT, re.MULTILINE)
    assert len(rows) > 5
    for written, label in rows:
        for name in re.findall(r"`([^`]+)`", written):
            assert pricing.price(make_call("", name)).model == label


@pytest.mark.parametrize("word", [*get_args(UnpricedReason), *get_args(Assumption)])
def test_every_reason_and_assumption_is_explained(word: str) -> None:
    assert f"| `{word}` |" in TEXT


def test_every_uplift_is_in_the_table() -> None:
    rows = re.findall(r"^\| `([\w.]+)` \|.*\| ([\d.]+) \| (assumed|plain) \|", TEXT, re.MULTILINE)
    assert rows == [
        (known.provider, f"{known.factor:g}", "plain" if known.is_opt_in else "assumed")
        for known in REGIONAL_PRICES
    ]
