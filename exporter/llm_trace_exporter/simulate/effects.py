"""What an incident changes: the knobs of the simulated world."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields, replace
from typing import Any


@dataclass(frozen=True, slots=True)
class Effects:
    """How a moment differs from a healthy one.

    What is 1.0 by default is a factor. What is 0.0 is a probability that comes on top of the
    healthy one. What is empty is a name that takes the place of the healthy one.
    """

    traffic: float = 1.0
    duration: float = 1.0
    first_token: float = 1.0
    input_tokens: float = 1.0
    output_tokens: float = 1.0
    cached: float = 1.0
    rounds: float = 1.0
    """How often an agent goes round before it answers."""
    scores: float = 1.0
    """Of retrieved documents."""
    lag: float = 1.0
    """Of records on their way to the exporter."""
    steps: float = 1.0
    """How long tools and retrievals take."""
    judge_traffic: float = 1.0
    judge_tokens: float = 1.0
    judge_delay: float = 1.0
    """How long after an answer a model judges it."""

    errors: float = 0.0
    retries: float = 0.0
    fallbacks: float = 0.0
    cache_hits: float = 0.0
    judge_failures: float = 0.0
    judge_errors: float = 0.0
    unknown_labels: float = 0.0
    """Results whose label nobody knows."""
    strays: float = 0.0
    """Results about a call that nobody sent."""
    negative: float = 0.0
    refusals: float = 0.0
    filtered: float = 0.0
    truncated: float = 0.0
    blocks: float = 0.0
    guard_errors: float = 0.0
    unguarded: float = 0.0
    """Requests that no guardrail looks at."""
    tool_errors: float = 0.0
    empty: float = 0.0
    """Retrievals that find nothing."""
    flood: float = 0.0
    """Records whose feature nobody has ever heard of."""
    duplicates: float = 0.0
    """Traces that are sent twice."""
    wrapped: float = 0.0
    """Calls that a second instrumentation tells as well."""
    unknown: float = 0.0
    """Traces in a convention that nobody knows."""
    invalid: float = 0.0
    """Calls with an impossible number of tokens."""
    malformed: float = 0.0
    """Requests besides the traffic that no receiver can read."""

    error: str = ""
    """Type of the errors, of the table in `failures`."""
    request_model: str = ""
    response_model: str = ""


HEALTHY = Effects()


def combined(several: Iterable[Effects]) -> Effects:
    """All of them at once: factors multiply, probabilities add up, the last name wins."""
    found = HEALTHY
    for one in several:
        both = {f.name: _both(f.name, found, one) for f in fields(Effects)}
        found = replace(found, **both)
    return found


def _both(name: str, one: Effects, other: Effects) -> Any:
    default, a, b = (getattr(effects, name) for effects in (HEALTHY, one, other))
    if isinstance(default, str):
        return b or a
    return a * b if default else 1 - (1 - a) * (1 - b)
