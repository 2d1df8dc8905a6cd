"""One span or log record: how it was read, what was decided of it, what it added."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Literal

from msgspec import Struct, field

from ..correlation import Key
from ..model import Role, Signal, Tokens
from ..settled import CostLine

State = Literal["counted", "merged", "discarded", "resent", "structure", "results", "waiting"]
"""What became of a record.

counted: it is a call or step of its own. merged: it adds facts to one that counts. discarded: it
does not count. resent: the same record came before. structure: its convention knows it as
neither. results: it carries verdicts or ratings only. waiting: it is not decided yet.
"""

LEFT_OUT: frozenset[State] = frozenset({"merged", "discarded", "resent"})
"""States that `llm_exporter_discarded_total` counts."""

OPEN: frozenset[State] = frozenset({"waiting", "results"})
"""States in which a record may turn out to have come before."""


class Arrival(Struct, frozen=True, gc=False):
    """A record as it was read, before other records had a say."""

    trace_id: bytes
    """16 bytes; empty for a log record outside a trace."""
    span_id: bytes
    parent_id: bytes
    fingerprint: bytes
    """Log records only."""
    signal: Signal
    name: str
    """The span's; of a log record, its event's. Cut, and without characters that do not print."""
    start_ns: int
    dialect: str
    """The convention that read it; empty where none knows it."""
    role: Role = "other"
    kind: str = ""
    """A call's operation or a step's kind."""
    kind_of: Literal["", "call", "step"] = ""
    written: int = 0
    """Input + output tokens that it reports, whether it may carry them or not."""
    results: int = 0
    """Verdicts and ratings on it."""
    has_step: bool = False
    """A step is told beside the call: an agent that asked itself."""
    state: State = "waiting"
    reason: str = ""
    detail: str = ""
    """Invalid: what is wrong with it, without any value."""


class Charge(Struct, frozen=True, gc=False):
    """What a record added to the metrics."""

    kind: str
    """A call's operation or a step's kind, as counted."""
    provider: str = ""
    model: str = ""
    """Canonical."""
    tokens: Tokens | None = None
    cost: tuple[CostLine, ...] = ()
    unpriced: str = ""
    """Why there is no price for it, or for `unpriced_tokens` of it."""
    unpriced_tokens: tuple[tuple[str, int], ...] = ()
    assumptions: tuple[str, ...] = ()
    capped: tuple[str, ...] = ()
    """Labels whose value is shown as `other`."""
    purpose: str = ""
    error_type: str = ""
    weight: float = 1.0
    """How many it stands for (head sampling)."""

    @property
    def cost_usd(self) -> float | None:
        """Dollars; None where nothing of it could be priced."""
        return sum([line.usd for line in self.cost]) if self.cost else None

    @property
    def sources(self) -> tuple[str, ...]:
        """Where the price comes from."""
        return tuple(dict.fromkeys(line.source for line in self.cost))


class Explained(Struct, eq=False, gc=False):
    """A record and what was decided of it so far."""

    arrival: Arrival
    state: State
    reason: str = ""
    into: tuple[bytes, bytes] = (b"", b"")
    """Merged: (trace id, span id) of what counts."""
    charge: Charge | None = None
    step: Charge | None = None
    """What the step beside a call added, where it counts."""
    step_discarded: str = ""
    """Why it does not, where it does not."""
    is_half_decided: bool = True
    """One decision more is all: of a call with a step beside it there are two."""
    results_left: int = 0
    """Verdicts and ratings on it that nothing was decided of."""
    results_counted: int = 0
    results_discarded: tuple[str, ...] = ()
    """The reason of each that does not count."""

    @classmethod
    def of(cls, arrival: Arrival) -> Explained:
        """A record of which nothing was decided yet."""
        return cls(
            arrival,
            arrival.state,
            arrival.reason,
            is_half_decided=not arrival.has_step,
            results_left=arrival.results,
        )

    @property
    def key(self) -> Key:
        """What decisions call it."""
        arrival = self.arrival
        return arrival.trace_id, arrival.span_id, arrival.signal, arrival.fingerprint

    @property
    def is_call(self) -> bool:
        """Whether a call counts under its name; what came late to one is no further call."""
        return self.state == "counted" and self.arrival.kind_of == "call"


class Totals(Struct):
    """What records come to, each as often as it stands for."""

    records: int = 0
    calls: float = 0
    steps: float = 0
    tokens: float = 0
    """Counted."""
    written: int = 0
    """On all of the records, as a sum over them would have it."""
    cost_usd: float | None = None
    unpriced: float = 0
    """Calls without a price for all of it."""
    discarded: Counter[str] = field(default_factory=Counter)
    """By reason, as in `llm_exporter_discarded_total`."""


def totals_of(explained: Iterable[Explained]) -> Totals:
    """Sum up records."""
    found = Totals()
    for one in explained:
        found.records += 1
        found.written += one.arrival.written
        found.discarded.update(discards_of(one))
        charge = one.charge
        if one.step is not None:
            found.steps += one.step.weight
        if charge is None:
            continue
        if one.state == "counted":
            found.calls += charge.weight if one.is_call else 0
            found.steps += 0 if one.is_call else charge.weight
            found.unpriced += charge.weight if charge.unpriced else 0
        if charge.tokens is not None:
            found.tokens += charge.tokens.total * charge.weight
        if charge.cost_usd is not None:
            found.cost_usd = (found.cost_usd or 0.0) + charge.cost_usd * charge.weight
    return found


def discards_of(one: Explained) -> Iterator[str]:
    """The reason of everything about one record that does not count."""
    yield from one.results_discarded
    if one.step_discarded:
        yield one.step_discarded
    if one.state == "structure":
        yield "structure"
    if one.state in LEFT_OUT:
        yield one.reason
