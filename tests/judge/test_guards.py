"""Budget, breaker and rate hold."""

from __future__ import annotations

import threading
from dataclasses import dataclass

from llm_trace_exporter.judge.limits import CircuitBreaker, DailyBudget, PerMinute


@dataclass
class Clock:
    now_s: float = 1_790_000_000.0

    def __call__(self) -> float:
        return self.now_s


class TestDailyBudget:
    def test_ends_and_starts_anew_the_next_utc_day(self) -> None:
        clock = Clock(86_400 * 20_000 + 86_000)
        budget = DailyBudget(1.0, clock)
        for _ in range(2):
            assert budget.admit()
            budget.settle(0.5)
        assert not budget.admit() and budget.spent_usd == 1.0
        clock.now_s += 399
        assert not budget.admit()
        clock.now_s += 1
        assert budget.admit() and budget.spent_usd == 0

    def test_what_is_under_way_counts_as_the_dearest_so_far(self) -> None:
        budget = DailyBudget(1.0)
        assert budget.admit()
        budget.settle(0.3)
        admitted = sum(budget.admit() for _ in range(10))
        assert admitted == 3
        for _ in range(admitted):
            budget.settle(0.3)
        assert budget.spent_usd <= 1.2 and not budget.admit()

    def test_a_restart_gives_no_second_budget_and_another_day_does(self) -> None:
        clock = Clock()
        before = DailyBudget(1.0, clock)
        assert before.admit()
        before.settle(1.0)
        after = DailyBudget(1.0, clock)
        after.restore(*before.saved())
        assert after.spent_usd == 1.0 and not after.admit()
        clock.now_s += 86_400
        later = DailyBudget(1.0, clock)
        later.restore(*before.saved())
        assert later.admit() and later.spent_usd == 0

    def test_nothing_may_be_nothing(self) -> None:
        assert not DailyBudget(0.0).admit()

    def test_a_clock_set_back_gives_no_second_day(self) -> None:
        clock = Clock()
        budget = DailyBudget(1.0, clock)
        assert budget.admit()
        budget.settle(1.0)
        clock.now_s -= 86_400
        assert not budget.admit()

    def test_threads_do_not_pass_it_together(self) -> None:
        budget = DailyBudget(100.0)
        assert budget.admit()
        budget.settle(1.0)

        def spend() -> None:
            for _ in range(200):
                if budget.admit():
                    budget.settle(1.0)

        threads = [threading.Thread(target=spend) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert budget.spent_usd == 100.0


class TestCircuitBreaker:
    def test_opens_tries_one_and_closes(self) -> None:
        clock = Clock()
        breaker = CircuitBreaker(2, 30.0, clock)
        for _ in range(2):
            assert breaker.admit() and not breaker.is_open
            breaker.failed()
        assert breaker.is_open and not breaker.admit()
        clock.now_s += 30
        assert breaker.admit() and not breaker.admit()
        breaker.failed()
        assert not breaker.admit()
        clock.now_s += 30
        assert breaker.admit()
        breaker.succeeded()
        assert [breaker.admit() for _ in range(5)] == [True] * 5

    def test_only_failures_in_a_row_count(self) -> None:
        breaker = CircuitBreaker(2, 30.0)
        for _ in range(5):
            breaker.failed()
            breaker.succeeded()
        assert not breaker.is_open

    def test_a_probe_that_was_not_made_gives_its_place_back(self) -> None:
        clock = Clock()
        breaker = CircuitBreaker(1, 30.0, clock)
        breaker.failed()
        clock.now_s += 30
        assert breaker.admit()
        breaker.abandoned()
        assert breaker.admit()


def test_no_minute_holds_more_than_its_number() -> None:
    clock = Clock(0.0)
    rate = PerMinute(5, clock)
    let_through: list[float] = []
    for _ in range(3_000):
        clock.now_s += 0.13
        if rate.admit():
            let_through.append(clock.now_s)
    assert len(let_through) == 5 * 7
    for at in let_through:
        assert sum(at <= other < at + 60 for other in let_through) <= 5
