"""Rules for native histograms tell what those for classic ones do, on a Prometheus with both."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import promql_parser as ql
import pytest

from helm import native
from tests.doctor.worlds import address, job
from tests.e2e.process import run, running, wait_for
from tests.e2e.prometheus import Prometheus, started
from tests.e2e.sdk import send_by_python
from tests.e2e.wire import call
from tests.real.servers import PROMETHEUS_3, program

pytestmark = pytest.mark.real

KEPT = {"convert_classic_histograms_to_nhcb": True, "always_scrape_classic_histograms": True}
TOLERANCE = 0.01
CHANGES: dict[str, str] = json.loads(native.CARRIED.read_text())
RECORDED = {name: own for name, own in CHANGES.items() if re.fullmatch(r"[\w:]+", name)}
QUERIES = {classic: own for classic, own in CHANGES.items() if classic not in RECORDED}
_CHOOSING = {"and", "or", "unless", ">", "<", ">=", "<=", "==", "!="}
_OFFSET = re.compile(r" offset \w+")
TROUBLES = ("retrieval-empty", "guardrail-down")
BEYOND_S = 4_000
"""Longer than the largest bucket."""


def numbers(classic: Any, own: Any) -> Iterator[tuple[str, str]]:
    """What both queries compute, without what they choose of it; of whole histograms a quantile."""
    if isinstance(classic, ql.ParenExpr):
        yield from numbers(classic.expr, own.expr)
    elif isinstance(classic, ql.BinaryExpr) and str(classic.op) in _CHOOSING:
        assert str(own.op) == str(classic.op)
        yield from numbers(classic.lhs, own.lhs)
        yield from numbers(classic.rhs, own.rhs)
    elif classic.prettify() != own.prettify():
        form = "histogram_quantile(0.95, {})" if "le" in _by(classic) else "{}"
        yield form.format(classic.prettify()), form.format(own.prettify())


def _by(node: Any) -> list[str]:
    """Labels that an aggregation keeps."""
    return [*node.modifier.labels] if isinstance(node, ql.AggregateExpr) and node.modifier else []


PAIRS = sorted(
    {
        (_OFFSET.sub("", before), _OFFSET.sub("", after))
        for classic, own in QUERIES.items()
        for before, after in (
            [(classic, own)] if " or histogram_count" in own
            else numbers(ql.parse(classic), ql.parse(own))
        )
    }
)  # fmt: skip
"""Nothing has happened yesterday: offsets are left out."""


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    server, folder = program(PROMETHEUS_3), tmp_path_factory.mktemp("native")
    config = {"traces": {"idle_timeout": "1s"}, "state": {"path": str(folder / "state.db")}}
    flags = ("--decision-wait=0s", "--zero-hold=2s")
    with running(folder / "exporter", *flags, config=config) as exporter:
        settings = {
            "global": {"scrape_interval": "1s", "scrape_timeout": "1s"},
            "scrape_configs": [job("llm", address(exporter), **KEPT)],
        }
        with started(settings, folder / "data", folder / "p", program=server) as prometheus:
            to = f"--endpoint={exporter.http}"
            exporter.post(b"no OTLP")
            load = ("--rate=40", "--duration=20s", "--seed=1", "--profile=steady")
            run("simulate", to, *load, *(f"--incident={name}" for name in TROUBLES))
            send_by_python(exporter, "http", "slow", [call((1200, 300), seconds=BEYOND_S)])
            exporter.post(b"no OTLP")
            sent = exporter.metrics().total("llm_exporter_spans_received_total")
            seen = "sum(llm_exporter_spans_received_total)"
            wait_for(lambda: prometheus.values(seen) == [sent], "a scrape of the last call")
            done = "changes(llm_exporter_spans_received_total[5s])"
            wait_for(lambda: not any(prometheus.values(done)), "the end of the traffic")
            yield prometheus


Numbers = dict[tuple[tuple[str, str], ...], float]


def told(prometheus: Prometheus, query: str, at: float) -> Numbers:
    """Labels to numbers."""
    found = prometheus.api("query", query=query, time=at)["result"]
    return {
        tuple(sorted(row["metric"].items())): float(row["value"][1])
        for row in found
        if "value" in row and not math.isnan(float(row["value"][1]))
    }


def test_both_forms_tell_the_same_numbers(both: Prometheus) -> None:
    now, _ = both.api("query", query="time()")["result"]
    nothing = []
    for classic, own in PAIRS:
        wanted, found = told(both, classic, now), told(both, own, now)
        if not any(wanted.values()):
            nothing.append(own)
        assert found.keys() == wanted.keys(), (classic, own)
        for labels, value in wanted.items():
            same = math.isclose(found[labels], value, rel_tol=TOLERANCE, abs_tol=1e-9)
            assert same, (own, labels, found[labels], value)
    # Today without its offset is compared with today.
    assert len(PAIRS) > 50
    assert all("llm_retrieval_top_score" in own for own in nothing), nothing


def test_all_rules_load_and_are_healthy(tmp_path: Path) -> None:
    files = [str(path) for path in native.wanted() if path.parent == native.FOLDER]
    settings = {"global": {"evaluation_interval": "1s"}, "rule_files": files}
    with started(settings, tmp_path / "data", tmp_path / "p", program=program(PROMETHEUS_3)) as own:
        rules = [rule for group in own.api("rules")["groups"] for rule in group["rules"]]
        assert len(rules) > 150
        assert [rule["lastError"] for rule in rules if rule["health"] == "err"] == []
