"""The rules at work: on a share of the settled calls, each result a verdict of a code judge."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from time import time_ns
from zlib import crc32

from ..exchange import Exchange
from ..model import Origin, PricedCall, Verdict
from .form import json_format
from .injection import document_injection, injection
from .language import language
from .personal import personal_data
from .refusal import empty_answer, refusal
from .result import Rule
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


class CodeJudges:
    """Listens to settled calls (see `texts.Listener`) and tells its verdicts."""

    def __init__(
        self,
        shares: Mapping[str, float],
        tell: Callable[[list[Verdict]], None],
        *,
        wall_clock_ns: Callable[[], int] = time_ns,
    ) -> None:
        """Start judging.

        Args:
            shares: Rule -> share of the calls that it looks at, 0-1; absent rules look at none.
            tell: Takes the verdicts of one call.
            wall_clock_ns: Unix nanoseconds.
        """
        self._shares = {name: share for name, share in shares.items() if share > 0}
        self._most = max(self._shares.values(), default=0.0)
        self._tell = tell
        self._wall_clock_ns = wall_clock_ns

    def picks(self, priced: PricedCall) -> bool:
        """Whether some rule looks at a call: the same for one call at all times."""
        return _place(priced.call.origin) < self._most

    def hears(self, priced: PricedCall, said: Exchange) -> None:
        """Judge what was said in a call."""
        call = priced.call
        place = _place(call.origin)
        verdicts: list[Verdict] = []
        for name, share in self._shares.items():
            if place >= share:
                continue
            result = RULES[name](call, said)
            if result is not None:
                verdict = Verdict(
                    origin=call.origin,
                    time_ns=self._wall_clock_ns(),
                    judge=name,
                    kind="code",
                    verdict="pass" if result.passed else "fail",
                    model=priced.model,
                    target_end_ns=call.end_ns,
                    weight=call.weight,
                    findings=result.findings,
                )
                verdicts.append(verdict)
        if verdicts:
            self._tell(verdicts)


def _place(origin: Origin) -> float:
    """Where a call stands between 0 and 1: all rules of one share look at the same calls."""
    return crc32(origin.span_id, crc32(origin.trace_id)) / 2**32
