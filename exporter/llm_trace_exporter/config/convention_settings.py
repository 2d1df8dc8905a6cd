"""Conventions of an operator's own: where a home-grown vocabulary writes what."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from ..dialects.cache_inclusion import Inclusion

TimeUnit = Literal["s", "ms"]


@dataclass(frozen=True, slots=True)
class DetectSettings:
    """What gives a convention away; any one of it does."""

    scopes: tuple[str, ...] = ()
    """Prefixes of instrumentation scopes."""
    attributes: tuple[str, ...] = ()
    """Of spans."""
    resource_attributes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class KindSettings:
    """What says what a span is."""

    keys: tuple[str, ...] = ()
    """Attributes in reading order; the first known value decides."""
    values: Mapping[str, str] = field(default_factory=dict)
    """Value, letter case ignored, to one of `dialects.KINDS_BY_NAME`."""


@dataclass(frozen=True, slots=True)
class ModelSettings:
    """Where models are named."""

    request: tuple[str, ...] = ()
    response: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ProviderSettings:
    """Who answers."""

    keys: tuple[str, ...] = ()
    default: str = ""
    """Where a span names nobody; empty: unknown."""


@dataclass(frozen=True, slots=True)
class UsageSettings:
    """Where token counts are written, each name that of the fact."""

    input: tuple[str, ...] = ()
    output: tuple[str, ...] = ()
    total: tuple[str, ...] = ()
    cache_read: tuple[str, ...] = ()
    cache_write: tuple[str, ...] = ()
    cache_write_5m: tuple[str, ...] = ()
    """Those that last five minutes."""
    cache_write_1h: tuple[str, ...] = ()
    """Those that last an hour."""
    reasoning: tuple[str, ...] = ()
    audio_input: tuple[str, ...] = ()
    audio_output: tuple[str, ...] = ()
    usage_object: tuple[str, ...] = ()
    """Objects whose members are counts, told apart by their names."""
    cache: Inclusion | None = None
    """Whether `input` contains cached tokens; None: as the provider's name and the total say."""


@dataclass(frozen=True, slots=True)
class TimeToFirstTokenSettings:
    """Where the time to the first token is written, and in which unit."""

    keys: tuple[str, ...]
    unit: TimeUnit = "s"


@dataclass(frozen=True, slots=True)
class ConventionSettings:
    """One convention. All keys: the first one that is there is read; `attr#a.b` looks into JSON."""

    name: str
    detect: DetectSettings = DetectSettings()
    kind: KindSettings = field(default_factory=KindSettings)
    model: ModelSettings = ModelSettings()
    provider: ProviderSettings = ProviderSettings()
    usage: UsageSettings = UsageSettings()
    cost: tuple[str, ...] = ()
    """US dollars."""
    finish_reason: tuple[str, ...] = ()
    response_id: tuple[str, ...] = ()
    streaming: tuple[str, ...] = ()
    time_to_first_token: TimeToFirstTokenSettings | None = None
    session: tuple[str, ...] = ()
    feature: tuple[str, ...] = ()
    """Read before the keys of the dimension `feature`."""
