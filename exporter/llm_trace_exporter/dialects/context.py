"""What the dialects need to know of the configuration."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache

from ..errors import RejectedRecord
from ..otlp.records import RawLog, RawSpan
from .cache_inclusion import Inclusion
from .schema import AttributeKey, Dialect, keys
from .verdict_rules import Judging

MAX_WEIGHT = 1_000_000.0
"""A sampling rate below one in a million is not believed."""

_THRESHOLD_BITS = 56
_THRESHOLD = re.compile(r"[0-9a-f]{1,14}", re.IGNORECASE | re.ASCII)


@dataclass(frozen=True, slots=True)
class Dimension:
    """A label and where its value may be written, on the record first, then on the resource."""

    label: str
    keys: tuple[AttributeKey, ...]


FEATURE_KEYS: tuple[str, ...] = (
    "feature",
    "llm.feature",
    "ai.telemetry.functionId",
    "traceloop.association.properties.feature",
    "traceloop.workflow.name",
    "gen_ai.workflow.name",
    "langfuse.trace.metadata.feature",
    "langfuse.observation.metadata.feature",
    "langsmith.metadata.feature",
    "metadata#feature",
    "confident.trace.metadata#feature",
    "metadata.requester_metadata#feature",
    "langfuse.trace.name",
    "confident.trace.name",
)
TEAM_KEYS: tuple[str, ...] = (
    "team",
    "llm.team",
    "service.team",
    "metadata.user_api_key_team_alias",
    "metadata.team_alias",
    "langfuse.trace.metadata.team",
    "langsmith.metadata.team",
    "traceloop.association.properties.team",
    "metadata#team",
    "confident.trace.metadata#team",
)
PROMPT_NAME_KEYS: tuple[str, ...] = (
    "langfuse.observation.prompt.name",
    "traceloop.prompt.key",
    "prompt.id",
    "confident.span.prompt_alias",
    "ai.observability.prompt.slug",
    "gen_ai.prompt.name",
)
PROMPT_VERSION_KEYS: tuple[str, ...] = (
    "langfuse.observation.prompt.version",
    "traceloop.prompt.version",
    "llm.prompt_template.version",
    "confident.span.prompt_version",
    "ai.observability.prompt.version_id",
    "gen_ai.prompt.version",
)


def attribute_key(written: str) -> AttributeKey:
    """A key as the configuration writes it; `attr#a.b` is member b of member a of JSON."""
    attr, _, path = written.partition("#")
    return AttributeKey(attr, tuple(path.split(".")) if path else ())


def dimension(label: str, attribute_keys: tuple[str, ...]) -> Dimension:
    """A dimension from configured keys."""
    return Dimension(label, tuple(map(attribute_key, attribute_keys)))


DEFAULT_DIMENSIONS = (
    dimension("feature", FEATURE_KEYS),
    dimension("team", TEAM_KEYS),
    dimension("prompt_name", PROMPT_NAME_KEYS),
    dimension("prompt_version", PROMPT_VERSION_KEYS),
)


@dataclass(frozen=True, slots=True)
class Context:
    """Everything configurable that reading depends on."""

    dimensions: tuple[Dimension, ...] = DEFAULT_DIMENSIONS
    conventions: tuple[Dialect, ...] = ()
    """The operator's own, which are tried before the shipped ones."""
    disabled: frozenset[str] = frozenset()
    """Names of dialects that are not read."""
    cache_inclusion: Mapping[str, Inclusion | Mapping[str, Inclusion]] = field(default_factory=dict)
    """Scope name -> whether its input counts contain cached tokens, or provider -> whether they
    do; overrides the dialect."""
    sampling: Mapping[str, float] = field(default_factory=dict)
    """Service -> share of its traces that is sent, in (0, 1]."""
    count_details_logs: frozenset[str] | None = frozenset()
    """Services whose `...operation.details` log records are calls; None means every service."""
    judging: Judging = field(default_factory=Judging)
    """What results of judges mean."""
    fixed: Mapping[str, str] = field(default_factory=dict)
    """`service`, `environment` or a dimension's label -> its value, whatever a record says."""


SERVICE = keys("service.name")
ENVIRONMENT = keys(
    "deployment.environment.name",
    "deployment.environment",
    "langfuse.environment",
    "confident.trace.environment",
    "env",
)

CONTEXT_KEYS: tuple[AttributeKey, ...] = (*SERVICE, *ENVIRONMENT)


def weight_of(record: RawSpan | RawLog, service: str, context: Context) -> float:
    """How many records this one stands for: consistent probability sampling, else config.

    Source: OTel tracestate probability sampling, `ot=th:<rejection threshold>`.
    Raises: RejectedRecord for a threshold that would make one record count for too many.
    """
    if isinstance(record, RawSpan) and "th:" in record.trace_state:
        return _threshold_weight(record.trace_state)
    ratio = context.sampling.get(service)
    return 1.0 / ratio if ratio else 1.0


@lru_cache(maxsize=1024)
def _threshold_weight(trace_state: str) -> float:
    for vendor in trace_state.split(","):
        name, _, members = vendor.strip().partition("=")
        if name != "ot":
            continue
        for member in members.split(";"):
            field_name, _, digits = member.partition(":")
            if field_name == "th":
                return _adjusted_count(digits)
    return 1.0


def _adjusted_count(digits: str) -> float:
    if _THRESHOLD.fullmatch(digits) is None:
        return 1.0
    threshold = int(digits.ljust(_THRESHOLD_BITS // 4, "0"), 16)
    weight = float(2**_THRESHOLD_BITS / (2**_THRESHOLD_BITS - threshold))
    if weight > MAX_WEIGHT:
        raise RejectedRecord("a sampling threshold is absurdly high")
    return weight
