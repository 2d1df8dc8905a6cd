"""Checks of what comes in: whether it is understood, and what is not, by name."""

from __future__ import annotations

import json
from collections.abc import Iterator

from .facts import Facts, Missing, Unread, service_of
from .findings import Finding, count

_MOST = 10
_ASK = "ask with --exporter URL, which names scope, span and attributes"


def understood(facts: Facts) -> Iterator[Finding]:
    """Whether all that looks like a call was read as one, and every number on it."""
    named = (
        () if facts.page is None or isinstance(facts.page.unread, Missing) else facts.page.unread
    )
    for sample in facts.asked("not_understood"):
        if round(sample.value):
            dialect = sample.labels.get("dialect", "")
            of = f" of the dialect {dialect}" if dialect else ""
            yield Finding(
                "warning",
                f"{count(round(sample.value), 'record')}{of} within a day look like calls and were "
                "not understood",
                why="their tokens and dollars are not counted",
                do="see below" if named else _ASK,
            )
    yield from map(_named, named[:_MOST])
    if len(named) > _MOST:
        yield Finding("note", f"{len(named) - _MOST} more kinds of records were not understood")
    yield from _only_agents(facts)
    for sample in facts.asked("unreadable"):
        if round(sample.value):
            yield Finding(
                "note",
                f"{count(round(sample.value), 'number')} of the dialect "
                f"{sample.labels.get('dialect', 'none')} within a day could not be read",
                why="they are left out; what carries them counts",
                do="look at the sender's costs, cached tokens and first-token times",
            )


def _only_agents(facts: Facts) -> Iterator[Finding]:
    """Services whose agents are told, and none of the calls that these must have made."""
    services = sorted({service_of(sample.labels) for sample in facts.asked("only_agents")})
    if services:
        yield Finding(
            "warning",
            f"{count(len(services), 'service')} with agents and without a call",
            why="what instruments an agent tells no tokens: their cost is missing",
            do="instrument the model's SDK, too (docs/sending-traces.md)",
            where=tuple(services),
        )


def _named(kind: Unread) -> Finding:
    noun = "span" if kind.signal == "span" else "log record"
    scope = f" of the scope {kind.scope!r}" if kind.scope else " without a scope"
    start = json.dumps(dict(kind.convention), ensure_ascii=False)
    return Finding(
        "warning",
        f"{count(kind.records, noun)} {kind.name!r}{scope} not understood",
        why="it tells tokens, or a model that failed, and not that it is a call",
        do="describe it in the configuration, with the values of its kind that mean a call "
        f"(docs/sending-traces.md): conventions: [{start}]",
        where=kind.attributes,
    )
