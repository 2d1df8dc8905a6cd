"""What was found out before anything is judged: one frozen record, and its parts.

`Missing` stands where a server does not tell: Mimir has no targets, VictoriaMetrics no rules, and a
proxy may hide the configuration.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from .promql import Need, Selector, selectors

Labels = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Missing:
    """What the server does not tell, and why."""

    reason: str


@dataclass(frozen=True, slots=True)
class Sample:
    """One series' value."""

    labels: Labels
    value: float

    @property
    def source(self) -> tuple[str, str]:
        """The job and instance that it came from."""
        return self.labels.get("job", ""), self.labels.get("instance", "")


def service_of(labels: Labels) -> str:
    """The service that is counted, also where the scrape took the label."""
    return labels.get("exported_service") or labels.get("service", "")


@dataclass(frozen=True, slots=True)
class Curve:
    """One series' values over the last hours."""

    labels: Labels
    points: tuple[tuple[float, float], ...]
    """Unix time, value."""

    @property
    def service(self) -> str:
        """The service that is counted."""
        return service_of(self.labels)


@dataclass(frozen=True, slots=True)
class Target:
    """One address that Prometheus scrapes, or dropped before it did."""

    pool: str
    """The scrape configuration's name."""
    labels: Labels
    discovered: Labels
    """Before relabelling."""
    url: str = ""
    health: str = ""
    """up, down, unknown."""
    error: str = ""
    duration_s: float = 0.0
    interval_s: float = 0.0
    timeout_s: float = 0.0

    @property
    def source(self) -> tuple[str, str]:
        """Its job and instance."""
        return self.labels.get("job", ""), self.labels.get("instance", "")


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule as the server holds it."""

    name: str
    group: str
    file: str
    is_alert: bool
    expr: str
    labels: Labels
    health: str
    error: str
    need: Need

    @property
    def selectors(self) -> tuple[Selector, ...]:
        """The different selectors in it."""
        return selectors(self.need)

    @property
    def title(self) -> str:
        """Its name, with the severity of an alert."""
        severity = self.labels.get("severity", "") if self.is_alert else ""
        return f"{self.name} ({severity})" if severity else self.name


@dataclass(frozen=True, slots=True)
class Group:
    """One group of rules."""

    name: str
    file: str
    interval_s: float
    evaluation_s: float
    """Duration of the last evaluation."""
    evaluated_s: float
    """Unix time of the last evaluation; 0: never."""
    rules: tuple[Rule, ...]


@dataclass(frozen=True, slots=True)
class Panel:
    """The queries of one panel."""

    dashboard: str
    title: str
    needs: tuple[Need, ...]
    """Of each query."""

    @property
    def selectors(self) -> tuple[Selector, ...]:
        """The different selectors in it."""
        return selectors(*self.needs)


@dataclass(frozen=True, slots=True)
class Exemplar:
    """A sample's trace."""

    instance: str
    trace_id: str
    span_id: str
    unix_s: float


@dataclass(frozen=True, slots=True)
class Unread:
    """Records that look alike and that the exporter did not understand."""

    signal: str
    scope: str
    name: str
    attributes: tuple[str, ...]
    records: int
    convention: Mapping[str, Any]
    """A member of `conventions` to start from."""


@dataclass(frozen=True, slots=True)
class Page:
    """The exporter's own `/metrics`, asked from here."""

    url: str
    content_type: str
    names: frozenset[str]
    """Of its samples."""
    ahead_s: float | None
    """How far its clock is before this machine's; None: it did not say."""
    unread: tuple[Unread, ...] | Missing = ()
    """What it did not understand."""


@dataclass(frozen=True, slots=True)
class Facts:
    """Everything that checks look at."""

    url: str
    product: str
    """Prometheus, Grafana Mimir, ...; empty where it does not tell."""
    version: str
    now_s: float
    """The server's Unix time."""
    ahead_s: float
    """How far its clock is before this machine's."""
    flags: Mapping[str, str] | Missing
    config: Mapping[str, Any] | Missing
    targets: tuple[Target, ...] | Missing
    dropped: tuple[Target, ...] | Missing
    """Asked only where no exporter is seen."""
    groups: tuple[Group, ...] | Missing
    """Those with a rule that is the exporter's."""
    alertmanagers: int | Missing
    names: frozenset[str] | Missing
    """Metric names like the exporter's that the server holds, now or before."""
    label_names: frozenset[str] | Missing
    """Of these metrics."""
    figures: Mapping[str, tuple[Sample, ...] | Missing]
    """Answers of `questions.QUESTIONS`."""
    exemplars: tuple[Exemplar, ...] | Missing
    counts: Mapping[Selector, int]
    """Series that a selector has now; one that could not be asked is not in it."""
    shipped: tuple[Rule, ...]
    """The rules that belong to this version."""
    panels: tuple[Panel, ...]
    curves: tuple[Curve, ...] | Missing = ()
    """The answer of `questions.TOKENS_BY_SERVICE`, by minute."""
    page: Page | None = None
    objects: Mapping[str, tuple[Mapping[str, Any], ...] | Missing] = field(default_factory=dict)
    """Kubernetes' objects by resource; empty where they were not asked for."""

    def asked(self, question: str) -> tuple[Sample, ...]:
        """The answer of a question; none where the server does not tell."""
        answer = self.figures.get(question, ())
        return () if isinstance(answer, Missing) else answer

    @property
    def exporters(self) -> tuple[Sample, ...]:
        """Exporters that the server has samples of, now."""
        return self.asked("exporters")
