"""Panels show what happened: three replicas, one of which starts anew, against the truth."""

from __future__ import annotations

import math
import re
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import pytest

from tests.dashboards import fleet
from tests.dashboards.expected import expected
from tests.dashboards.history import record
from tests.dashboards.sums import Expected
from tests.dashboards.truth import Facts, facts
from tests.dashboards.written import DASHBOARDS, panels, substituted
from tests.e2e.prometheus import Prometheus, holding
from tests.facts import Samples

pytestmark = pytest.mark.long

TOLERANCE = 0.01
_WINDOW = re.compile(r"\[(10m|15m|30m)\]")
_ALL = f"{fleet.RANGE_S}s"


@dataclass(frozen=True, slots=True)
class Fleet:
    """A Prometheus that has scraped it, and what happened."""

    prometheus: Prometheus
    facts: Facts
    forecasts: Mapping[str, float]
    """By budget, over all replicas."""
    limits: Mapping[str, float]
    spent: Mapping[str, float]
    """By budget: what the replicas can know, as one forgot."""


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    if shutil.which("promtool") is None:
        pytest.skip("promtool is not on PATH (`apt-get install prometheus`; `make test` does that)")
    folder = tmp_path_factory.mktemp("fleet")
    sent = fleet.traffic()
    blocks, engines = fleet.write_blocks(folder, sent)
    pages = [Samples(engine.exposition.render().body.decode()) for engine in engines]
    for engine in engines:
        engine.close()
    record(blocks, folder, fleet.START_S, fleet.END_S)
    known = facts(
        one for one in sent
        if fleet.replica_of(one) < fleet.REPLICAS - 1 or one.at_s >= fleet.RESTART_S
    ).calls  # fmt: skip
    with holding(blocks, folder / "prometheus") as prometheus:
        yield Fleet(
            prometheus,
            facts(sent),
            _forecasts(pages),
            {"everything": 400.0, "support": 3.0},
            {
                "everything": sum(call.usd or 0 for call in known),
                "support": sum(call.usd or 0 for call in known if call.team == "support"),
            },
        )


def _forecasts(pages: list[Samples]) -> dict[str, float]:
    """Summed over replicas; one that has not seen a week adds what it counted."""
    spent = [page.by("llm_budget_spent_usd", "budget") for page in pages]
    told = [{**spent[at], **page.by("llm_budget_forecast_usd", "budget")}
            for at, page in enumerate(pages)]  # fmt: skip
    return {budget: sum(page[budget] for page in told) for budget in told[0]}


def queries() -> Iterator[tuple[str, str]]:
    """(board / panel / column, expression) of all panels, over all of the history."""
    for uid, dashboard in DASHBOARDS.items():
        for panel in panels(dashboard):
            for target in panel["targets"]:
                column = _column(panel, target["refId"])
                asked = substituted(target["expr"], {"__rate_interval": _ALL, "__range": _ALL})
                yield f"{uid} / {panel['title']} / {column}", _WINDOW.sub(f"[{_ALL}]", asked)


def _column(panel: Mapping[str, object], ref: str) -> str:
    if panel["type"] != "table":
        return ref
    transformations = panel["transformations"]
    assert isinstance(transformations, list)
    titles: dict[str, str] = transformations[-1]["options"]["renameByName"]
    return titles.get(f"Value #{ref}") or titles["Value"]


QUERIES = dict(queries())


def shown(seen: Fleet, key: str, by: tuple[str, ...]) -> dict[tuple[str, ...], float]:
    """What a panel draws: numbers by labels."""
    asked = {"query": QUERIES[key], "time": fleet.END_S}
    found = {
        tuple(row["metric"].get(label, "") for label in by): float(row["value"][1])
        for row in seen.prometheus.api("query", **asked)["result"]
    }
    return {labels: value for labels, value in found.items() if not math.isnan(value)}


def wrong(key: str, told: Expected, found: Mapping[tuple[str, ...], float]) -> list[str]:
    """Where what is shown is not what happened."""
    differing = {
        labels: (value, found.get(labels))
        for labels, value in told.values.items()
        # Of what is 0 there need not be a series.
        if not math.isclose(
            found.get(labels, 0.0 if value == 0 else math.inf),
            value,
            rel_tol=TOLERANCE,
            abs_tol=1e-9,
        )
    }
    more = {labels: v for labels, v in found.items() if labels not in told.values and v}
    return [f"{key}: {differing} {more}"] if differing or more else []


def test_panels_show_what_happened(seen: Fleet) -> None:
    every = expected(seen.facts)
    assert len(every) > MOST_OF
    assert not every.keys() - QUERIES.keys()
    found = [
        line for key, told in every.items() for line in wrong(key, told, shown(seen, key, told.by))
    ]
    assert not found, "\n".join(found)


MOST_OF = 100
"""Queries that are compared."""


def test_what_happened_has_something_of_everything(seen: Fleet) -> None:
    """Ratios of nothing would be equal whatever the query."""
    told = expected(seen.facts)
    zero = [key for key, one in told.items() if not any(one.values.values())]
    assert set(zero) == {"llm-overview / Unpriced calls / A", "llm-cost / Unpriced calls / A"}


def test_budgets_are_those_of_all_replicas(seen: Fleet) -> None:
    by = ("budget", "period")
    periods = {"everything": "monthly", "support": "daily"}

    def told(values: Mapping[str, float]) -> Expected:
        return Expected(by, {(name, periods[name]): value for name, value in values.items()})

    spent = {name: value / seen.limits[name] for name, value in seen.spent.items()}
    forecast = {name: value / seen.limits[name] for name, value in seen.forecasts.items()}
    for key, one in (
        ("llm-cost / Budgets / Limit", told(seen.limits)),
        ("llm-cost / Budgets / Spent", told(seen.spent)),
        ("llm-cost / Budgets / Forecast", told(seen.forecasts)),
        ("llm-cost / Spent of the budget / A", told(spent)),
        ("llm-cost / Forecast of the budget / A", told(forecast)),
        ("llm-cost / Spent of the limit over time / A", told(spent)),
        ("llm-cost / Forecast of the limit over time / A", told(forecast)),
    ):
        assert not wrong(key, one, shown(seen, key, by))
    worst = shown(seen, "llm-overview / Worst budget / A", ())
    assert not wrong("worst", Expected((), {(): max(forecast.values())}), worst)


def test_promises_broken_are_counted_over_the_whole_table(seen: Fleet) -> None:
    table = [key for key in QUERIES if key.startswith("llm-slos / Value as a multiple")]
    by = ("environment", "service")
    above = sum(value > 1 for key in table for value in shown(seen, key, by).values())
    assert above > 2
    assert shown(seen, "llm-slos / Promises broken / A", ()) == {(): above}
