"""A meter to test with: store, recorder and exposition on clocks that stand still."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from msgspec.structs import replace
from prometheus_client.core import Metric
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_open
from prometheus_client.parser import text_string_to_metric_families as parse_text

from llm_trace_exporter.metrics.exporter_metrics import ExporterMetrics
from llm_trace_exporter.metrics.exposition import Exposition
from llm_trace_exporter.metrics.judge_metrics import JudgeMetrics
from llm_trace_exporter.metrics.label_policy import Dimension
from llm_trace_exporter.metrics.recorder import Recorder
from llm_trace_exporter.metrics.store import Store, StoreOptions
from llm_trace_exporter.model import Feedback, LlmCall, Origin, Step, Verdict
from llm_trace_exporter.settled import Agreement, PricedCall
from tests.facts import Samples

OPENMETRICS = "application/openmetrics-text; version=1.0.0"
UNIX_S = 1_790_000_000.0
ORIGIN = Origin(
    trace_id=bytes(range(16)),
    span_id=bytes(range(8)),
    parent_span_id=b"",
    signal="span",
    dialect="semconv",
    scope="test",
    service="shop",
    environment="prod",
    dimensions=("search",),
)
CALL = LlmCall(
    origin=ORIGIN,
    start_ns=10**18,
    end_ns=10**18 + 1_500_000_000,
    operation="chat",
    provider="openai",
    request_model="gpt-4o",
)


@dataclass
class Clock:
    """Monotonic seconds that move only when told."""

    now_s: float = 1000.0

    def __call__(self) -> float:
        return self.now_s


@dataclass
class Meter:
    """All of the metrics room on one clock."""

    options: StoreOptions
    score_ranges: dict[str, tuple[float, float]] = field(default_factory=dict)
    created: bool = False

    def __post_init__(self) -> None:
        self.clock = Clock()
        self.store = Store(self.options, clock=self.clock)
        self.own = ExporterMetrics(self.store, "1.2.3")
        self.recorder = Recorder(
            self.store, score_ranges=self.score_ranges, wall_clock=lambda: UNIX_S
        )
        self.judge = JudgeMetrics(self.store)
        self.exposition = Exposition(
            self.store, self.own, created=self.created, wall_clock=lambda: UNIX_S
        )

    def call(
        self, *, origin: dict[str, Any] | None = None, priced: Any = (), **changes: Any
    ) -> None:
        """Record the sample call with some fields changed."""
        call = replace(CALL, origin=replace(ORIGIN, **(origin or {})), **changes)
        given = {"provider": call.provider, "model": call.model, **dict(priced)}
        with self.store.lock:
            self.recorder.call(PricedCall(call, **given))

    def step(self, kind: Any, name: str, **changes: Any) -> None:
        """Record a step of two seconds."""
        given = {"start_ns": 10**18, "end_ns": 10**18 + 2 * 10**9, **changes}
        self.recorder.step(Step(ORIGIN, kind=kind, name=name, **given))

    def verdict(self, verdict: Any, judge: str = "faithful", **changes: Any) -> None:
        """Record a verdict of a model that judges."""
        given = {"origin": ORIGIN, "time_ns": 2 * 10**18, "kind": "llm", **changes}
        self.recorder.verdict(Verdict(judge=judge, verdict=verdict, **given))

    def agreement(self, *, agrees: bool) -> None:
        """Record a verdict that a human gave, or did not give, as well."""
        verdict = Verdict(ORIGIN, 2 * 10**18, "faithful", "llm", "pass")
        self.recorder.agreement(Agreement(verdict, agrees))

    def feedback(self, rating: Any, **changes: Any) -> None:
        """Record feedback."""
        given = {"origin": ORIGIN, "time_ns": 0, "source": "thumbs", **changes}
        self.recorder.feedback(Feedback(rating=rating, **given))

    def page(self, accept: str = "", names: tuple[str, ...] = ()) -> str:
        """Return the exposition as text."""
        return self.exposition.render(accept, names).body.decode()

    def families(self, accept: str = OPENMETRICS) -> dict[str, Metric]:
        """Return the exposition as prometheus_client's strictest parser reads it."""
        parse = parse_open if "openmetrics" in accept else parse_text
        return {metric.name: metric for metric in parse(self.page(accept))}

    def samples(self, name: str, /, **labels: str) -> dict[tuple[tuple[str, str], ...], float]:
        """Return the samples of a name whose labels include some, by all their labels."""
        return {
            tuple(sorted(sample.labels.items())): sample.value
            for sample in Samples(self.page()).by_name.get(name, ())
            if labels.items() <= sample.labels.items()
        }

    def total(self, name: str, /, **labels: str) -> float:
        """Return the sum of the samples of a name whose labels include some; -1 if none."""
        found = self.samples(name, **labels)
        return sum(found.values()) if found else -1.0


@pytest.fixture(scope="session")
def new_meter() -> Callable[..., Meter]:
    """Make meters without a hold and with one dimension, `feature`."""

    def make(*, score_ranges: Any = None, created: bool = False, **options: Any) -> Meter:
        given = {"dimensions": (Dimension("feature"),), "zero_hold_s": 0.0, **options}
        return Meter(StoreOptions(**given), score_ranges or {}, created)

    return make


@pytest.fixture(scope="session")
def promtool() -> str:
    """Path of Prometheus' own checker."""
    path = shutil.which("promtool")
    if path is None:
        pytest.skip("promtool is not installed (Debian package prometheus)")
    return path
