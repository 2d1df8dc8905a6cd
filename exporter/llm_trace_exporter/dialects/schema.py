"""What a dialect is: tables of attribute keys, and a little code where a table cannot say it."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from math import isnan
from typing import Literal, TypeVar

from msgspec import Struct

from ..errors import RejectedRecord, UnreadableNumber
from ..otlp.records import STATUS_ERROR, Attributes, RawEvent, RawLog, RawSpan, Value
from .cache_inclusion import Inclusion
from .coerce import MAX_TOKENS, count, flag, inside, number, parse_object, text, usd

Role = Literal[
    "call", "supplement", "fallback", "step", "verdict", "evaluator", "structure", "copy", "ignore"
]
"""What a record is.

`call` a request to a model; `lends` a call told better by a span, to which it only adds facts;
`fallback` a call that counts where its emitter sends no spans, and else lends;
`step` a pipeline step; `verdict` the result of a judge;
`evaluator` a judge at work, whose calls are its own; `structure` anything that only encloses;
`copy` a fact that another record tells better; `ignore` nothing that is known.
"""


@dataclass(frozen=True, slots=True)
class Kind:
    """What one record is, and which operation or step."""

    role: Role
    name: str = ""
    """The operation of a call, the kind of a step, or why a copy is discarded."""
    judge: bool = False
    """The calls beneath are a judge's own."""
    loops: bool = False
    """It tells the last of the calls that were written over one another on it."""


CHAT = Kind("call", "chat")
EMBEDDINGS = Kind("call", "embeddings")
RERANK = Kind("call", "rerank")
RETRIEVAL = Kind("step", "retrieval")
TOOL = Kind("step", "tool")
AGENT = Kind("step", "agent")
WORKFLOW = Kind("step", "workflow")
GUARDRAIL = Kind("step", "guardrail")
MEMORY = Kind("step", "memory")
OTHER = Kind("step", "other")
STRUCTURE = Kind("structure")
EVALUATOR = Kind("evaluator")
VERDICT = Kind("verdict")
COPY = Kind("copy", "rollup")
TOLD_ELSEWHERE = Kind("copy", "duplicate")
"""The same fact comes on another signal, which is the one that counts."""
IGNORE = Kind("ignore")
LEFT_OUT = Kind("ignore", "configured")
"""Somebody says that it is nothing, whatever is on it."""


@dataclass(frozen=True, slots=True)
class AttributeKey:
    """Where one fact is written."""

    attr: str
    path: tuple[str, ...] = ()
    """Keys inside the object that the attribute holds as JSON or Python repr."""
    scale: float = 1.0
    """Factor to the base unit."""
    additive: bool = False
    """For parts of a usage: the count of their direction does not contain them. For an object of
    usage: none of its counts contains another, but for those that it holds as details."""
    named: bool = False
    """For an object of usage: the attribute's own name says what its members count."""
    is_open: bool = False
    """No table lists it: what is no number there was never meant as one."""


def key(
    attr: str, *path: str, scale: float = 1.0, additive: bool = False, named: bool = False
) -> AttributeKey:
    """A Key; `key("a", "b", "c")` is member c of member b of the object in attribute a."""
    return AttributeKey(attr, path, scale, additive, named)


def keys(*attrs: str | AttributeKey) -> tuple[AttributeKey, ...]:
    """An ordered list of Keys; plain strings are attribute names."""
    return tuple(a if isinstance(a, AttributeKey) else AttributeKey(a) for a in attrs)


Fields = Mapping[str, tuple[AttributeKey, ...]]
"""Fact -> where it may be written, in reading order."""

_DETAILS = (
    "cache_read cache_write cache_write_5m cache_write_1h reasoning audio_input audio_output"
    " tool_input cache_read_audio other_input other_output uncached_input citation web_searches"
)
USAGE_FACTS: tuple[str, ...] = ("input", "output", "total", *_DETAILS.split())
"""Facts that count what a call used. All but the last, searches, count tokens."""
FIELD_GROUPS: Mapping[str, frozenset[str]] = {
    group: frozenset(facts.split())
    for group, facts in {
        "usage": f"input output total usage_object {_DETAILS}",
        "usage_details": f"usage_object {_DETAILS}",
        "failure": "http_status error_type error_text level success",
        "streaming": "streaming ttft ttft_if_streaming first_token_at operation",
        "cost": "cost cost_currency cost_input cost_output cost_cache_read cost_cache_write",
        "region": "region server",
        "gateway": "retries attempt fallbacks cache_hit",
    }.items()
}
"""Facts that are read together, and not asked for one by one where a shape tells none of them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialect:
    """One convention of writing LLM data on spans and log records."""

    name: str
    detect_by: tuple[str, ...] = ()
    """Attributes of which any one gives the dialect away."""
    scopes: tuple[str, ...] = ()
    """Prefixes of instrumentation scope names that give it away."""
    resources: tuple[str, ...] = ()
    """Resource attributes of which any one gives it away."""
    kind_keys: tuple[str, ...] = ()
    """Attributes that say what a span is, in reading order; the first known value decides."""
    kinds: Mapping[str, Kind] = field(default_factory=dict)
    """Lower-case value of a kind attribute -> what the span is."""
    fields: Fields = field(default_factory=dict)
    """Own keys, read before those of the OTel conventions."""
    provider: str = ""
    """Who serves its calls, where a record names nobody."""
    exclusive_cache_for: tuple[str, ...] = ()
    """Words in the provider's name for which input counts exclude cached tokens; `""`: all."""
    cache_inclusion: Inclusion | None = None
    """Whether input counts contain cached tokens, whoever answers; None: as their emitter does."""
    reporters_by_name: bool = False
    """One scope tells for several instrumentations, which only the span's name tells apart."""
    always_streams: bool = False
    untrusted_cost: bool = False
    """Reported cost ignores discounts, and 0 means unknown."""
    verdicts_by_field: bool = False
    """Evaluation spans tell judge and score in the fields of this table, not as OTel does."""
    nan_is_unknown: bool = False
    """A count that is not a number says that there is none."""
    model_in_name: bool = False
    """A span without attributes is named `<operation> <model>`."""
    exceptions_fail: tuple[str, ...] = ()
    """Prefixes of scopes in which an exception event means failure whatever the status says."""
    facts_in_events: bool = False
    """What happened stands in attributes of the span's events."""
    errors_finish: bool = False
    """A failed call has status OK and says `error` for why it ended."""
    wrapped_model: str = ""
    """A pattern of model names with something around them; its first group is the model."""
    is_configured: bool = False
    """An operator wrote it: nothing is known of its emitters but what it says."""
    is_for_logs: bool = False
    """Spans are read in another convention, log records in this one."""
    events_by_ending: bool = False
    """Log events are known by the last part of their name: what comes before names the fork."""
    first_token_events: tuple[str, ...] = ()
    refine: Callable[[RecordView, Kind], Kind] | None = None
    """Last word on what a span is, where the kind attribute alone misleads. It asks the view for
    facts, whose values then decide (`plans.py`); of counts and response ids only whether there are
    any."""
    logs: Mapping[str, Kind] = field(default_factory=dict)
    """Event name of a log record -> what it is."""
    refine_log: Callable[[RecordView, Kind], Kind] | None = None


class FactPlaces(Struct, frozen=True, eq=False):
    """Where the facts of all records of one shape stand."""

    locations: Fields
    """In reading order; facts without a place left out."""
    groups: frozenset[str]
    """What any of these facts is about."""
    usage: tuple[tuple[str, tuple[AttributeKey, ...]], ...]
    """Those of them that count tokens, as far as they stand in attributes of their own."""
    is_usual: bool
    """Whether these are counts in their usual places, with nothing that needs a closer look."""


def fact_places(locations: Fields) -> FactPlaces:
    """What follows from the places of facts."""
    facts = locations.keys()
    usage = tuple((fact, locations[fact]) for fact in USAGE_FACTS if fact in facts)
    return FactPlaces(
        locations,
        frozenset(group for group, about in FIELD_GROUPS.items() if about & facts),
        usage,
        "usage_object" not in facts
        and not any(where.additive for _, places in usage for where in places),
    )


def reporter_of(record: RawSpan | RawLog, dialect: Dialect) -> str:
    """Which instrumentation tells a record."""
    if dialect.reporters_by_name and isinstance(record, RawSpan):
        return f"{record.scope.name} {record.name}"[:128]
    return record.scope.name[:128]


class RecordView(Struct, eq=False, gc=False):
    """One record seen through one dialect: facts by name instead of attributes by key."""

    record: RawSpan | RawLog
    attrs: Attributes
    """The record's."""
    events: tuple[RawEvent, ...]
    """Span events; none on a log record."""
    dialect: Dialect
    places: FactPlaces
    locations: Fields
    """Those of `places`."""
    groups: frozenset[str]
    """Those of `places`."""
    objects: dict[str, Value] = {}
    unreadable: tuple[AttributeKey, ...] = ()
    """Where numbers stand that could not be read, each once."""

    def use(self, places: FactPlaces) -> None:
        """Go on with the facts that stand elsewhere."""
        self.places, self.locations, self.groups = places, places.locations, places.groups

    def span_name(self) -> str:
        """The span's name; empty on a log record."""
        return self.record.name if isinstance(self.record, RawSpan) else ""

    def record_failed(self) -> bool:
        """Whether the span's status is an error."""
        return isinstance(self.record, RawSpan) and self.record.status_code == STATUS_ERROR

    def value_at(self, where: AttributeKey) -> Value:
        """The raw value a Key points to."""
        value = self.attrs.get(where.attr)
        if value is None or not where.path:
            if type(value) is float and isnan(value) and self.dialect.nan_is_unknown:
                return None
            return value
        if where.attr not in self.objects:
            self.objects[where.attr] = parse_object(value)
        return inside(self.objects[where.attr], where.path)

    def text(self, fact: str) -> str:
        """First non-empty text of a fact."""
        for where in self.locations.get(fact, ()):
            value = self.attrs.get(where.attr)
            if where.path or type(value) is float:
                value = self.value_at(where)
            if found := text(value):
                return found
        return ""

    def model(self, fact: str) -> str:
        """Name of a model, out of what the emitter puts around it."""
        named = self.text(fact)
        matched = re.fullmatch(self.dialect.wrapped_model, named)
        return matched[1] if matched is not None else named

    def first_text(self, fact: str, *, but: frozenset[str]) -> str:
        """First text of a fact that is none of some words, in lower case."""
        texts = (text(self.value_at(where)) for where in self.locations.get(fact, ()))
        return next((name for name in texts if name and name.lower() not in but), "")

    def raw(self, fact: str) -> Value:
        """First present value of a fact, as it came."""
        for where in self.locations.get(fact, ()):
            if (found := self.value_at(where)) is not None:
                return found
        return None

    def count(self, fact: str) -> int | None:
        """First token count of a fact.

        Raises: RejectedRecord for one of the input or output that cannot be true.
        """
        for where in self.locations.get(fact, ()):
            value = self.attrs.get(where.attr)
            if type(value) is int and not where.path and 0 <= value <= MAX_TOKENS:
                return value
            is_vital = fact in VITAL and not where.is_open
            if (found := self.count_at(where, is_vital=is_vital)) is not None:
                return found
        return None

    def count_at(self, where: AttributeKey, *, is_vital: bool = False) -> int | None:
        """The token count a Key points to; None when there is none that can be read.

        Raises: RejectedRecord where it is vital and cannot be true.
        """
        value = self.attrs.get(where.attr)
        if where.is_open and isinstance(value, str) and not value[:1].isdigit():
            return None
        return self._read(count, where, is_vital=is_vital)

    def object_at(self, where: AttributeKey) -> Value:
        """The object a Key points to, out of whatever holds it; None when there is none."""
        if where.path:
            return self.value_at(where)
        value = self.attrs.get(where.attr)
        return parse_object(value) if isinstance(value, str) and value[:1] in _OPENS else value

    def usd(self, fact: str) -> float | None:
        """First amount of dollars of a fact that can be read."""
        for where in self.locations.get(fact, ()):
            if (found := self._read(usd, where)) is not None:
                return found
        return None

    def number(self, fact: str) -> float | None:
        """First number of a fact that can be read, in its base unit."""
        for where in self.locations.get(fact, ()):
            if (found := self._read(number, where)) is not None:
                return found * where.scale
        return None

    def flag(self, fact: str) -> bool | None:
        """First yes or no of a fact."""
        for where in self.locations.get(fact, ()):
            if (found := flag(self.value_at(where))) is not None:
                return found
        return None

    def _read(
        self,
        read: Callable[[Value], _Number | None],
        where: AttributeKey,
        *,
        is_vital: bool = False,
    ) -> _Number | None:
        try:
            return read(self.value_at(where))
        except RejectedRecord as error:
            if is_vital and not isinstance(error, UnreadableNumber):
                raise
            self.lose(where)
        return None

    def lose(self, where: AttributeKey) -> None:
        """Note that a number could not be read; it may be asked for again."""
        if where not in self.unreadable:
            self.unreadable = (*self.unreadable, where)


VITAL = ("input", "output")
"""Counts without which a record is not believed at all, where they cannot be true."""
_OPENS = ("{", "[", '"', "(")
_Number = TypeVar("_Number", int, float)
