"""What an operator can choose about the built-in judge; see `settings`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from ..judge.rules import Material


@dataclass(frozen=True, slots=True)
class EndpointSettings:
    """The model that judges, behind an OpenAI-compatible chat API."""

    url: str = ""
    """Base URL; empty: off."""
    model: str = ""
    provider: str = ""
    """Who serves it, for its price; empty: as the model's name tells."""
    api_key_file: str = ""
    """Empty: no key."""
    api_key_header: str = "authorization"
    """`authorization` carries `Bearer` and the key, any other the key."""
    api_version: str = ""
    """Azure's `api-version`; empty: none."""
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class SampleSettings:
    """How many of the calls with certain labels are judged."""

    where: tuple[str, ...] = ()
    """Matchers such as `feature="refunds"`; none: every call."""
    rate: float = 1.0
    """Share of the traces, 0-1."""
    per_minute: int | None = None
    """Calls in any 60 seconds; None: any number."""


@dataclass(frozen=True, slots=True)
class RuleSettings:
    """One TRUE/FALSE question of the built-in judge."""

    name: str
    question: str
    passes_when: bool = True
    """The answer that is a pass."""
    inputs: tuple[Material, ...] = ("user", "answer")
    requires: tuple[Material, ...] | None = None
    """None: all that it sees."""
    where: tuple[str, ...] = ()
    """Matchers, all of which must match."""
    sample: tuple[SampleSettings, ...] = ()
    """The first that matches decides; none given: every call."""


@dataclass(frozen=True, slots=True)
class BuiltInJudgeSettings:
    """The built-in judge; off while it has no endpoint or no rule."""

    endpoint: EndpointSettings = field(default_factory=EndpointSettings)
    timeout_s: float = 30.0
    """Seconds for one attempt."""
    max_attempts: int = 3
    max_concurrent: int = 4
    """Questions asked at once."""
    max_queue: int = 1000
    """Questions that wait."""
    max_characters: int = 20_000
    """Of one text that is shown."""
    max_output_tokens: int = 1024
    """Of the judge's answer."""
    daily_limit_usd: float = 10.0
    """US dollars in a UTC day."""
    circuit_failures: int = 5
    """Failures in a row that open the circuit."""
    circuit_cooldown_s: float = 30.0
    """Seconds for which it stays open."""
    rules_file: str = ""
    """File with further rules; they stand in `rules` once it is read."""
    rules: tuple[RuleSettings, ...] = ()
