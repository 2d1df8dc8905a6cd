"""Quiet weeks: what applications, and the exporter, do when nothing is wrong.

Counters are drawn, each call a chance of its own, and scraped every five minutes. What looks at
less than a quarter of an hour (outages, short windows of LLMErrorBudgetBurn) sees hardly any of it:
promtool's scenes and tests/e2e are about those.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from random import Random
from zoneinfo import ZoneInfo

from llm_trace_exporter.model import LlmCall, Origin
from llm_trace_exporter.objectives import Budget, Budgets
from llm_trace_exporter.objectives.slos import DEFAULTS
from llm_trace_exporter.settled import CostLine, PricedCall

ZONE = "Europe/Berlin"
START = datetime(2025, 9, 29, tzinfo=ZoneInfo(ZONE))
"""A Monday. The clocks go back on the last day of the fourth week; two months end."""
STEP_S = 300
WEEK = 7 * 86_400 // STEP_S
DAY = WEEK // 7
HOLIDAYS = (date(2025, 10, 31),)
"""A Friday on which every office is closed."""
_RESTARTED, _SECOND_REPLICA = 2 * DAY // 5, 5 * WEEK
"""Steps: of a Monday's deployment (09:36), which restarts the exporter; from when there are two."""


def local(step: int) -> datetime:
    return datetime.fromtimestamp(START.timestamp() + step * STEP_S, ZoneInfo(ZONE))


Load = Callable[[datetime, int], float]
"""Calls a minute at a local time and step."""


def office(busy: float, idle: float) -> Load:
    def load(at: datetime, _: int) -> float:
        hour = at.hour + at.minute / 60
        day = max(0.0, math.sin(math.pi * (hour - 7) / 12)) if 7 <= hour < 19 else 0.0
        return idle + busy * day * (at.weekday() < 5 and at.date() not in HOLIDAYS)

    return load


def round_the_clock(at: datetime, _: int) -> float:
    return 6 + 4 * math.sin(2 * math.pi * (at.hour + at.minute / 60 - 14) / 24)


def nightly(at: datetime, _: int) -> float:
    late = Random(at.toordinal()).random() * 0.4
    # A scheduler does not start again in the hour that comes twice.
    return 40.0 if not at.fold and 2 + late <= at.hour + at.minute / 60 < 3.5 + late else 0.0


def weekly(at: datetime, _: int) -> float:
    return 30.0 if at.weekday() == 0 and 3 <= at.hour < 5 else 0.0


def three_a_day(at: datetime, _: int) -> float:
    return 0.2 if at.hour in (9, 13, 17) and at.minute < 5 else 0.0


def on_holiday(at: datetime, step: int) -> float:
    return 0.0 if step // WEEK == 2 else office(1.2, 0.0)(at, step)


def newcomer(_: datetime, step: int) -> float:
    return 6.0 if step >= 3 * WEEK + 2 * DAY + 130 else -1.0


@dataclass(frozen=True, slots=True)
class Service:
    """One application. A load below 0: it does not exist yet."""

    name: str
    load: Load
    usd: float
    """What a call costs."""


SERVICES = (
    Service("support", office(20, 0.4), 0.01),
    Service("docs-search", round_the_clock, 0.004),
    Service("digest", nightly, 0.02),
    Service("report", weekly, 0.05),
    Service("rare", three_a_day, 0.9),
    Service("agent", office(4, 0.05), 0.06),
    Service("shop", on_holiday, 0.08),
    Service("newcomer", newcomer, 0.02),
)

SHARES: Mapping[str, float] = {
    'llm_requests_total{outcome="ok"}': 0.988,
    'llm_requests_total{outcome="error",error_type="rate_limited"}': 0.005,
    'llm_requests_total{outcome="error",error_type="timeout"}': 0.004,
    'llm_requests_total{outcome="error",error_type="server_error"}': 0.003,
    'llm_finish_reasons_total{reason="stop"}': 0.92,
    'llm_finish_reasons_total{reason="length"}': 0.05,
    'llm_finish_reasons_total{reason="content_filter"}': 0.02,
    'llm_traces_total{root="ask",outcome="ok"}': 0.47,
    'llm_traces_total{root="ask",outcome="error"}': 0.02,
    'llm_judge_verdicts_total{judge="faithful",kind="llm",verdict="pass"}': 0.285,
    'llm_judge_verdicts_total{judge="faithful",kind="llm",verdict="fail"}': 0.015,
    'llm_judge_verdicts_total{judge="faithful",kind="llm",verdict="error"}': 0.01,
    'llm_feedback_total{rating="positive"}': 0.08,
    'llm_feedback_total{rating="negative"}': 0.02,
    'llm_tool_calls_total{tool="search",outcome="ok"}': 0.36,
    'llm_tool_calls_total{tool="search",outcome="error",error_type="other"}': 0.04,
    'llm_guardrail_checks_total{guardrail="topic",action="allow"}': 0.9,
    'llm_guardrail_checks_total{guardrail="topic",action="block"}': 0.08,
    'llm_retrieved_documents_bucket{name="docs",le="0.0"}': 0.05,
    'llm_retrieved_documents_bucket{name="docs",le="+Inf"}': 0.5,
    'llm_tokens_total{type="input"}': 600.0,
    'llm_tokens_total{type="cache_read"}': 400.0,
    'llm_request_duration_seconds_bucket{le="1.0"}': 0.4,
    'llm_request_duration_seconds_bucket{le="4.0"}': 0.8,
    'llm_request_duration_seconds_bucket{le="16.0"}': 0.97,
    'llm_request_duration_seconds_bucket{le="64.0"}': 1.0,
    'llm_request_duration_seconds_bucket{le="+Inf"}': 1.0,
    "llm_request_duration_seconds_count{}": 1.0,
}
"""Series -> how much of it a call makes. Judges fail as often as was promised."""
_WHOLE = {name for name in SHARES if "duration" in name or "retrieved" in name or "tokens" in name}
"""In proportion to the calls, as parts of one histogram may not contradict each other."""

_SHOWN = """latency_p95_seconds judge_failure_ratio judge_error_ratio tool_failure_ratio
negative_feedback_ratio refusal_ratio guardrail_block_ratio truncated_ratio retrieval_empty_ratio
unpriced_ratio trace_error_ratio"""
TARGETS: Mapping[str, float] = {
    "error_ratio": 0.02, **{slo: DEFAULTS[slo] for slo in _SHOWN.split()},
}  # fmt: skip

BUDGETS = (
    Budget("support-daily", 190.0, "daily", ZONE, (("service", "support"),)),
    Budget("digest-daily", 110.0, "daily", ZONE, (("service", "digest"),)),
    Budget("report-weekly", 280.0, "weekly", ZONE, (("service", "report"),)),
    Budget("all-weekly", 5_600.0, "weekly", ZONE),
    Budget("all-monthly", 23_000.0, "monthly", ZONE),
)
"""A quarter or more above what is spent."""


def drawn(random: Random, mean: float) -> int:
    """A Poisson variable."""
    if mean > 30:
        return max(0, round(random.gauss(mean, math.sqrt(mean))))
    limit, product, count = math.exp(-mean), random.random(), 0
    while product > limit:
        product, count = product * random.random(), count + 1
    return count


@dataclass(slots=True)
class Series:
    """One series: cumulative values, None where it is not there."""

    values: list[str] = field(default_factory=list)
    total: float = 0.0

    def add(self, amount: float) -> None:
        self.total += amount
        self.values.append(f"{self.total:.10g}")

    def show(self, value: float | None) -> None:
        self.values.append("_" if value is None else f"{value:.10g}")


class Weeks:
    """Everything that one Prometheus sees in some weeks."""

    def __init__(self, weeks: int, seed: int) -> None:
        """Draw them."""
        self.series: dict[str, Series] = {}
        self._random = Random(seed)
        self._budgets = {name: Budgets(BUDGETS) for name in ("a", "b")}
        for step in range(weeks * WEEK):
            self._step(step)

    def _step(self, step: int) -> None:
        at = local(step)
        for instance in ("a", "b"):
            if instance == "b" and step < _SECOND_REPLICA:
                continue
            share = 0.5 if step >= _SECOND_REPLICA else 1.0
            spans = 0
            for service in SERVICES:
                load = service.load(at, step)
                if load >= 0:
                    calls = drawn(self._random, load * share * STEP_S / 60)
                    self._service(service, instance, calls, step)
                    spans += 3 * calls
            self._exporter(instance, spans, step)

    def _at(self, name: str, step: int) -> Series:
        found = self.series.get(name)
        if found is None:
            found = self.series[name] = Series(["_"] * step)
        found.values.extend(["_"] * (step - len(found.values)))
        return found

    def _service(self, service: Service, instance: str, calls: int, step: int) -> None:
        place = (
            f'environment="production",service="{service.name}",team="{service.name}-team",'
            f'feature="main",provider="openai",model="gpt-4o",instance="{instance}"'
        )
        version = f',prompt_version="{step // WEEK}"' if service.name == "support" else ""
        for shown, share in SHARES.items():
            name, _, labels = shown.partition("{")
            own = version if name == "llm_requests_total" else ""
            series = self._at(f"{name}{{{place}{own},{labels}", step)
            if version and own and not series.total:
                series.add(0)
                continue
            whole = shown in _WHOLE or calls == 0
            series.add(calls * share if whole else drawn(self._random, calls * share))
        usd = calls * service.usd * self._random.uniform(0.9, 1.1)
        self._at(f'llm_cost_usd_total{{{place},type="input"}}', step).add(usd)
        self._at(f"llm_request_cost_usd_sum{{{place}}}", step).add(usd)
        self._at(f"llm_request_cost_usd_count{{{place}}}", step).add(calls)
        if usd:
            self._budgets[instance].spend(_paid(service.name, usd), self._unix(step))

    @staticmethod
    def _unix(step: int) -> float:
        return START.timestamp() + step * STEP_S

    def _exporter(self, instance: str, spans: int, step: int) -> None:
        of = f'instance="{instance}",job="llm"'
        born = step - _RESTARTED - (step - _RESTARTED) % WEEK + _RESTARTED
        received = self._at(f'llm_exporter_spans_received_total{{{of},dialect="otel"}}', step)
        if step == born:
            received.total = 0
            received.show(None)
        else:
            received.add(spans)
        self._at(f"process_start_time_seconds{{{of}}}", step).show(max(0, born) * STEP_S)
        self._at(f"up{{{of}}}", step).show(float(step != born))
        self._at(f'llm_exporter_build_info{{{of},version="1"}}', step).show(1)
        self._at(f"llm_exporter_state_writable{{{of}}}", step).show(1)
        for slo, target in TARGETS.items():
            self._at(f'llm_slo_target{{{of},slo="{slo}"}}', step).show(target)
        baseline = f'llm_judge_baseline_failure_ratio{{{of},judge="faithful"}}'
        self._at(baseline, step).show(0.05)
        for figures in self._budgets[instance].figures(self._unix(step)):
            labels = f'budget="{figures.budget.name}",period="{figures.budget.period}"'
            for measure, value in figures.by_measure.items():
                self._at(f"llm_budget_{measure}{{{of},{labels}}}", step).show(value)

    def told(self) -> Iterator[dict[str, str]]:
        """As promtool takes them."""
        for name, series in self.series.items():
            yield {"series": name, "values": " ".join(series.values)}


def _paid(service: str, usd: float) -> PricedCall:
    origin = Origin(b"t" * 16, b"s" * 8, b"", "span", "semconv", "test", service, "production", ())
    return PricedCall(
        LlmCall(origin, 0, 1, "chat"), "openai", "gpt-4o", (CostLine("input", "list", usd),)
    )
