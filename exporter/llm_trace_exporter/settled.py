"""What is settled: calls with their price, and what several records together say."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from .model import LlmCall, Verdict


class Agreement(Struct, frozen=True, gc=False):
    """A judge's verdict and a human's on the same subject, compared."""

    verdict: Verdict
    """The machine's, with its subject."""
    agrees: bool


class LateUsage(Struct, frozen=True, gc=False):
    """Usage that came after its call was counted without."""

    counted: LlmCall
    """The call as it was counted."""
    call: LlmCall
    """The same with its usage."""
    is_first: bool
    """False where some of its usage came late before."""


class TraceSummary(Struct, frozen=True, gc=False):
    """One whole trace."""

    trace_id: bytes
    span_id: bytes
    """The root's; empty where it did not come."""
    service: str
    environment: str
    dimensions: tuple[str, ...]
    root: str
    """The root span's name; empty where it did not come."""
    failed: bool
    duration_s: float | None
    """None: its root has no end that can be true."""
    llm_calls: int
    tool_calls: int
    tokens: int | None
    """None: the usage of an answered call is unknown."""
    cost_usd: float | None
    """None: a call could not be priced."""
    weight: float = 1.0


class CostLine(Struct, frozen=True, gc=False):
    """Dollars of one call of one type."""

    type: str
    """A token type, `request` (a fee per call) or `unsplit` (only a total was reported)."""
    source: Literal["reported", "contract", "list"]
    usd: float


UnpricedReason = Literal["no_model", "unknown_model", "no_usage", "per_request", "unexplained"]
Assumption = Literal["tier", "cache_lifetime", "region", "cache_inclusion", "reasoning_inclusion"]
"""What the emitter or the price list left open, so that the likeliest was taken: the tier has no
price of its own, the lifetime of a cache write or the region is not told, or nothing proves
whether the input contains the cached tokens, or the output the reasoning."""


class PricedCall(Struct, frozen=True, gc=False):
    """A settled call with its labels made canonical and its price; what the store counts."""

    call: LlmCall
    provider: str
    model: str
    """Canonical model name (not yet capped)."""
    cost: tuple[CostLine, ...] = ()
    unpriced: UnpricedReason | None = None
    """Why there is no price for the call, or for `unpriced_tokens` of it."""
    unpriced_tokens: tuple[tuple[str, int], ...] = ()
    """(type, count) of tokens without a price, non-zero ones only; `unexplained`: of no type."""
    assumptions: tuple[tuple[Assumption, float], ...] = ()
    """(assumption, dollars that rest on it): what is in the price without being told."""

    @property
    def cost_usd(self) -> float | None:
        """Dollars of the call; None when nothing of it could be priced."""
        return sum([line.usd for line in self.cost]) if self.cost else None
