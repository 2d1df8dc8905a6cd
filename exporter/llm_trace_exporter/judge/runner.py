"""The judge at work: settled calls come in, verdicts go out, and nobody waits for it.

`picks` and `offer` only choose and queue. A few threads ask; what is queued holds texts, so the
queue is bounded in questions and in characters, and a question that cannot be asked is dropped.
"""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Protocol

from ..content.record import CallContent
from ..model import LlmCall, RunOutcome, Verdict
from ..settled import PricedCall
from .client import Client, Endpoint
from .limits import CircuitBreaker, DailyBudget, PerMinute
from .prompt import Limits, is_own
from .question import Answered, Price, ask, verdict_of
from .rules import MATERIALS, Rule, is_sampled

_logger = logging.getLogger(__name__)

MAX_HELD_CHARACTERS = 32 * 1024 * 1024
"""Of the texts of all questions that wait."""

_MAX_REMEMBERED = 4096
_JOIN_S = 2.0
_LOG_EVERY_S = 60.0


class Counts(Protocol):
    """What is counted of the judge's own work."""

    def eligible(self, judge: str, n: int) -> None:
        """So many calls came that the rule is for: what sampling chooses from."""

    def ran(self, judge: str, outcome: RunOutcome, seconds: float | None) -> None:
        """A run ended; without a duration where nothing was asked."""

    def cost(self, judge: str, usd: float | None) -> None:
        """What a run cost; None where that is not known."""


@dataclass(frozen=True, slots=True)
class JudgeOptions:
    """All that the judge needs to know."""

    rules: tuple[Rule, ...]
    endpoint: Endpoint
    dimensions: tuple[str, ...] = ()
    """Labels of the dimensions, in configuration order."""
    max_concurrent: int = 4
    max_queue: int = 1000
    max_characters: int = 20_000
    circuit_failures: int = 5
    circuit_cooldown_s: float = 30.0


@dataclass(frozen=True, slots=True)
class _Job:
    rule: Rule
    call: PricedCall
    exchange: CallContent
    characters: int


@dataclass(slots=True)
class _Match:
    """What follows for a call from its labels."""

    rules: tuple[tuple[int, int | None], ...]
    """(rule, its sample, None where none matches) of the rules that are for it."""
    rate: float
    """The highest of these samples."""
    eligible: int = 0
    """Such calls since they were counted."""


class JudgeRunner:
    """Asks the rules' questions about a sample of calls; safe to call from several threads."""

    def __init__(
        self,
        options: JudgeOptions,
        *,
        budget: DailyBudget,
        counts: Counts,
        price: Price,
        emit: Callable[[Verdict], None],
        broke: Callable[[Exception], None],
        clock: Callable[[], float] = time.monotonic,
        client: Client | None = None,
    ) -> None:
        """Nothing is asked before `start`.

        Args:
            options: Rules, endpoint and limits.
            budget: What may be spent; lives longer than one configuration.
            counts: Where the work is counted.
            price: What a question cost.
            emit: Takes each verdict; may wait.
            broke: Told what one question raised; its verdict is `error`, and the others go on.
            clock: Monotonic seconds, for rates and the breaker.
            client: Asks the endpoint; None: a new one.
        """
        self.options = options
        self._budget = budget
        self._counts = counts
        self._price = price
        self._emit = emit
        self._broke = broke
        self._client = client or Client(options.endpoint, max_connections=options.max_concurrent)
        self._breaker = CircuitBreaker(options.circuit_failures, options.circuit_cooldown_s, clock)
        self._limits = Limits(options.max_characters)
        self._queue: queue.Queue[_Job | None] = queue.Queue(options.max_queue)
        self._lock = threading.Lock()
        self._held = 0
        self._matches: dict[object, _Match] = {}
        self._most: dict[object, float] = {}
        self._highest = max((rule.highest_rate({}) for rule in options.rules), default=0.0)
        self._rates = {
            (at, number): PerMinute(sample.per_minute, clock)
            for at, rule in enumerate(options.rules)
            for number, sample in enumerate(rule.samples)
            if sample.per_minute is not None
        }
        self._stop = threading.Event()
        self._has_ended = False
        self._log_again_s = 0.0
        self._threads = [
            threading.Thread(target=self._work, name=f"judge-{number}", daemon=True)
            for number in range(options.max_concurrent)
        ]

    @property
    def queue_length(self) -> int:
        """Questions that wait."""
        return self._queue.qsize()

    @property
    def is_circuit_open(self) -> bool:
        """Whether the endpoint is not asked, as it failed too often."""
        return self._breaker.is_open

    def start(self) -> None:
        """Begin to ask."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """End; what waits is skipped, and what is under way is not waited for for long."""
        self._stop.set()
        self._empty()
        self._wake()
        until_s = time.monotonic() + _JOIN_S
        for thread in self._threads:
            if thread.is_alive():
                thread.join(max(0.0, until_s - time.monotonic()))
        self._has_ended = True
        self._empty()
        self._client.close()

    def selects(self, call: PricedCall) -> bool:
        """Whether any rule chooses a call by its labels and trace. Quick, and never waits."""
        key = _labels_of_rules(call)
        match = self._matches.get(key)
        if match is None:
            if len(self._matches) >= _MAX_REMEMBERED:
                self.count_eligible()
                self._matches.clear()
            match = self._matches[key] = self._match(call)
        match.eligible += 1
        return is_sampled(_moment_of(call.call), match.rate)

    def count_eligible(self) -> None:
        """Count the calls that rules were for since the last time; under the lock of `picks`."""
        eligible = [0] * len(self.options.rules)
        for match in self._matches.values():
            for at, _ in match.rules:
                eligible[at] += match.eligible
            match.eligible = 0
        for rule, n in zip(self.options.rules, eligible, strict=True):
            if n:
                self._counts.eligible(rule.name, n)

    def may_select(self, call: LlmCall) -> bool:
        """Whether a rule could choose a call, as one of its reporters tells it.

        What only another reporter may know could match: who asked, the model, a dimension that is
        empty here.
        """
        origin = call.origin
        key = (call.operation, origin.dimensions)
        rate = self._most.get(key)
        if rate is None:
            dimensions = zip(self.options.dimensions, origin.dimensions, strict=False)
            labels = {name: value for name, value in dimensions if value}
            labels["operation"] = call.operation
            if len(self._most) >= _MAX_REMEMBERED:
                self._most.clear()
            rates = (rule.highest_rate(labels) for rule in self.options.rules)
            rate = self._most[key] = max(rates, default=0.0)
        return is_sampled(_moment_of(call), rate)

    def may_select_trace(self, trace_id: bytes) -> bool:
        """Whether a rule could choose calls of a trace; those outside of any are on their own."""
        return not trace_id or is_sampled(trace_id, self._highest)

    def enqueue(self, call: PricedCall, exchange: CallContent) -> None:
        """Queue the questions that are to be asked about a call. Never waits."""
        if is_own(exchange):
            return
        characters = _length(exchange)
        match = self._matches.get(_labels_of_rules(call)) or self._match(call)
        for at, number in match.rules:
            rule = self.options.rules[at]
            if number is None or not is_sampled(_moment_of(call.call), rule.samples[number].rate):
                continue
            job = _Job(rule, call, exchange, characters)
            try:
                self._offer(job, at, number)
            except Exception as error:  # noqa: BLE001 - one rule must not silence the others
                self._end(job, self._broken(error))

    def _offer(self, job: _Job, at: int, number: int) -> None:
        if not job.rule.can_judge(job.exchange):
            self._counts.ran(job.rule.name, "no_text", None)
        elif self._has_rate(at, number) and not self._queued(job):
            self._skip(job.rule)

    def _match(self, call: PricedCall) -> _Match:
        labels = labels_of(call, self.options.dimensions)
        rules = self.options.rules
        chosen = tuple(
            (at, rule.sample_of(labels)) for at, rule in enumerate(rules) if rule.applies(labels)
        )
        rates = (rules[at].samples[number].rate for at, number in chosen if number is not None)
        return _Match(chosen, max(rates, default=0.0))

    def _has_rate(self, at: int, number: int) -> bool:
        rate = self._rates.get((at, number))
        if rate is None:
            return True
        with self._lock:
            return rate.admit()

    def _queued(self, job: _Job) -> bool:
        if self._stop.is_set():
            return False
        with self._lock:
            if self._held + job.characters > MAX_HELD_CHARACTERS:
                return False
            self._held += job.characters
        try:
            self._queue.put_nowait(job)
        except queue.Full:
            self._release(job)
            return False
        return True

    def _wake(self) -> None:
        """Have one thread that waits see that it is to end; it wakes the next."""
        with suppress(queue.Full):
            self._queue.put_nowait(None)

    def _empty(self) -> None:
        with suppress(queue.Empty):
            while True:
                job = self._queue.get_nowait()
                if job is not None:
                    self._release(job)
                    self._skip(job.rule)

    def _release(self, job: _Job) -> None:
        with self._lock:
            self._held -= job.characters

    def _skip(self, rule: Rule) -> None:
        self._counts.ran(rule.name, "skipped", None)

    def _work(self) -> None:
        while not self._stop.is_set() and (job := self._queue.get()) is not None:
            self._release(job)
            try:
                self._end(job, None if self._stop.is_set() else self._asked(job))
            except Exception as error:  # noqa: BLE001 - one question must not end the thread
                self._broke(error)
        self._wake()

    def _end(self, job: _Job, run: Answered | None) -> None:
        """Count a run, and tell its verdict; None: nothing was asked."""
        if run is None:
            self._skip(job.rule)
            return
        counts, name = self._counts, job.rule.name
        counts.ran(name, run.outcome, None if run.outcome == "skipped" else run.seconds)
        if run.outcome in ("ok", "unparseable"):
            counts.cost(name, run.cost_usd)
        value = run.verdict
        if value is not None and not self._has_ended:
            self._emit(verdict_of(job.rule, job.call, value, time.time_ns()))

    def _broken(self, error: Exception) -> Answered:
        """The run of a question that raised: a judge that breaks is an error, never nothing."""
        self._broke(error)
        return Answered("error", reason=type(error).__name__)

    def _asked(self, job: _Job) -> Answered | None:
        """Ask, where budget and breaker allow it."""
        if not self._budget.admit():
            return None
        run: Answered | None = None
        try:
            if not self._breaker.admit():
                return None
            try:
                run = ask(
                    self._client, job.rule, job.exchange, self._price, self._limits, self._stop
                )
            except Exception as error:  # noqa: BLE001 - no fault of the endpoint
                self._breaker.abandoned()
                run = self._broken(error)
            else:
                self._note(run)
        finally:
            self._budget.settle(0.0 if run is None else run.cost_usd or 0.0)
        return run

    def _note(self, run: Answered) -> None:
        """Tell the breaker how it went, and the log why it did not."""
        if run.outcome == "skipped":
            self._breaker.abandoned()
        elif run.outcome in ("error", "timeout"):
            self._breaker.failed()
            with self._lock:
                now_s = time.monotonic()
                is_due = now_s >= self._log_again_s
                self._log_again_s = now_s + _LOG_EVERY_S if is_due else self._log_again_s
            if is_due:
                _logger.warning("the judge's endpoint gave no answer: %s", run.reason)
        else:
            self._breaker.succeeded()


def labels_of(call: PricedCall, dimensions: tuple[str, ...]) -> dict[str, str]:
    """The labels that matchers can match; `dimensions` names those of the configuration."""
    origin = call.call.origin
    return {
        **dict(zip(dimensions, origin.dimensions, strict=False)),
        "service": origin.service,
        "environment": origin.environment,
        "provider": call.provider,
        "model": call.model,
        "operation": call.call.operation,
    }


def _labels_of_rules(call: PricedCall) -> tuple[object, ...]:
    """All that rules look at to find out whether they are for a call."""
    said, origin = call.call, call.call.origin
    return (
        origin.service,
        origin.environment,
        call.provider,
        call.model,
        said.operation,
        origin.dimensions,
    )


def _moment_of(call: LlmCall) -> bytes:
    """What sampling goes by: the trace, or the moment of a call outside of any."""
    return call.origin.trace_id or call.start_ns.to_bytes(16, "big", signed=True)


def _length(exchange: CallContent) -> int:
    values = (getattr(exchange, material) for material in MATERIALS)
    return sum(len(v) if isinstance(v, str) else sum(map(len, v)) for v in values)
