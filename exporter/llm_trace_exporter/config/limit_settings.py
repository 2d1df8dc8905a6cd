"""What an operator can choose about waiting and remembering; see `settings`."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class TracesSettings:
    """When a whole trace is complete."""

    idle_timeout_s: float = 30.0
    """Silence after which a trace whose root has ended is complete."""
    rootless_idle_timeout_s: float = 300.0
    """Silence after which one is complete whose root does not come."""
    max_age_s: float = 3_600.0
    max_open: int = 50_000
    inherit_wait_s: float = 0.0
    """How long calls and steps wait for the root of their trace to lend dimensions."""


@dataclass(frozen=True, slots=True)
class LimitSettings:
    """How much is waited for and remembered while calls settle."""

    max_pending: int = 200_000
    """Calls and steps that wait; beyond it the oldest are settled early."""
    max_spans: int = 300_000
    """Spans in the trace table."""
    trace_age_s: float = 3_600.0
    """Seconds after which a trace that is not seen again is forgotten."""
    max_remembered: int = 100_000
    """Response ids, log fingerprints, verdicts and sessions, each."""
    max_subjects: int = 100_000
    """Calls that a result can still name."""
    evaluation_target_age_s: float = 86_400.0
    evaluation_wait_s: float = 60.0
    """How long a result waits for a call that was not seen yet."""
    max_pulled: int = 200_000
    """Scores and spans of stores, known by what identifies them."""
    max_explained: int = 0
    """Spans and log records of which is kept what was decided; 0: of none."""
