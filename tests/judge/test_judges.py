"""The judge at work, against a server of its own: what it asks, tells, counts and leaves."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

import pytest
from msgspec.structs import replace

from llm_trace_exporter.content.record import CallContent
from llm_trace_exporter.judge import runner as module
from llm_trace_exporter.judge.client import Endpoint
from llm_trace_exporter.judge.limits import DailyBudget
from llm_trace_exporter.judge.prompt import OPENING
from llm_trace_exporter.judge.question import DIALECT
from llm_trace_exporter.judge.rules import Rule, Sample, parse_matcher
from llm_trace_exporter.judge.runner import JudgeOptions, JudgeRunner
from llm_trace_exporter.model import LlmCall, Origin, Verdict
from llm_trace_exporter.settled import PricedCall
from tests.judge.endpoint import Reply, Server, serving

POLITE = Rule("polite", "Is the answer polite?", ("answer",))
SAID = CallContent("hi", "canary-7f3a")
TRUE, FALSE = Reply('{"verdict": true}'), Reply('{"verdict": false}')


def call(number: int = 1, **labels: Any) -> PricedCall:
    origin = Origin(
        trace_id=number.to_bytes(16, "big"),
        span_id=number.to_bytes(8, "big"),
        parent_span_id=b"",
        signal="span",
        dialect="semconv",
        scope="",
        service=labels.get("service", "shop"),
        environment="prod",
        dimensions=(labels.get("feature", "chat"),),
    )
    made = LlmCall(origin, 10**18, 10**18 + 10**9, "chat", "openai", "gpt-4o", "gpt-4o-2024")
    return PricedCall(made, "openai", labels.get("model", "gpt-4o"))


@dataclass
class Bench:
    """A judge, and what it told."""

    judges: JudgeRunner = field(init=False)
    verdicts: list[Verdict] = field(default_factory=list)
    runs: Counter[tuple[str, str]] = field(default_factory=Counter)
    seen: Counter[str] = field(default_factory=Counter)
    costs: list[float | None] = field(default_factory=list)
    failures: list[Exception] = field(default_factory=list)

    def eligible(self, judge: str, n: int) -> None:
        self.seen[judge] += n

    def ran(self, judge: str, outcome: str, seconds: float | None) -> None:
        assert (seconds is None) == (outcome in ("skipped", "no_text"))
        self.runs[judge, outcome] += 1

    def cost(self, _judge: str, usd: float | None) -> None:
        self.costs.append(usd)

    def offer(self, priced: PricedCall, exchange: CallContent = SAID) -> None:
        if self.judges.selects(priced):
            self.judges.enqueue(priced, exchange)
        self.judges.count_eligible()

    def wait(self, runs: int) -> None:
        end_s = time.monotonic() + 20
        while self.runs.total() < runs:
            assert time.monotonic() < end_s, self.runs
            time.sleep(0.005)


Start = Callable[..., Bench]


@pytest.fixture
def start() -> Iterator[Start]:
    with ExitStack() as stack:

        def run(
            server: Server,
            *rules: Rule,
            budget: DailyBudget | None = None,
            price: Callable[[LlmCall], float | None] = lambda _: 0.01,
            emit: Callable[[Verdict], None] | None = None,
            **options: Any,
        ) -> Bench:
            asking = {"timeout_s": 5.0, "max_attempts": 1}
            asking |= {k: options.pop(k) for k in list(options) if k in asking}
            endpoint = Endpoint(server.url, "judge-1", "local", **asking)  # type: ignore[arg-type]
            bench = Bench()
            bench.judges = JudgeRunner(
                JudgeOptions(rules or (POLITE,), endpoint, ("feature",), **options),
                budget=budget or DailyBudget(10.0),
                counts=bench,
                price=price,
                emit=emit or bench.verdicts.append,
                broke=bench.failures.append,
            )
            bench.judges.start()
            stack.callback(bench.judges.stop)
            return bench

        yield run


@pytest.mark.parametrize(
    ("reply", "passes_when", "outcome", "verdict"),
    [
        (TRUE, True, "ok", "pass"),
        (FALSE, True, "ok", "fail"),
        (TRUE, False, "ok", "fail"),
        (FALSE, False, "ok", "pass"),
        (Reply("I think it is fine."), True, "unparseable", "error"),
        (Reply('{"verdict": tru', finish="length"), True, "unparseable", "error"),
        (Reply('{"verdict": true}', finish="length"), True, "unparseable", "error"),
        (Reply('{"verdict": true, "verdict": false}'), True, "unparseable", "error"),
        (Reply("x" * 900_000), True, "unparseable", "error"),
        (Reply(""), True, "unparseable", "error"),
        (Reply(status=500), True, "error", "error"),
        (Reply(status=429), True, "error", "error"),
        (Reply(status=401), True, "error", "error"),
        (Reply(body=b"garbage"), True, "error", "error"),
        (Reply(delay_s=30), True, "timeout", "error"),
    ],
)
def test_how_a_run_ends(
    start: Start, reply: Reply, passes_when: bool, outcome: str, verdict: str
) -> None:
    rule = Rule("polite", "?", ("answer",), passes_when)
    timeout_s = 0.3 if reply.delay_s else 5.0
    with serving(reply) as server:
        bench = start(server, rule, timeout_s=timeout_s)
        bench.offer(call())
        bench.wait(1)
        end_s = time.monotonic() + 5
        while not bench.verdicts and time.monotonic() < end_s:
            time.sleep(0.005)
    assert bench.runs == {("polite", outcome): 1}
    assert bench.costs == ([0.01] if outcome in ("ok", "unparseable") else [])
    (told,) = bench.verdicts
    assert (told.judge, told.kind, told.verdict) == ("polite", "llm", verdict)


def test_a_verdict_carries_the_labels_of_the_call_and_no_text(start: Start) -> None:
    with serving(Reply('{"verdict": true, "evidence": "canary-7f3a"}')) as server:
        bench = start(server)
        bench.offer(call(7, feature="refunds"))
        bench.wait(1)
        bench.judges.stop()
    (told,) = bench.verdicts
    judged = call(7, feature="refunds")
    origin = judged.call.origin
    assert told.origin == replace(origin, dialect=DIALECT, signal="log")
    assert (told.model, told.target_end_ns) == ("gpt-4o", judged.call.end_ns)
    assert told.subject is not None and told.subject.dimensions == ("refunds",)
    assert "canary" not in repr(told)


def test_labels_choose_rules_and_samples(start: Start) -> None:
    refunds = Sample((parse_matcher('feature="refunds"'),), 1.0)
    rule = Rule("r", "?", ("answer",), samples=(refunds, Sample(rate=0.05)))
    other = Rule("o", "?", ("answer",), where=(parse_matcher('service="else"'),))
    with serving(TRUE) as server:
        bench = start(server, rule, other)
        for number in range(100):
            bench.offer(call(number, feature="refunds"))
            bench.offer(call(number, feature="chat"))
        bench.wait(106)
    assert bench.seen == {"r": 200}
    assert bench.runs == {("r", "ok"): 106}


def test_at_most_so_many_a_minute(start: Start) -> None:
    rule = Rule("r", "?", ("answer",), samples=(Sample(per_minute=7),))
    with serving(TRUE) as server:
        bench = start(server, rule)
        for number in range(50):
            bench.offer(call(number))
        bench.wait(7)
    assert bench.runs == {("r", "ok"): 7} and bench.seen == {"r": 50}


def test_what_a_call_does_not_tell_is_not_asked(start: Start) -> None:
    with serving(TRUE) as server:
        bench = start(server, Rule("grounded", "?", ("answer", "documents")))
        bench.offer(call())
    assert bench.runs == {("grounded", "no_text"): 1} and not server.chats


def test_its_own_requests_are_not_judged(start: Start) -> None:
    with serving(TRUE) as server:
        bench = start(server)
        bench.offer(call(), CallContent("x", "y", f"{OPENING} ..."))
        assert not bench.runs and not server.chats


def test_a_flood_is_bounded_and_nobody_waits(start: Start) -> None:
    release = threading.Event()

    def answer(_: Any) -> Reply:
        release.wait(20)
        return TRUE

    with serving(answer) as server:
        bench = start(server, max_concurrent=3, max_queue=20, timeout_s=30.0)
        slowest_s = 0.0
        for number in range(5_000):
            before_s = time.perf_counter()
            bench.offer(call(number))
            slowest_s = max(slowest_s, time.perf_counter() - before_s)
        assert slowest_s < 0.5
        assert bench.judges.queue_length <= 20
        assert bench.runs["polite", "skipped"] >= 5_000 - 23
        release.set()
        bench.wait(5_000)
        assert server.most_at_once <= 3
    assert bench.runs["polite", "ok"] == len(server.chats) <= 23


def test_texts_that_wait_are_bounded(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_HELD_CHARACTERS", 1_000)
    with serving(Reply(delay_s=0.5)) as server:
        bench = start(server, max_concurrent=1)
        for number in range(20):
            bench.offer(call(number), CallContent("x" * 200, "y" * 200))
        assert bench.runs["polite", "skipped"] >= 17
        bench.wait(20)


def test_the_daily_limit_holds(start: Start) -> None:
    budget = DailyBudget(0.5)
    with serving(TRUE) as server:
        bench = start(server, budget=budget, price=lambda _: 0.1, max_concurrent=1)
        for number in range(30):
            bench.offer(call(number))
        bench.wait(30)
    assert bench.runs == {("polite", "ok"): 5, ("polite", "skipped"): 25}
    assert budget.spent_usd == pytest.approx(0.5)


def test_a_cost_that_is_not_known_is_told(start: Start) -> None:
    with serving(TRUE) as server:
        bench = start(server, price=lambda _: None)
        bench.offer(call())
        bench.wait(1)
        bench.judges.stop()
    assert bench.costs == [None]


def test_prices_see_what_the_api_says(start: Start) -> None:
    asked: list[LlmCall] = []

    def price(own: LlmCall) -> float:
        asked.append(own)
        return 0.0

    with serving(Reply(usage={"prompt_tokens": 9, "completion_tokens": 4})) as server:
        bench = start(server, price=price)
        bench.offer(call())
        bench.wait(1)
    (own,) = asked
    assert (own.provider, own.request_model, own.response_model) == ("local", "judge-1", "judge-1")
    assert own.tokens is not None and (own.tokens.input, own.tokens.output) == (9, 4)
    assert own.purpose == "judge"


def test_an_endpoint_that_is_down_is_left_alone(
    start: Start, caplog: pytest.LogCaptureFixture
) -> None:
    with serving(Reply(status=500)) as server:
        bench = start(server, circuit_failures=3, circuit_cooldown_s=0.4, max_concurrent=1)
        for number in range(50):
            bench.offer(call(number))
        bench.wait(50)
        assert len(server.chats) == 3
        was_open = bench.judges.is_circuit_open
        time.sleep(0.5)
        server.answers = lambda _: TRUE
        bench.offer(call())
        bench.wait(51)
        assert (was_open, bench.judges.is_circuit_open) == (True, False)
    assert bench.runs["polite", "error"] == 3
    assert bench.runs["polite", "ok"] == 1
    assert len([r for r in caplog.records if "HTTP status 500" in r.getMessage()]) == 1
    assert "canary" not in caplog.text


def test_a_fault_of_ours_ends_no_thread(start: Start, caplog: pytest.LogCaptureFixture) -> None:
    def emit(verdict: Verdict) -> None:
        if verdict.origin.trace_id == (1).to_bytes(16, "big"):
            raise RuntimeError("canary-7f3a")
        done.set()

    done = threading.Event()
    with serving(TRUE) as server:
        bench = start(server, emit=emit, max_concurrent=1)
        bench.offer(call(1))
        bench.offer(call(2))
        assert done.wait(10)
    assert [type(failure) for failure in bench.failures] == [RuntimeError]
    assert "canary" not in caplog.text


@pytest.mark.parametrize(
    "broken",
    [
        Rule("broken", "?", requires=("nonsense",)),  # type: ignore[arg-type]  # when it is offered
        Rule("broken", "?", None, requires=("user",)),  # type: ignore[arg-type]  # when it is asked
    ],
    ids=["offered", "asked"],
)
def test_a_rule_that_raises_is_that_rule_s_error(start: Start, broken: Rule) -> None:
    with serving(TRUE) as server:
        bench = start(server, broken, POLITE, circuit_failures=1)
        for number in range(3):
            bench.offer(call(number))
        bench.wait(6)
        bench.judges.stop()
    told = Counter((verdict.judge, verdict.verdict) for verdict in bench.verdicts)
    assert told == {("broken", "error"): 3, ("polite", "pass"): 3}
    assert bench.runs == {("broken", "error"): 3, ("polite", "ok"): 3}
    assert len(bench.failures) == 3


def test_it_ends_soon_and_skips_what_waits(start: Start) -> None:
    with serving(Reply(delay_s=20)) as server:
        bench = start(server, max_concurrent=2, timeout_s=30.0)
        for number in range(10):
            bench.offer(call(number))
        while len(server.chats) < 2:
            time.sleep(0.01)
        started_s = time.monotonic()
        bench.judges.stop()
        assert time.monotonic() - started_s < 5
        bench.offer(call(99))
    assert bench.runs["polite", "skipped"] >= 9
    assert not bench.verdicts
