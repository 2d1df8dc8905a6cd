"""Cost that an emitter wrote itself: whether to believe it, and as which lines."""

from __future__ import annotations

import math

from ..model import TOKEN_TYPES, LlmCall, ReportedCost
from ..settled import CostLine

MAX_USD = 10_000.0
"""No single call costs more; a higher figure is a unit error (cents, micro-dollars, a total)."""

_TYPES = (*TOKEN_TYPES, "request")
_RELATIVE_TOLERANCE = 1e-6
_ABSOLUTE_TOLERANCE = 1e-12


def reported_lines(call: LlmCall) -> tuple[CostLine, ...]:
    """Return the lines of the cost that a call reports, empty when it is no price.

    Negative, infinite, NaN and absurd figures are none. Zero is what emitters write when they do
    not know, so it is a price only where a gateway says that it answered from its cache.
    """
    cost = call.reported_cost
    if cost is None or not _possible(cost.total_usd):
        return ()
    if cost.total_usd == 0:
        return (CostLine("unsplit", "reported", 0.0),) if served_from_cache(call) else ()
    return _split(cost)


def served_from_cache(call: LlmCall) -> bool:
    """Tell whether a gateway answered from its own cache, so that the provider billed nothing."""
    return any(event == "cache_hit" for event, _ in call.gateway_events)


def _split(cost: ReportedCost) -> tuple[CostLine, ...]:
    """Return the reported parts and what they leave of the total; the total always holds."""
    parts: dict[str, float] = {}
    for kind, usd in cost.by_type:
        if not _possible(usd):
            return _unsplit(cost.total_usd)
        if usd:
            name = kind if kind in _TYPES else "unsplit"
            parts[name] = parts.get(name, 0.0) + usd
    rest = cost.total_usd - sum(parts.values())
    tolerance = max(cost.total_usd * _RELATIVE_TOLERANCE, _ABSOLUTE_TOLERANCE)
    if rest < -tolerance:
        # Parts above the total: a discount, or parts that hold each other. Only the total is sure.
        return _unsplit(cost.total_usd)
    if rest > tolerance:
        parts["unsplit"] = parts.get("unsplit", 0.0) + rest
    return tuple(CostLine(kind, "reported", usd) for kind, usd in parts.items())


def _unsplit(total_usd: float) -> tuple[CostLine, ...]:
    return (CostLine("unsplit", "reported", total_usd),)


def _possible(usd: float) -> bool:
    return math.isfinite(usd) and 0 <= usd <= MAX_USD
