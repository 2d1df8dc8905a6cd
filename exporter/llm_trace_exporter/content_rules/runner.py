"""The rules at work: on a share of the settled calls, each result a verdict of a code judge."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from importlib.util import find_spec
from time import time_ns
from zlib import crc32

from ..content.record import CallContent
from ..model import LlmCall, Verdict, VerdictValue
from ..settled import PricedCall
from .form import json_format
from .injection import document_injection, injection
from .language import language
from .personal import personal_data
from .refusal import empty_answer, refusal
from .result import Result, Rule
from .secrets import secrets

RULES: Mapping[str, Rule] = {
    "refusal": refusal,
    "empty_answer": empty_answer,
    "json_format": json_format,
    "language": language,
    "secrets": secrets,
    "personal_data": personal_data,
    "injection": injection,
    "document_injection": document_injection,
}
"""Name of rule and judge -> rule."""

LIBRARIES: Mapping[str, tuple[str, ...]] = {
    "language": ("py3langid",),
    "secrets": ("detect_secrets",),
    "personal_data": ("phonenumbers", "stdnum"),
}
"""Rule -> packages that it imports when it looks at its first text; all of one extra."""

REMEDY = "0, or first: pip install 'llm-trace-exporter[content-rules]'"
"""What may be said of a rule that lacks a library."""


def missing_libraries(shares: Mapping[str, float]) -> Iterator[tuple[str, str]]:
    """Yield (rule, what is not there, in words) of rules at work that lack a library.

    The libraries are large, so they are looked for and not loaded.
    """
    for rule, packages in LIBRARIES.items():
        missing = [package for package in packages if find_spec(package) is None]
        if missing and shares.get(rule):
            yield rule, f"{' and '.join(missing)} not installed"


class ContentRuleRunner:
    """Looks at settled calls (see `content.ContentConsumer`) and hands out verdicts."""

    def __init__(
        self,
        shares: Mapping[str, float],
        tell: Callable[[list[Verdict]], None],
        broke: Callable[[Exception], None],
        *,
        wall_clock_ns: Callable[[], int] = time_ns,
    ) -> None:
        """Start judging.

        Args:
            shares: Rule -> share of the calls that it looks at, 0-1; absent rules look at none.
            tell: Takes the verdicts of one call.
            broke: Told what a rule raised; its verdict on that call is `error`.
            wall_clock_ns: Unix nanoseconds.
        """
        self._shares = {name: share for name, share in shares.items() if share > 0}
        self._most = max(self._shares.values(), default=0.0)
        self._tell = tell
        self._broke = broke
        self._wall_clock_ns = wall_clock_ns

    def selects(self, priced: PricedCall) -> bool:
        """Whether some rule looks at a call: the same for one call at all times."""
        return self.may_select(priced.call)

    def may_select(self, call: LlmCall) -> bool:
        """The same, of a call as one of its reporters tells it."""
        return _place(call) < self._most

    def may_select_trace(self, trace_id: bytes) -> bool:
        """Whether some rule looks at calls of a trace; those outside of any are on their own."""
        return not trace_id or crc32(trace_id) / 2**32 < self._most

    def consume(self, priced: PricedCall, said: CallContent) -> None:
        """Judge what was said in a call."""
        place = _place(priced.call)
        chosen = [name for name, share in self._shares.items() if place < share]
        verdicts = [verdict for name in chosen for verdict in self._judged(name, priced, said)]
        if verdicts:
            self._tell(verdicts)

    def _judged(self, name: str, priced: PricedCall, said: CallContent) -> Iterator[Verdict]:
        """What one rule makes of a call: a verdict, or nothing."""
        call = priced.call
        value: VerdictValue = "error"
        result: Result | None = None
        try:
            result = RULES[name](call, said)
            if result is None:
                return
            value = "pass" if result.passed else "fail"
        except Exception as error:  # noqa: BLE001 - a rule that breaks silences no other
            self._broke(error)
        yield Verdict(
            origin=call.origin,
            time_ns=self._wall_clock_ns(),
            judge=name,
            kind="code",
            verdict=value,
            model=priced.model,
            target_end_ns=call.end_ns,
            weight=call.weight,
            findings=() if result is None else result.findings,
        )


def _place(call: LlmCall) -> float:
    """Where a call's trace stands between 0 and 1: all rules of one share look at the same."""
    mark = call.origin.trace_id or call.start_ns.to_bytes(16, "big", signed=True)
    return crc32(mark) / 2**32
