"""What there is to say of one metric family."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

MetricType = Literal["counter", "gauge", "histogram", "info"]
Section = Literal["Requests", "Steps", "Traces", "Quality", "Targets", "Profiles", "Exporter"]
Profile = Literal["semconv", "openlit"]

_OF_THE_PROCESS = frozenset(
    f"llm_exporter_{name}"
    for name in (
        "requests_rejected_total",
        "metrics_requests_total",
        "ingest_duration_seconds",
        "state_commit_duration_seconds",
        "state_errors_total",
        "label_overflow_total",
        "trace_table_evicted_total",
    )
) | frozenset(
    f"llm_judge_{name}"
    for name in (
        "eligible_total",
        "runs_total",
        "run_duration_seconds",
        "cost_usd_total",
        "unpriced_runs_total",
    )
)


@dataclass(frozen=True, slots=True)
class Family:
    """One metric family of the contract."""

    name: str
    """As users query it: counters end in `_total`, infos in `_info`."""
    type: MetricType
    section: Section
    unit: str
    """Base unit, the last word of the name before `_total`; empty for plain counts."""
    labels: tuple[str, ...]
    """In rendering order, without the configured dimensions."""
    help: str
    query: str
    """A PromQL expression that answers the question the family is there for."""
    with_dimensions: bool = False
    """Whether the configured dimensions follow the labels."""
    buckets: str = ""
    """Key into `labels_and_buckets.BUCKETS`; histograms only."""
    exemplars: bool = False
    """Whether its samples can carry a trace id."""
    reasons: tuple[str, ...] = ()
    """Values of the `reason` label, where the family has one and they are fixed."""
    expires: bool = True
    """Whether a series that is not updated for the idle time is dropped."""
    profiles: tuple[Profile, ...] = ()
    """The name profiles that show it; empty: it is always there."""
    absent_when: str = ""
    """Why a healthy exporter may have no series of it: "no budgets are configured (`budgets`)".

    Empty where it is there from the first call on, or counts what should not happen.
    """

    @property
    def lasts(self) -> bool:
        """Whether its series survive a restart.

        What is counted of requests that were refused, or of the time that work took, is not in
        the journal and starts from 0 with the process.
        """
        return self.type in ("counter", "histogram") and self.name not in _OF_THE_PROCESS

    @property
    def base_name(self) -> str:
        """The OpenMetrics family name: without the suffix that its sample carries."""
        suffix = {"counter": "_total", "info": "_info"}.get(self.type, "")
        return self.name.removesuffix(suffix)

    @property
    def sample_names(self) -> tuple[str, ...]:
        """Names of the samples it renders."""
        if self.type == "histogram":
            return tuple(self.name + s for s in ("_bucket", "_sum", "_count"))
        return (self.name,)
