"""One incident, one page: sixty services feel it, and somebody is woken once."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.e2e.incidents import needs_servers, to_blocks, watching

pytestmark = [needs_servers, pytest.mark.long, pytest.mark.alone]

SERVICES = 60
_STEP_S, _HISTORY_S, _TROUBLE_S = 30, 5_400, 3_000
_WAIT_S = 40


@dataclass(frozen=True, slots=True)
class Asked:
    """What a service asks for, and how its calls fail in the trouble; "" where they do not."""

    provider: str
    model: str
    error_type: str = ""


def provider(number: int) -> Asked:
    return Asked("openai", f"gpt-{number % 3}", "server_error")


def model(number: int) -> Asked:
    """Half of them ask for the one that is down."""
    return Asked("openai", "gpt-1", "server_error") if number % 2 else Asked("openai", "gpt-2")


def region(number: int) -> Asked:
    """Services of one region fail, of which no label tells."""
    return Asked("openai", f"gpt-{number % 3}", "connection" if number % 5 < 2 else "")


def key(number: int) -> Asked:
    return Asked("openai", f"gpt-{number % 3}", "auth")


INCIDENTS = {"provider": provider, "model": model, "region": region, "key": key}
WAKES = {
    "provider": "LLMProviderErrorsHigh critical",
    "model": "LLMModelErrorsHigh critical",
    "region": "LLMTotalOutage critical",
    "key": "LLMAuthenticationFailing critical",
    "disk": "LLMExporterStateNotWritable critical",
}

Growth = tuple[float, float]
"""Of a counter in a step: before the trouble, in it."""


def counters() -> Iterator[tuple[str, str, Growth]]:
    """(family, labels, growth) of all environments."""
    for environment, asked in INCIDENTS.items():
        for number in range(SERVICES):
            call = asked(number)
            place = (
                f'environment="{environment}",service="app-{number}",provider="{call.provider}",'
                f'model="{call.model}",operation="chat",instance="other"'
            )
            fails = bool(call.error_type)
            error = f'outcome="error",error_type="{call.error_type or "server_error"}"'
            yield "llm_requests", f'{place},outcome="ok"', (10, 0 if fails else 10)
            yield "llm_requests", f"{place},{error}", (0, 10 if fails else 0)
    own = 'instance="disk"'
    yield "llm_exporter_spans_received", f'{own},source="otlp_http",dialect="otel"', (60, 0)
    yield "llm_exporter_state_errors", f'{own},reason="commit"', (0, 5)
    yield "llm_exporter_background_failures", f'{own},task="expire"', (0, 2)


GAUGES: Mapping[str, tuple[str, Growth]] = {
    "llm_exporter_state_writable": ('instance="disk"', (1, 0)),
    "llm_exporter_build_info": ('instance="disk",version="1"', (1, 1)),
    "llm_slo_target": ('instance="disk",slo="error_ratio"', (0.05, 0.05)),
}


def write(path: Path, end_s: int) -> None:
    """As OpenMetrics: all is well, then the trouble until the end."""
    times = range(end_s - _HISTORY_S, end_s + 1, _STEP_S)
    families: dict[str, list[str]] = {}
    for family, labels, growth in counters():
        value = 0.0
        for at_s in times:
            value += growth[at_s > end_s - _TROUBLE_S]
            families.setdefault(family, []).append(f"{family}_total{{{labels}}} {value} {at_s}\n")
    with path.open("w") as file:
        for family, lines in families.items():
            file.write(f"# TYPE {family} counter\n")
            file.writelines(lines)
        for family, (labels, values) in GAUGES.items():
            file.write(f"# TYPE {family} gauge\n")
            file.writelines(
                f"{family}{{{labels}}} {values[at_s > end_s - _TROUBLE_S]} {at_s}\n"
                for at_s in times
            )
        file.write("# EOF\n")


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Mapping[str, set[str]]]:
    """What wakes somebody in each of the incidents: notification -> alerts."""
    folder = tmp_path_factory.mktemp("pages")
    blocks = folder / "blocks"
    blocks.mkdir()
    write(folder / "sixty.om", int(time.time()))
    to_blocks(folder / "sixty.om", blocks)
    with watching(blocks, folder / "run", _WAIT_S) as watch:
        fires = watch.firing()
        assert {*WAKES.values(), "LLMErrorBudgetBurn critical"} <= fires
        return {name: watch.heard.pages(name) for name in WAKES}


@pytest.mark.parametrize("name", WAKES)
def test_one_page(pages: Mapping[str, Mapping[str, set[str]]], name: str) -> None:
    assert [*pages[name].values()] == [{WAKES[name]}]
