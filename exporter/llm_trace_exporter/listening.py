"""Who listens to what is said in calls, in step with the configuration.

They are the built-in judge, which asks a model, and the content rules, which ask nobody.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict

from .checks import CodeJudges
from .config import Settings
from .intake import Intake
from .judge.guards import DailyBudget
from .judge.judges import JudgeOptions, Judges
from .metrics.judgemetrics import JudgeMetrics
from .metrics.store import Store
from .model import LlmCall, Verdict
from .options import hold_limits, judge_options
from .pricing import Pricing
from .texts import Hearing, Hold, Listener

_logger = logging.getLogger(__name__)

CUT = 4
"""Texts are cut at this many times what a judge is shown, of which it then sees both ends."""

_CLOSE_S = 1.0
_FLUSH_S = 60.0


class Listening:
    """Starts, exchanges and ends the listeners; one caller at a time."""

    def __init__(
        self,
        intake: Intake,
        store: Store,
        pricing: Callable[[], Pricing],
        budget: DailyBudget | None = None,
    ) -> None:
        """Nobody listens before `apply`.

        Args:
            intake: Hands out what is said, and takes verdicts.
            store: Where the judge's own work is counted.
            pricing: The prices in force.
            budget: What the judge has spent; None: nothing so far.
        """
        self._intake = intake
        self._store = store
        self._pricing = pricing
        self._metrics = JudgeMetrics(store)
        self._budget = budget or DailyBudget(0.0)
        self._chosen: object = None
        self._judges: Judges | None = None
        self._hearing: Hearing | None = None

    def apply(self, settings: Settings, *, asks: bool = True) -> None:
        """Listen as the configuration says; where it says nothing new, all goes on as it is.

        Args:
            settings: The configuration.
            asks: Whether the judge may ask its model; a replay asks nobody.
        """
        chosen = (
            *(settings.judge, settings.content_rules, settings.texts),
            *(settings.dimensions, settings.settle_s, asks),
        )
        if chosen == self._chosen:
            return
        self.close()
        self._chosen = chosen
        max_chars = settings.texts.max_characters
        listeners = _content_rules(settings, self._intake)
        if asks and (options := self._options(settings)) is not None:
            listeners.append(self._judge(settings, options))
            max_chars = max(max_chars, CUT * options.max_characters)
        if listeners:
            hold = Hold(hold_limits(settings))
            self._hearing = Hearing(listeners, hold, max_chars=max_chars)
            self._intake.listen(self._hearing)

    def _options(self, settings: Settings) -> JudgeOptions | None:
        options = judge_options(settings)
        if options is None and settings.judge.rules:
            _logger.warning("judge: there are rules and no endpoint.url: nothing is judged")
        return options

    def _judge(self, settings: Settings, options: JudgeOptions) -> Listener:
        self._budget.limit_usd = settings.judge.daily_limit_usd
        self._metrics.watch(rule.name for rule in options.rules)
        self._judges = Judges(
            options,
            budget=self._budget,
            counts=self._metrics,
            price=self._price,
            emit=self._take,
        )
        self._judges.start()
        judges = self._judges
        return Listener(judges.offer, judges.picks, judges.wants, judges.wants_trace)

    def settle_all(self) -> None:
        """Count everything that waits, and what content rules make of it."""
        self._intake.settle_all()
        if self._hearing is not None:
            self._hearing.flush(_FLUSH_S)
            self._intake.settle_all()

    def refresh(self) -> None:
        """Show how the judge is doing."""
        judges = self._judges
        if judges is not None:
            with self._store.lock:
                judges.count_eligible()
            self._metrics.show(
                queue_length=judges.queue_length,
                is_open=judges.is_circuit_open,
                spent_usd=self._budget.spent_usd,
                limit_usd=self._budget.limit_usd,
            )

    def close(self) -> None:
        """Let nobody listen any more; what was not asked by now is not asked."""
        self._intake.listen(None)
        self._chosen = None
        if self._hearing is not None:
            self._hearing.close(_CLOSE_S)
            self._hearing = None
        if self._judges is not None:
            self._judges.stop()
            with self._store.lock:
                self._judges.count_eligible()
            self._judges = None
            self._metrics.hide()

    def _take(self, verdict: Verdict) -> None:
        self._intake.judged((verdict,))

    def _price(self, call: LlmCall) -> float | None:
        # Pricing is not for two threads at once; ingestion uses it under this lock.
        with self._store.lock:
            return self._pricing().price(call).cost_usd


@contextmanager
def replaying(
    intake: Intake, store: Store, pricing: Callable[[], Pricing], settings: Settings
) -> Iterator[Listening]:
    """The content rules listen, the judge's model is not asked; then who listened before does."""
    before = intake.listen(None)
    listening = Listening(intake, store, pricing)
    listening.apply(settings, asks=False)
    try:
        yield listening
    finally:
        listening.close()
        intake.listen(before)


def _content_rules(settings: Settings, intake: Intake) -> list[Listener]:
    shares = {name: share for name, share in asdict(settings.content_rules).items() if share}
    judges = CodeJudges(shares, intake.judged)
    wanting = (judges.picks, judges.wants, judges.wants_trace)
    return [Listener(judges.hears, *wanting)] if shares else []
