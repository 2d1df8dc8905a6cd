"""One call told more than once: which reporter's numbers win, and what the others add."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Protocol

from msgspec.structs import replace

from ..model import ErrorType, GatewayEvent, LlmCall, Tokens


def fill_missing(inner: LlmCall, outer: LlmCall, *, with_usage: bool, with_cost: bool) -> LlmCall:
    """The inner reporter's call with what only the outer one knows.

    The inner numbers win. An outer span knows better who asked (service, dimensions), and often
    alone knows the cost, the finish reason or the first token.

    Args:
        with_usage: the outer usage may stand in where the inner has none.
        with_cost: likewise the outer cost; false when it is the sum of several calls.
    """
    origin, asked = inner.origin, outer.origin
    usage = inner.tokens if inner.tokens is not None or not with_usage else outer.tokens
    dropped = with_usage and not inner.error_type and inner.tokens is None and outer.error_type
    longer = inner.duration_s == 0 < outer.duration_s
    return replace(
        inner,
        origin=replace(
            origin,
            service=asked.service if asked.signal == "span" else origin.service,
            environment=asked.environment or origin.environment,
            dimensions=first_non_empty(origin.dimensions, asked.dimensions),
        ),
        start_ns=outer.start_ns if longer else inner.start_ns,
        end_ns=outer.end_ns if longer else inner.end_ns,
        is_untimed=inner.is_untimed and not longer,
        provider=inner.provider or outer.provider,
        request_model=inner.request_model or outer.request_model,
        response_model=inner.response_model or outer.response_model,
        tokens=usage if usage is None or not with_usage else _split(usage, outer.tokens),
        error_type=_error(inner, outer) if not dropped else outer.error_type,
        finish_reasons=inner.finish_reasons or outer.finish_reasons,
        streaming=inner.streaming or outer.streaming,
        ttft_s=inner.ttft_s if inner.ttft_s is not None else outer.ttft_s,
        reported_cost=inner.reported_cost
        if inner.reported_cost is not None or not with_cost
        else outer.reported_cost,
        response_id=inner.response_id or outer.response_id,
        service_tier=inner.service_tier or outer.service_tier,
        gateway_events=_events(inner, outer),
        purpose=inner.purpose or outer.purpose,
        # Where one reporter is sampled and the other is not, the other tells the rest as well.
        weight=min(inner.weight, outer.weight),
    )


def with_late_usage(counted: LlmCall, late: LlmCall) -> LlmCall:
    """A call whose usage came after it was counted without, under the labels it was counted with.

    The cost that was told with it was counted then.
    """
    origin = counted.origin
    return replace(
        late,
        origin=replace(
            origin, dimensions=first_non_empty(origin.dimensions, late.origin.dimensions)
        ),
        operation=counted.operation,
        provider=counted.provider or late.provider,
        request_model=counted.request_model or late.request_model,
        response_model=counted.response_model or late.response_model,
        purpose=counted.purpose,
        reported_cost=late.reported_cost if counted.reported_cost is None else None,
        weight=counted.weight,
    )


def first_non_empty(first: tuple[str, ...], second: tuple[str, ...]) -> tuple[str, ...]:
    """The first values, and the second where those are empty."""
    if len(first) != len(second):
        return first
    return tuple(a or b for a, b in zip(first, second, strict=True))


def _split(usage: Tokens, other: Tokens | None) -> Tokens:
    """The same totals with the finer split, where only the other reporter has one."""
    if (
        other is not None
        and usage.input_all == other.input_all
        and usage.output_all == other.output_all
        and _fineness(other) > _fineness(usage)
    ):
        return other
    return usage


def _fineness(usage: Tokens) -> int:
    return sum(1 for _, count in usage.by_type() if count)


def _error(inner: LlmCall, outer: LlmCall) -> ErrorType:
    if inner.error_type == "other" and outer.error_type:
        return outer.error_type
    return inner.error_type


def _events(inner: LlmCall, outer: LlmCall) -> tuple[tuple[GatewayEvent, int], ...]:
    if not outer.gateway_events:
        return inner.gateway_events
    merged = dict(outer.gateway_events)
    for event, count in inner.gateway_events:
        merged[event] = max(count, merged.get(event, 0))
    return tuple(merged.items())


@dataclass(frozen=True, slots=True)
class Interval:
    """When a call ran, Unix nanoseconds."""

    start_ns: int
    end_ns: int

    def contains(self, other: Interval, slack_ns: int) -> bool:
        """Whether the other one ran within this one, give or take `slack_ns`."""
        return self.start_ns - slack_ns <= other.start_ns and other.end_ns <= self.end_ns + slack_ns

    def apart_ns(self, other: Interval) -> int:
        """How far the two are from being the same."""
        return abs(self.start_ns - other.start_ns) + abs(self.end_ns - other.end_ns)


def same_model(one: LlmCall, other: LlmCall) -> bool:
    """Whether two reporters may mean one model: one may know only the name that was asked for."""
    names = {one.request_model, one.response_model} - {""}
    others = {other.request_model, other.response_model} - {""}
    if not names or not others:
        return True
    return any(_same_name(a, b) for a in names for b in others)


@lru_cache(maxsize=4_096)
def _same_name(one: str, other: str) -> bool:
    a, b = one.rpartition("/")[2].lower(), other.rpartition("/")[2].lower()
    return a == b or a.startswith(f"{b}-2") or b.startswith(f"{a}-2")


def may_be_copies(one: LlmCall, other: LlmCall) -> bool:
    """Whether two calls told by different instrumentations may be one, judged without an id.

    Successful calls must agree on their usage. Two ids that differ prove two calls.
    """
    first = Interval(one.start_ns, one.end_ns)
    second = Interval(other.start_ns, other.end_ns)
    if not (first.contains(second, SLACK_NS) or second.contains(first, SLACK_NS)):
        return False
    if one.response_id and other.response_id:
        return False
    if one.operation != other.operation or not _same_outcome(one.error_type, other.error_type):
        return False
    if not one.error_type and not _same_usage(one.tokens, other.tokens):
        return False
    return same_model(one, other)


def _same_outcome(one: str, other: str) -> bool:
    """Whether two reporters may mean one outcome: one may not know why a call failed."""
    return one == other or (bool(one) and bool(other) and "other" in (one, other))


class Timed(Protocol):
    """What ran for a while, Unix nanoseconds."""

    @property
    def start_ns(self) -> int:
        """When it began."""

    @property
    def end_ns(self) -> int:
        """When it ended."""


def overlap(one: Timed, other: Timed) -> bool:
    """Whether two calls ran at one time: some servers give an id again after a while."""
    return one.start_ns <= other.end_ns + SLACK_NS and other.start_ns <= one.end_ns + SLACK_NS


SLACK_NS = 50_000_000
"""Clocks of two reporters in one process are read this far apart at most."""


def _same_usage(one: Tokens | None, other: Tokens | None) -> bool:
    if one is None or other is None:
        return one is other
    return one.input_all == other.input_all and one.output_all == other.output_all
