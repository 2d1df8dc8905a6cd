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
    """The same usage with the finer split, where only the other reporter has one."""
    if other is None or usage.output_all != other.output_all:
        return usage
    if usage.input_all == other.input_all:
        return other if _fineness(other) > _fineness(usage) else usage
    if is_part_of_usage(usage, other):
        return max(usage, other, key=lambda tokens: tokens.input_all)
    return _with_cache(usage, other) or _with_cache(other, usage) or usage


def _with_cache(whole: Tokens, split: Tokens) -> Tokens | None:
    """What both say where one of them leaves cached tokens out of its input; None where neither.

    Args:
        whole: Usage as one reporter tells it.
        split: The same as another does, with cached tokens.
    """
    cached = split.cache_read + split.cache_write
    if not cached:
        return None
    if whole.input_all == split.input_all + cached:
        # The split was taken out of an input that did not contain it.
        apart = replace(split, input=split.input + cached, inclusion_assumed=False)
        return whole if whole.cache_read + whole.cache_write == cached else apart
    if whole.input_all == split.input_all - cached and whole.cache_read + whole.cache_write == 0:
        return replace(split, inclusion_assumed=False)
    return None


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
    if not (_ran_within(one, other) or _ran_within(other, one)):
        return False
    if one.response_id and other.response_id:
        return False
    if one.operation != other.operation or not same_outcome(one.error_type, other.error_type):
        return False
    if not one.error_type and not (
        same_usage(one.tokens, other.tokens)
        or is_part_of_usage(one.tokens, other.tokens)
        or _is_untold_usage(one, other)
    ):
        return False
    return same_model(one, other)


def _is_untold_usage(one: LlmCall, other: LlmCall) -> bool:
    """Whether one of two reporters of one request reads no usage, as of embeddings.

    Nothing but the time speaks for it, so both must begin and end together, and name a model.
    """
    return (
        (one.tokens is None) != (other.tokens is None)
        and abs(one.start_ns - other.start_ns) <= SLACK_NS
        and abs(one.end_ns - other.end_ns) <= SLACK_NS
        and all(call.request_model or call.response_model for call in (one, other))
    )


def contain(one: Timed, other: Timed, slack_ns: int) -> bool:
    """Whether one of two ran within the other, give or take `slack_ns`."""
    first = Interval(one.start_ns, one.end_ns)
    second = Interval(other.start_ns, other.end_ns)
    return first.contains(second, slack_ns) or second.contains(first, slack_ns)


def _ran_within(inner: LlmCall, outer: LlmCall) -> bool:
    """Whether a call ran within another, which may close a little before it."""
    over_ns = SLACK_NS
    if inner.tokens is not None and inner.start_ns <= outer.end_ns:
        # A wrapper is done with the last words, an SDK when the connection is closed.
        over_ns = max(SLACK_NS, (inner.end_ns - inner.start_ns) // 4)
    return outer.start_ns - SLACK_NS <= inner.start_ns and inner.end_ns <= outer.end_ns + over_ns


def same_outcome(one: str, other: str) -> bool:
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


def same_usage(one: Tokens | None, other: Tokens | None) -> bool:
    """Whether two reporters tell the same totals, or neither tells any."""
    if one is None or other is None:
        return one is other
    return one.input_all == other.input_all and one.output_all == other.output_all


def is_part_of_usage(one: Tokens | None, other: Tokens | None) -> bool:
    """Whether one of two reporters heard of the output only: some read a stream's last part."""
    if one is None or other is None or one.output_all != other.output_all:
        return False
    return one.output_all > 0 and 0 in (one.input_all, other.input_all)
