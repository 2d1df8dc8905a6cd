"""What an operator can choose about stores that the exporter reads; see `settings`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

Mode = Literal["scores", "calls+scores"]


@dataclass(frozen=True, slots=True)
class SourceSettings:
    """One store that keeps scores, and calls."""

    name: str
    system: str
    """What it is: `phoenix`, `mlflow`, ..."""
    url: str
    projects: tuple[str, ...]
    """Which of its projects, or experiments, are read."""
    mode: Mode = "scores"
    credentials_file: str = ""
    """Path; empty: it lets everybody in."""
    ca_file: str = ""
    """Path of the certificates that it is known by; empty: those of the system."""
    interval_s: float = 60.0
    """Seconds between two polls."""
    lookback_s: float = 86_400.0
    """Age up to which work is looked at for new and changed scores."""
    start_at_s: float = 0.0
    """Age up to which scores count that are there at the first start."""
    service: str = ""
    """Whose the work is, where the store does not say."""
    timezone: str = "UTC"
    """Of times in the store that have none, by its IANA name."""
    labels: Mapping[str, str] = field(default_factory=dict)
    """What its records are labelled, whatever they say."""
