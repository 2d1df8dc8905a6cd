"""What panels should show of the fleet's history, by the truth alone.

Keys are `board / panel / column`: of a table the column's title, else the query's letter.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from llm_trace_exporter.metrics.labels_and_buckets import BUCKETS
from tests.dashboards.fleet import RANGE_S
from tests.dashboards.sums import By, Expected, mean, quantile, ratio, share, total
from tests.dashboards.truth import Call, Facts, Step, Verdict

HOURS = RANGE_S / 3_600
_SAFETY = ("injection", "jailbreak", "secret", "personal_data")
_VERSION = ("prompt_name", "prompt_version")
_PLACE = ("environment", "service")


def expected(facts: Facts) -> Mapping[str, Expected]:
    """Every panel that is compared."""
    of = _Of(facts)
    parts = (_overview, _reliability, _cost, _quality, _agents, _safety, _compare, _slos)
    return {key: value for part in parts for key, value in part(of)}


Told = Iterator[tuple[str, Expected]]


class _Of:
    """The facts as panels choose among them."""

    def __init__(self, facts: Facts) -> None:
        self.every = facts.calls
        self.calls = [call for call in facts.calls if not call.is_judging]
        self.versions = [call for call in self.calls if call.prompt_version]
        decided = [v for v in facts.verdicts if v.verdict in ("pass", "fail")]
        unsafe = [v for v in decided if not any(word in v.judge for word in _SAFETY)]
        self.by_judges = [v for v in unsafe if v.kind != "human"]
        self.by_models = [v for v in unsafe if v.kind == "llm"]
        self.people_apart = [v for v in decided if v.kind != "human"]
        self.verdicts = facts.verdicts
        self.ratings = facts.ratings
        self.guards = [v for v in facts.verdicts if v.kind == "guardrail"]
        self.tools = [step for step in facts.steps if step.kind == "tool"]
        self.retrievals = [step for step in facts.steps if step.kind == "retrieval"]


def _failed(one: Any) -> bool:
    if isinstance(one, Call):
        return bool(one.error)
    return one.verdict == "fail" if isinstance(one, Verdict) else bool(one.failed)


def _usd(call: Call) -> float:
    return call.usd or 0.0


def _tokens(call: Call) -> float:
    return sum(call.tokens or ())


def _one(_: Any) -> float:
    return 1.0


def _input(call: Call) -> float | None:
    return None if call.tokens is None else sum(call.tokens[:3])


def _output(call: Call) -> float | None:
    return None if call.tokens is None or call.operation != "chat" else call.tokens[3]


def _read(call: Call) -> float:
    return call.tokens[1] if call.tokens else 0


def _inputs(call: Call) -> float:
    return _input(call) or 0.0


def _seconds(call: Call) -> float:
    return call.seconds


def _first(call: Call) -> float | None:
    return call.first_token_s


def _spend(of: _Of, by: By) -> Expected:
    return total(of.every, by, _usd, 1 / HOURS)


def _errors(of: _Of, by: By) -> Expected:
    return share(of.calls, by, _failed)


def _first_p95(calls: list[Call], by: By) -> Expected:
    streams = [call for call in calls if not call.error]
    return quantile(0.95, streams, by, _first, BUCKETS["first_token_seconds"])


def _p95(calls: list[Call], by: By) -> Expected:
    return quantile(0.95, calls, by, _seconds)


def _overview(of: _Of) -> Told:
    board = "llm-overview / "
    for key, value in (
        ("Error ratio now / A", _errors(of, ())),
        ("Error ratio / A", _errors(of, ())),
        ("Answers within now (p95) / A", _p95(of.calls, ())),
        ("Answers within (p95) / A", _p95(of.calls, ())),
        ("Requests now / A", total(of.calls, (), _one, 1 / RANGE_S)),
        ("Spend now / A", _spend(of, ())),
        ("Spent / A", total(of.every, (), _usd)),
        ("Samples: p95 / A", total(of.calls, (), _one)),
        ("Judges: failure ratio / A", share(of.by_models, (), _failed)),
        ("Unhappy users / A", share(of.ratings, (), _failed)),
        ("Unpriced calls / A", Expected((), {(): 0.0})),
        ("Services / Requests/s", total(of.calls, ("service",), _one, 1 / RANGE_S)),
        ("Services / Errors", _errors(of, ("service",))),
        ("Services / p95", _p95(of.calls, ("service",))),
        ("Services / $/hour", _spend(of, ("service",))),
        ("Services / $/1000 requests", mean(of.calls, ("service",), lambda c: c.usd, 1000)),
        ("Services / Judges fail", share(of.by_models, ("service",), _failed)),
        ("Services / Unhappy users", share(of.ratings, ("service",), _failed)),
        ("Error ratio by service / A", _errors(of, ("service",))),
        ("Judges: failure ratio by judge / A", share(of.by_judges, ("judge",), _failed)),
        ("p95 by service / A", _p95(of.calls, ("service",))),
        ("Samples: p95 by service / Samples", total(of.calls, ("service",), _one)),
        ("Spend by service / A", _spend(of, ("service",))),
        ("Requests by service / A", total(of.calls, ("service",), _one, 1 / RANGE_S)),
    ):
        yield board + key, value


def _reliability(of: _Of) -> Told:
    board, pair = "llm-reliability / ", ("provider", "model")
    for key, value in (
        ("Error ratio now / A", _errors(of, ())),
        ("Answers within now (p95) / A", _p95(of.calls, ())),
        ("First token now (p95) / A", _first_p95(of.calls, ())),
        ("Requests now / A", total(of.calls, (), _one, 1 / RANGE_S)),
        ("Error ratio by provider / A", _errors(of, ("provider",))),
        ("Error ratio by service / A", _errors(of, ("service",))),
        ("Error ratio by model / A", _errors(of, ("model",))),
        ("Providers and models / Requests/s", total(of.calls, pair, _one, 1 / RANGE_S)),
        ("Providers and models / Errors", _errors(of, pair)),
        ("Providers and models / p50", quantile(0.5, of.calls, pair, _seconds)),
        ("Providers and models / p95", _p95(of.calls, pair)),
        ("Providers and models / First token p95", _first_p95(of.calls, pair)),
        ("Providers and models / Samples", total(of.calls, pair, _one)),
        ("How long calls take / A", quantile(0.5, of.calls, (), _seconds)),
        ("How long calls take / B", _p95(of.calls, ())),
        ("How long calls take / C", quantile(0.99, of.calls, (), _seconds)),
        ("Samples: calls / A", total(of.calls, (), _one)),
        ("p95 by model / A", _p95(of.calls, ("model",))),
        ("Samples: p95 by model / Samples", total(of.calls, ("model",), _one)),
        ("Time to first token, p95 by model / A", _first_p95(of.calls, ("model",))),
        ("Busiest services / A", total(of.calls, ("service",), _one, 1 / RANGE_S)),
    ):
        yield board + key, value


def _cost(of: _Of) -> Told:
    board, bill = "llm-cost / ", ("service", "team", "model")
    judging = ratio(of.every, (), lambda c: _usd(c) if c.is_judging else 0, _usd)
    for key, value in (
        ("Spent / A", total(of.every, (), _usd)),
        ("A month at this pace / A", total(of.every, (), _usd, 730 / HOURS)),
        ("A request / A", mean(of.calls, (), lambda c: c.usd)),
        ("A million tokens / A", ratio(of.calls, (), _usd, _tokens, 1e6)),
        ("Share of judges / A", judging),
        ("Unpriced calls / A", Expected((), {(): 0.0})),
        ("Spend by service / A", _spend(of, ("service",))),
        ("Spend by team / A", _spend(of, ("team",))),
        ("Spend by model / A", _spend(of, ("model",))),
        ("Spend by provider / A", _spend(of, ("provider",))),
        ("Most expensive features / A", total(of.every, ("service", "feature"), _usd)),
        ("Bill / Spent", total(of.every, bill, _usd)),
        ("Bill / Requests", total(of.every, bill, _one)),
        ("Bill / Tokens", total(of.every, bill, _tokens)),
        ("Dollars a request by service / A", mean(of.calls, ("service",), lambda c: c.usd)),
        ("Dollars per million tokens by model / A",
         ratio(of.calls, ("model",), _usd, _tokens, 1e6)),
        ("Tokens a request / A", mean(of.calls, ("service",), _input)),
        ("Tokens a request / B", mean(of.calls, ("service",), _output)),
        ("Input from the prompt cache / A", ratio(of.calls, ("model",), _read, _inputs)),
    ):  # fmt: skip
        yield board + key, value


def _quality(of: _Of) -> Told:
    board = "llm-quality / "
    broken = share(of.verdicts, ("judge",), lambda v: v.verdict == "error")
    for key, value in (
        ("Failure ratio / A", share(of.by_models, (), _failed)),
        ("Samples: verdicts / A", total(of.by_models, (), _one)),
        ("Broken judges / A", share(of.verdicts, (), lambda v: v.verdict == "error")),
        ("Unhappy users / A", share(of.ratings, (), _failed)),
        ("Samples: ratings / A", total(of.ratings, (), _one)),
        ("Failure ratio by judge / A", share(of.by_judges, ("judge",), _failed)),
        ("Failure ratio by service / A", share(of.by_models, ("service",), _failed)),
        ("Judges / Failure ratio", share(of.by_judges, ("judge",), _failed)),
        ("Judges / Verdicts", total(of.by_judges, ("judge",), _one)),
        ("Judges / Broken", broken),
        ("Unhappy users by service / A", share(of.ratings, ("service",), _failed)),
        ("Broken verdicts by judge / A", broken),
        ("Verdicts by judge / A", total(of.verdicts, ("judge",), _one, 1 / RANGE_S)),
    ):
        yield board + key, value


def _is_empty(step: Step) -> bool:
    return not step.found


def _agents(of: _Of) -> Told:
    board, place = "llm-agents / ", ("service", "name")
    for key, value in (
        ("Failed tool calls / A", share(of.tools, (), _failed)),
        ("Empty retrievals / A", share(of.retrievals, (), _is_empty)),
        ("Failed calls by tool / A", _named(share(of.tools, ("name",), _failed), "tool")),
        ("Tools / Calls", _named(total(of.tools, place, _one), "tool")),
        ("Tools / Failed", _named(share(of.tools, place, _failed), "tool")),
        ("Empty retrievals by name / A", share(of.retrievals, place, _is_empty)),
        ("Documents a retrieval / A", mean(of.retrievals, place, lambda s: s.found)),
    ):
        yield board + key, value


def _named(told: Expected, label: str) -> Expected:
    return Expected((*told.by[:-1], label), told.values)


def _safety(of: _Of) -> Told:
    board = "llm-safety / "
    guards = share(of.guards, ("judge",), _failed)
    for key, value in (
        ("Blocked / A", share(of.guards, (), _failed)),
        ("Guardrail checks / A", total(of.guards, (), _one)),
        ("Blocked by guardrail / A", _named(guards, "guardrail")),
        ("Blocked by service / A", share(of.guards, ("service",), _failed)),
        ("Checks / Checks", _named(total(of.guards, ("service", "judge"), _one), "guardrail")),
        ("Spend by feature / A", _spend(of, ("service", "feature"))),
        ("Input tokens a request / A", mean(of.calls, ("service",), _input)),
    ):
        yield board + key, value


def _compare(of: _Of) -> Told:
    board = "llm-compare / "
    for table, what, calls, by in (
        ("Prompt versions side by side", "prompt version", of.versions, _VERSION),
        ("Models side by side", "model", of.calls, ("model",)),
    ):
        everything = len(calls)
        for key, value in (
            (f"{table} / Requests", total(calls, by, _one)),
            (f"{table} / Errors", share(calls, by, _failed)),
            (f"{table} / p50", quantile(0.5, calls, by, _seconds)),
            (f"{table} / p95", _p95(calls, by)),
            (f"{table} / First token p95", _first_p95(calls, by)),
            (f"{table} / $/1000 requests", mean(calls, by, lambda c: c.usd, 1000)),
            (f"Errors, by {what} / A", share(calls, by, _failed)),
            (f"p95, by {what} / A", _p95(calls, by)),
            (f"Samples: p95 by {what} / Samples", total(calls, by, _one)),
            (f"Dollars per 1000 requests, by {what} / A", mean(calls, by, lambda c: c.usd, 1000)),
            (f"Output tokens a request, by {what} / A", mean(calls, by, _output)),
            (f"Share of traffic, by {what} / A", total(calls, by, _one, 1 / everything)),
        ):
            yield board + key, value


ERROR_TARGETS = {
    ("staging", "checkout-assistant"): 0.5, ("production", "checkout-assistant"): 0.01,
}  # fmt: skip
"""Of fleet.yml; others by the environment."""
ERRORS_IN = {"production": 0.02, "staging": 0.4}


def _slos(of: _Of) -> Told:
    errors = {
        key: value / ERROR_TARGETS.get((key[0], key[1]), ERRORS_IN[key[0]])
        for key, value in _errors(of, _PLACE).values.items()
    }
    usd = {key: v / 0.02 for key, v in mean(of.calls, _PLACE, lambda c: c.usd).values.items()}
    # Targets that are not configured are the exporter's defaults (objectives/slos.py).
    judges = each_over(share(of.by_models, _PLACE, _failed), 0.1)
    board, table = "llm-slos / ", "Value as a multiple of its target / "
    for key, value in (
        (f"{table}Errors", Expected(_PLACE, errors)),
        (f"{table}$ a request", Expected(_PLACE, usd)),
        (f"{table}p95", each_over(_p95(of.calls, _PLACE), 30)),
        (f"{table}First token", each_over(_first_p95(of.calls, _PLACE), 5)),
        (f"{table}Judges fail", judges),
        (f"{table}Unhappy users", each_over(share(of.ratings, _PLACE, _failed), 0.3)),
        (f"{table}Tools fail", each_over(share(of.tools, _PLACE, _failed), 0.2)),
        (f"{table}Empty retrievals", each_over(share(of.retrievals, _PLACE, _is_empty), 0.3)),
        (f"{table}Blocked", each_over(share(of.guards, _PLACE, _failed), 0.2)),
        (
            "Quality allowance left / A",
            Expected(_PLACE, {k: 1 - v for k, v in judges.values.items()}),
        ),
        ("Error allowance left / A", Expected(_PLACE, {k: 1 - v for k, v in errors.items()})),
    ):
        yield board + key, value


def each_over(told: Expected, target: float) -> Expected:
    return Expected(told.by, {key: value / target for key, value in told.values.items()})
