"""The rules asked of recorded calls, all of them: the side of the loop before production."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from ..content.record import CallContent
from ..judge.client import Client
from ..judge.limits import DailyBudget
from ..judge.prompt import Limits, is_own
from ..judge.question import Answered, Price, ask
from ..judge.rules import Rule
from ..judge.runner import JudgeOptions, labels_of
from ..model import LlmCall
from ..settled import PricedCall


@dataclass(frozen=True, slots=True)
class Case:
    """One recorded call and what was said in it."""

    call: PricedCall
    exchange: CallContent = field(repr=False)

    @property
    def subject(self) -> tuple[str, str]:
        """Trace and span id, in hexadecimal digits."""
        origin = self.call.call.origin
        return origin.trace_id.hex(), origin.span_id.hex()


class Collector:
    """Keeps the calls that it is given; one caller at a time."""

    def __init__(self, most: int | None = None) -> None:
        """Keep `most` of them; None: all."""
        self.cases: list[Case] = []
        self._most = most

    def consume(self, call: PricedCall, exchange: CallContent) -> None:
        """Take a settled call."""
        if (self._most is None or len(self.cases) < self._most) and not is_own(exchange):
            self.cases.append(Case(call, exchange))


@dataclass(frozen=True, slots=True)
class Result:
    """One rule's run on one case."""

    rule: Rule
    case: Case
    run: Answered
    turned: Answered | None = None
    """The same with the material in reverse order, where that was asked for."""

    @property
    def is_pass(self) -> bool | None:
        """None where there is no answer."""
        return self.run.is_pass


class Evaluation:
    """Asks every rule of every case that it is for."""

    def __init__(
        self, options: JudgeOptions, *, budget: DailyBudget, price: Price, client: Client
    ) -> None:
        """Nothing is asked before `results`.

        Args:
            options: Rules, endpoint and limits; sampling is not for recorded calls.
            budget: What may be spent.
            price: What a question cost.
            client: Asks the endpoint.
        """
        self._options = options
        self._budget = budget
        self._price = price
        self._client = client
        self._limits = Limits(options.max_characters)
        self._lock = threading.Lock()

    def questions(self, cases: Iterable[Case]) -> list[tuple[Rule, Case]]:
        """What there is to ask."""
        found = []
        for case in cases:
            labels = labels_of(case.call, self._options.dimensions)
            found += [(rule, case) for rule in self._options.rules if rule.applies(labels)]
        return found

    def results(
        self, questions: Sequence[tuple[Rule, Case]], *, is_turned_too: bool = False
    ) -> Iterator[Result]:
        """Ask, several at once; the results come in the order of the questions."""

        def answered(question: tuple[Rule, Case]) -> Result:
            rule, case = question
            run = self._run(rule, case, is_reversed=False)
            is_asked_again = is_turned_too and run.outcome == "ok"
            turned = self._run(rule, case, is_reversed=True) if is_asked_again else None
            return Result(rule, case, run, turned)

        with ThreadPoolExecutor(self._options.max_concurrent) as pool:
            yield from pool.map(answered, questions)

    def _run(self, rule: Rule, case: Case, *, is_reversed: bool) -> Answered:
        if not rule.can_judge(case.exchange):
            return Answered("no_text")
        if not self._budget.admit():
            return Answered("skipped", reason="the limit of what may be spent is reached")
        run: Answered | None = None
        try:
            run = ask(
                self._client, rule, case.exchange, self._locked_price, self._limits,
                is_reversed=is_reversed,
            )  # fmt: skip
        finally:
            self._budget.settle(0.0 if run is None else run.cost_usd or 0.0)
        return run

    def _locked_price(self, call: LlmCall) -> float | None:
        # Pricing is not for two threads at once.
        with self._lock:
            return self._price(call)
