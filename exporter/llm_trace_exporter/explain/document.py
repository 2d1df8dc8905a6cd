"""The explanation of traces as a JSON document; docs/operations.md describes its members."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from typing import Any

from .log import Trace
from .records import Charge, Explained, Totals, totals_of
from .tree import Place, tree_of


def json_of(
    traces: Iterable[Trace], unreadable: Mapping[str, int] | None = None, forgotten_traces: int = 0
) -> Iterator[str]:
    """Yield the document of some traces piece by piece, a line for each trace.

    Args:
        traces: In the order in which they are shown.
        unreadable: Why records could not be read at all, and how many.
        forgotten_traces: For how many there was no room.
    """
    yield '{"traces": ['
    between = "\n"
    for trace in traces:
        yield between + _dumps(_trace(trace))
        between = ",\n"
    rest = {"unreadable_records": dict(unreadable or {}), "forgotten_traces": forgotten_traces}
    yield f"\n], {_dumps(rest)[1:]}\n"


_dumps = partial(json.dumps, ensure_ascii=False)


def _trace(trace: Trace) -> dict[str, Any]:
    return {
        "trace_id": trace.trace_id.hex() or None,
        **_totals(totals_of(trace.records)),
        "forgotten_records": trace.forgotten,
        "records": [_record(place) for place in tree_of(trace.records)],
    }


def _totals(totals: Totals) -> dict[str, Any]:
    return {
        "calls": totals.calls,
        "steps": totals.steps,
        "tokens": totals.tokens,
        "tokens_reported": totals.written,
        "cost_usd": totals.cost_usd,
        "unpriced_calls": totals.unpriced,
        "discarded": dict(sorted(totals.discarded.items())),
    }


def _record(place: Place) -> dict[str, Any]:
    one, arrival = place.record, place.record.arrival
    return {
        "signal": arrival.signal,
        "name": arrival.name,
        "span_id": arrival.span_id.hex() or None,
        "parent_span_id": arrival.parent_id.hex() or None,
        "depth": place.depth,
        "mark": place.mark or None,
        "dialect": arrival.dialect or None,
        "kind": arrival.kind_of or None,
        "operation": (one.charge.kind if one.charge else arrival.kind) or None,
        "state": one.state,
        "reason": one.reason or None,
        "detail": arrival.detail or None,
        "into": _into(one),
        "tokens_reported": arrival.written,
        "results": {
            "counted": one.results_counted,
            "discarded": dict(sorted(Counter(one.results_discarded).items())),
        },
        "adds": _charge(one.charge),
    }


def _into(one: Explained) -> dict[str, str | None] | None:
    if one.state != "merged":
        return None
    trace_id, span_id = one.into
    return {"trace_id": trace_id.hex() or None, "span_id": span_id.hex() or None}


def _charge(charge: Charge | None) -> dict[str, Any] | None:
    if charge is None:
        return None
    tokens = charge.tokens
    return {
        "provider": charge.provider or None,
        "model": charge.model or None,
        "tokens": None if tokens is None else dict(tokens.by_type()),
        "tokens_unexplained": 0 if tokens is None else tokens.unexplained,
        "cost_usd": charge.cost_usd,
        "cost": [{"type": c.type, "source": c.source, "usd": c.usd} for c in charge.cost],
        "unpriced": charge.unpriced or None,
        "unpriced_tokens": dict(charge.unpriced_tokens),
        "assumptions": list(charge.assumptions),
        "capped_labels": list(charge.capped),
        "purpose": charge.purpose or None,
        "error_type": charge.error_type or None,
        "weight": charge.weight,
    }
