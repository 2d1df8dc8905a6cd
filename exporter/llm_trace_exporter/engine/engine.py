"""Everything that counts, wired from the settings, without listeners: what `replay` needs."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from pathlib import Path

from .. import __version__
from ..config import MEMORY, Settings
from ..errors import Overloaded
from ..explain import DecisionLog
from ..metrics.exporter_metrics import ExporterMetrics
from ..metrics.exposition import Exposition, process_registry
from ..metrics.objectives import ObjectiveMetrics
from ..metrics.recorder import Recorder
from ..metrics.source_metrics import SourceMetrics
from ..metrics.store import Store
from ..storage import State
from .background import Background
from .checkpoint import Checkpointer
from .clock_watch import ClockWatch
from .pulling import PullingIngester
from .wiring import EngineOptions, engine_options

_logger = logging.getLogger(__name__)


class Engine:
    """Everything that counts, without listeners: what `replay` needs."""

    def __init__(
        self,
        settings: Settings,
        *,
        clock: Callable[[], float] = time.monotonic,
        wall_clock_ns: Callable[[], int] = time.time_ns,
    ) -> None:
        """Build the rooms from a configuration; `clock` gives monotonic seconds."""

        def wall_clock() -> float:
            return wall_clock_ns() / 1e9

        options = engine_options(settings)
        self.settings = settings
        self.reads_with = options.engine
        self.store = Store(options.store, clock=clock)
        self.metrics = ExporterMetrics(self.store, __version__, options.engine)
        self.recorder = Recorder(self.store, wall_clock=wall_clock)
        self.background = Background(self.metrics.background_failed)
        self.pricing = options.pricing
        path = settings.state.path
        self.state = State(Path(path)) if path != MEMORY else None
        self.sources = SourceMetrics(self.store)
        self.ingester = PullingIngester(
            self.store,
            self.recorder,
            self.metrics,
            self.pricing,
            options.readers.context,
            options.limits,
            trace_limits=options.trace_limits,
            human_names=options.human_names,
            lateness_s=settings.lateness_s,
            engine=options.engine,
            journal=self.state,
            clock=clock,
            wall_clock_ns=wall_clock_ns,
            sources=self.sources,
            max_pulled=settings.limits.max_pulled,
        )
        self.checkpointer = (
            Checkpointer(self.state, self.store, self.ingester, self.metrics, wall_clock=wall_clock)
            if self.state
            else None
        )
        self.judge_budget = self.checkpointer.judge_budget if self.checkpointer else None
        self.exposition = Exposition(
            self.store,
            self.metrics,
            registry=process_registry(),
            before=self.refresh,
            created=settings.openmetrics.created,
            wall_clock=wall_clock,
        )
        self.gauges: list[Callable[[], None]] = []
        """Called before each exposition."""
        self.clock_watch = ClockWatch(clock, wall_clock, self.metrics.clock_jumped)
        self._objectives = ObjectiveMetrics(self.store)
        self._wall_clock = wall_clock
        self.decisions: DecisionLog | None = None
        """What was decided of the newest records; None: nobody asks."""
        self._take(options)
        if self.checkpointer is not None:
            self.checkpointer.restore()
        else:
            self.metrics.state_size(0)
            self.metrics.state_writable(True)

    def prepare(self, settings: Settings) -> EngineOptions:
        """Another configuration, made ready; nothing is changed.

        Raises: ConfigError where it cannot be used.
        """
        return engine_options(settings, self.pricing.catalogue)

    def commit(self, options: EngineOptions) -> None:
        """Go on with another configuration; what was counted stays.

        Raises: Overloaded when what waits, and is counted under the old one, cannot be written;
            nothing has changed then.
        """
        with self.ingester.paused():
            self.ingester.settle_all(ends_traces=False)
            self.store.reconfigure(options.store)
            self.pricing = options.pricing
            self.ingester.reconfigure(
                options.readers,
                options.pricing,
                options.limits,
                options.trace_limits,
                options.human_names,
            )
            self.ingester.arrivals.lateness_s = options.settings.lateness_s
            self._take(options)
            self.settings = options.settings

    def apply(self, settings: Settings) -> None:
        """Prepare and commit another configuration."""
        self.commit(self.prepare(settings))

    def close(self) -> None:
        """Count what waits, or keep it waiting in the state file, and close that."""
        if self.state is None or self.checkpointer is None:
            self.ingester.settle_all()
            return
        try:
            self.checkpointer.checkpoint()
        except Overloaded as error:
            _logger.warning("the last checkpoint was not written: %s", error)
        self.state.close()

    def _take(self, options: EngineOptions) -> None:
        """Show and follow what the configuration says about judges, targets and budgets."""
        self._objectives.targets((t.slo, dict(t.labels), t.value) for t in options.targets)
        self.ingester.budgets.configure(options.budgets, options.dimensions)
        self._explain(options.settings.limits.max_explained)
        self.recorder.judges(
            options.score_ranges,
            options.score_ranges_of_dialects,
            options.baseline_failure_ratios,
        )

    def _explain(self, max_records: int) -> None:
        """Keep what is decided of so many records; what is kept stays over a reload."""
        if max_records and self.decisions is not None:
            self.decisions.max_records = max_records
            return
        self.decisions = DecisionLog(max_records) if max_records else None
        self.ingester.explain_to(self.decisions)

    def refresh(self) -> None:
        """Bring the gauges up to date, as before each exposition."""
        self.ingester.refresh_gauges()
        if self.checkpointer is not None:
            self.checkpointer.refresh_gauges()
        for refresh in self.gauges:
            refresh()
        self._show_budgets()
        self.metrics.price_catalogue(self.pricing.catalogue_timestamp_s)

    def _show_budgets(self) -> None:
        with self.store.lock:
            figures = list(self.ingester.budgets.figures(self._wall_clock()))
        self._objectives.budgets((f.budget.name, f.budget.period, f.by_measure) for f in figures)
