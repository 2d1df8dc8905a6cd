"""Who listens to what is said in calls, in step with the configuration.

They are the built-in judge, which asks a model, and the content rules, which ask nobody.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from functools import partial

from msgspec.structs import replace

from ..config import Settings
from ..content import ContentBuffer, ContentConsumer, ContentDispatcher
from ..content_rules import REMEDY, ContentRuleRunner, missing_libraries
from ..errors import ConfigError, Overloaded
from ..judge.limits import DailyBudget
from ..judge.runner import JudgeOptions, JudgeRunner
from ..metrics.judge_metrics import JudgeMetrics
from ..metrics.store import Store
from ..model import LlmCall, Task, Verdict
from ..pricing import Pricing
from .background import Background
from .ingest import Ingester
from .outbox import Outbox
from .wiring import content_buffer_limits, judge_options

CUT = 4
"""Texts are cut at this many times what a judge is shown, of which it then sees both ends."""

_CLOSE_S = 1.0
_FLUSH_S = 60.0


@dataclass(frozen=True, slots=True)
class Listeners:
    """The consumers under one configuration: ready, and given nothing before `commit`."""

    chosen: object = None
    """All of the configuration that they follow from."""
    dimensions: tuple[str, ...] = ()
    """Labels of the dimensions of the calls that they hear of."""
    dispatcher: ContentDispatcher | None = None
    judges: JudgeRunner | None = None
    options: JudgeOptions | None = None
    limit_usd: float = 0.0
    outbox: tuple[Outbox, ...] = ()

    def close(self) -> None:
        """End; what was not asked by now is not asked."""
        if self.dispatcher is not None:
            self.dispatcher.flush(_CLOSE_S)
        for outbox in self.outbox:
            outbox.close()
        if self.dispatcher is not None:
            self.dispatcher.close(_CLOSE_S)
        if self.judges is not None:
            self.judges.stop()


_NOBODY = Listeners()


class ContentConsumers:
    """Starts, replaces and ends the content consumers; one caller at a time."""

    def __init__(
        self,
        ingester: Ingester,
        store: Store,
        pricing: Callable[[], Pricing],
        budget: DailyBudget | None = None,
        background: Background | None = None,
    ) -> None:
        """Nobody listens before `apply`.

        Args:
            ingester: Hands out what is said, and takes verdicts.
            store: Where the judge's own work is counted.
            pricing: The prices in force.
            budget: What the judge has spent; None: nothing so far.
            background: Told what fails; None: it is only logged.
        """
        self._intake = ingester
        self._store = store
        self._pricing = pricing
        self._metrics = JudgeMetrics(store)
        self._budget = budget or DailyBudget(0.0)
        self._background = background or Background()
        self._in_force = _NOBODY

    def apply(self, settings: Settings, *, asks: bool = True) -> None:
        """Listen as the configuration says; see `prepare`."""
        self.commit(self.prepare(settings, asks=asks)).close()

    def prepare(self, settings: Settings, *, asks: bool = True) -> Listeners:
        """Who is to listen; those in force where the configuration says nothing new.

        Args:
            settings: The configuration.
            asks: Whether the judge may ask its model; a replay asks nobody.

        Raises: ConfigError where a content rule lacks a library.
        """
        chosen = (
            *(settings.judge, settings.content_rules, settings.content),
            *(settings.dimensions, settings.decision_wait_s, asks),
        )
        if chosen == self._in_force.chosen:
            return self._in_force
        check_content_rules(settings)
        dimensions = tuple(d.label for d in settings.dimensions)
        max_chars = settings.content.max_characters
        outboxes: list[Outbox] = []
        listeners: list[ContentConsumer] = []
        judges = dispatcher = None
        options = judge_options(settings) if asks else None
        with ExitStack() as begun:
            if shares := _shares(settings):
                outboxes.append(self._outbox("content_rules", dimensions))
                rules = ContentRuleRunner(shares, outboxes[-1].put, self._failed("content_rules"))
                wanting = (rules.selects, rules.may_select, rules.may_select_trace)
                listeners.append(ContentConsumer(rules.consume, *wanting))
            if options is not None:
                outboxes.append(self._outbox("judge", dimensions))
                judges = self._judges(options, outboxes[-1])
                begun.callback(judges.stop)
                judges.start()
                wanted = (judges.selects, judges.may_select, judges.may_select_trace)
                listeners.append(ContentConsumer(judges.enqueue, *wanted))
                max_chars = max(max_chars, CUT * options.max_characters)
            if listeners:
                dispatcher = ContentDispatcher(
                    listeners, ContentBuffer(content_buffer_limits(settings)), max_chars=max_chars,
                    failed=self._failed("content"),
                )  # fmt: skip
            begun.pop_all()
        limit_usd = settings.judge.daily_limit_usd
        return Listeners(
            chosen, dimensions, dispatcher, judges, options, limit_usd, tuple(outboxes)
        )

    def commit(self, prepared: Listeners) -> Listeners:
        """Have these listen; who does no longer, for the caller to close without any lock."""
        before = self._in_force
        if prepared is before:
            return _NOBODY
        with self._intake.paused():
            self._count_eligible()
            self._in_force = prepared
            self._intake.dispatch_to(prepared.dispatcher)
            if prepared.options is None:
                self._metrics.hide()
            else:
                self._budget.limit_usd = prepared.limit_usd
                self._metrics.watch(rule.name for rule in prepared.options.rules)
        return before

    def discard(self, prepared: Listeners) -> None:
        """Close what was prepared and is not in force."""
        if prepared is not self._in_force:
            prepared.close()

    def _judges(self, options: JudgeOptions, outbox: Outbox) -> JudgeRunner:
        return JudgeRunner(
            options,
            budget=self._budget,
            counts=self._metrics,
            price=self._price,
            emit=lambda verdict: outbox.put((verdict,)),
            broke=self._failed("judge"),
        )

    def _outbox(self, task: Task, dimensions: tuple[str, ...]) -> Outbox:
        def lost(verdicts: Sequence[Verdict], error: Overloaded) -> None:
            why = f"{len(verdicts)} verdicts could not be kept: {error}"
            self._background.failed(task, why, len(verdicts))

        return Outbox(partial(self._take, dimensions), lost)

    def _failed(self, task: Task) -> Callable[[Exception], None]:
        return partial(self._background.failed, task)

    def settle_all(self) -> None:
        """Count everything that waits, and what content rules make of it."""
        self._intake.settle_all()
        dispatcher = self._in_force.dispatcher
        if dispatcher is not None:
            dispatcher.flush(_FLUSH_S)
            self._intake.settle_all()

    def refresh(self) -> None:
        """Show how the judge is doing."""
        judges = self._in_force.judges
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
        self.commit(Listeners(dimensions=self._in_force.dimensions)).close()

    def _count_eligible(self) -> None:
        judges = self._in_force.judges
        if judges is not None:
            judges.count_eligible()

    def _take(self, dimensions: tuple[str, ...], verdicts: Sequence[Verdict]) -> None:
        with self._intake.in_turn():
            now = self._in_force.dimensions
            if now != dimensions:
                verdicts = [_relabelled(verdict, dimensions, now) for verdict in verdicts]
            self._intake.ingest_verdicts(verdicts)

    def _price(self, call: LlmCall) -> float | None:
        # Pricing is not for two threads at once; ingestion uses it under this lock.
        with self._store.lock:
            return self._pricing().price(call).cost_usd


@contextmanager
def replaying(
    ingester: Ingester,
    store: Store,
    pricing: Callable[[], Pricing],
    settings: Settings,
    background: Background,
) -> Iterator[ContentConsumers]:
    """The content rules listen, the judge's model is not asked; then who listened before does."""
    before = ingester.dispatch_to(None)
    listening = ContentConsumers(ingester, store, pricing, background=background)
    try:
        listening.apply(settings, asks=False)
        yield listening
    finally:
        listening.close()
        ingester.dispatch_to(before)


def check_content_rules(settings: Settings) -> None:
    """Look for the libraries of the content rules that are on.

    Raises: ConfigError with a line for each that is missing.
    """
    problems = [
        f"content_rules.{rule}: found {what}; allowed: {REMEDY}"
        for rule, what in missing_libraries(_shares(settings))
    ]
    if problems:
        raise ConfigError(problems)


def _shares(settings: Settings) -> dict[str, float]:
    return {name: share for name, share in asdict(settings.content_rules).items() if share}


def _relabelled(verdict: Verdict, old: tuple[str, ...], new: tuple[str, ...]) -> Verdict:
    """A verdict about a call that was heard of under other dimensions."""

    def moved(values: tuple[str, ...]) -> tuple[str, ...]:
        by_label = dict(zip(old, values, strict=False))
        return tuple(by_label.get(label, "") for label in new)

    origin, about = verdict.origin, verdict.subject
    return replace(
        verdict,
        origin=replace(origin, dimensions=moved(origin.dimensions)),
        subject=about and replace(about, dimensions=moved(about.dimensions)),
    )
