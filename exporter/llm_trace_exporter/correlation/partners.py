"""Reporters that may tell one call are found, and groups of those that do brought together."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator
from typing import TypeVar

from msgspec.structs import replace

from ..model import LlmCall
from .call_groups import CallGroup
from .matching import Fits, closest_pairs, timelines
from .merge import fill_missing, first_non_empty
from .trace import Report, Reporter

K = TypeVar("K", bound=Hashable)
_Key = Callable[[CallGroup], frozenset[K]]
"""Who told a call: two groups with one of them in common are two calls."""
_Merge = Callable[[CallGroup, CallGroup], CallGroup]


Outcome = tuple[bool, int, int]
"""Whether a call failed, and the input and output tokens of one that was answered; -1: unknown."""


def outcome_of(call: LlmCall) -> Outcome:
    """What all who tell a call agree on."""
    usage = call.tokens
    if call.error_type or usage is None:
        return bool(call.error_type), -1, -1
    return False, usage.input_all, usage.output_all


def call_of(pending: Report) -> LlmCall:
    """The call that a report tells.

    Raises: TypeError for a step, which has no copies.
    """
    if not isinstance(pending.record, LlmCall):
        raise TypeError("steps have no copies")
    return pending.record


def nearest_waiting(
    due: Iterable[Report], waiting: Iterable[Report], fits: Fits
) -> Iterator[Report]:
    """The nearest of those waiting of other reporters whose time fits one that is due."""
    by_reporter = timelines(list(waiting), lambda p: p.reporter, call_of, fits)
    for pending in due if by_reporter else ():
        call, own = call_of(pending), pending.reporter
        for reporter, timeline in by_reporter.items():
            if reporter != own:
                for at in (*timeline.before(call), *timeline.after(call)):
                    yield timeline.items[at]


def drop_from(index: dict[K, dict[int, Report]], key: K, pending: Report) -> None:
    """Take a report out of those that an index holds by identity; what is empty goes."""
    found = index.get(key)
    if found is not None:
        found.pop(id(pending), None)
        if not found:
            del index[key]


def scopes_of(leaf: CallGroup) -> frozenset[str]:
    """The instrumentations that told a call."""
    return frozenset(leaf.scopes)


def reporters_of(leaf: CallGroup) -> frozenset[Reporter]:
    """Who told a call."""
    return leaf.reported_by


def joined(
    leaves: list[CallGroup], key: _Key[K], fits: Fits | None = None, merge: _Merge | None = None
) -> list[CallGroup]:
    """The same calls, those that fit merged: partners with the least time between them first.

    A group has one partner of each instrumentation at most.

    Args:
        leaves: Calls in which partners are looked for.
        key: Who told a call.
        fits: Whether two may be one; None: by content, as copies are.
        merge: How two become one; None: the one next to the provider tells best.
    """
    before, found = len(leaves) + 1, leaves
    # A third reporter joins a pair in the next round.
    while 1 < len(found) < before:
        before, found = len(found), _paired(found, key, fits, merge or merged)
    return found


def _paired(
    leaves: list[CallGroup], key: _Key[K], fits: Fits | None, merge: _Merge
) -> list[CallGroup]:
    if len({reporter for leaf in leaves for reporter in key(leaf)}) < 2:
        return leaves
    lanes = timelines(leaves, key, _call, *((fits,) if fits is not None else ()))
    taken: set[int] = set()
    found: list[CallGroup] = []
    for one, other in closest_pairs(lanes):
        taken |= {id(one), id(other)}
        found.append(merge(one, other))
    return found + [leaf for leaf in leaves if id(leaf) not in taken]


def merged(one: CallGroup, other: CallGroup) -> CallGroup:
    """One group of two: the tightest interval tells best, logs only add."""
    best, second = sorted((one, other), key=_rank)
    return _with(best, second)


def merged_across(one: CallGroup, other: CallGroup) -> CallGroup:
    """One group of a client's call and its gateway's.

    Who waited longer is the client: who asked is its word, what answered the other's.
    """
    client = max(one, other, key=lambda leaf: (leaf.call.duration_s, leaf.call.origin.service))
    asked = client.call.origin
    found = merged(one, other)
    return _asked_by(found, asked.service, asked.environment, asked.dimensions)


def asked_by(client: CallGroup, gateway: CallGroup) -> CallGroup:
    """One group of a client's call and that of a gateway that is known as one."""
    asked = client.call.origin
    found = _with(gateway, client)
    return _asked_by(found, asked.service, asked.environment, asked.dimensions)


def _asked_by(
    leaf: CallGroup, service: str, environment: str, dimensions: tuple[str, ...]
) -> CallGroup:
    origin = leaf.call.origin
    leaf.call = replace(
        leaf.call,
        origin=replace(
            origin,
            service=service,
            environment=environment or origin.environment,
            dimensions=first_non_empty(dimensions, origin.dimensions),
        ),
    )
    return leaf


def _with(best: CallGroup, other: CallGroup) -> CallGroup:
    best.call = fill_missing(best.call, other.call, with_usage=True, with_cost=True)
    best.reporters.extend(other.reporters)
    best.scopes |= other.scopes
    best.late = best.late or other.late
    return best


def _rank(leaf: CallGroup) -> tuple[bool, bool, bool, int, int, bytes]:
    call = leaf.call
    return (
        all(reporter.precedence != "primary" for reporter in leaf.reporters),
        call.origin.signal == "log",
        call.tokens is None,
        call.end_ns - call.start_ns,
        call.start_ns,
        call.origin.span_id,
    )


def _call(leaf: CallGroup) -> LlmCall:
    return leaf.call
