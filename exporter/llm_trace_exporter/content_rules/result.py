"""What a rule found."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from ..content.record import CallContent
from ..model import Direction, Finding, LlmCall


@dataclass(frozen=True, slots=True)
class Result:
    """A verdict and what it rests on; never the text itself."""

    passed: bool
    findings: tuple[Finding, ...] = ()


Rule = Callable[[LlmCall, CallContent], Result | None]
"""None: the rule does not apply to this call."""

Found = tuple[str, str]
"""(category, the text that was found, which never leaves the rule)."""


def leaks(said: CallContent, detect: Callable[[str], Iterable[Found]]) -> Result:
    """Findings in what the model was sent and what it answered.

    It failed where the answer holds something that the user did not write: that came from
    instructions, documents, tools or training.
    """
    given = set(detect(said.user))
    shown = set().union(*map(detect, (said.system, *said.documents, *said.tool_results)))
    answered = set(detect(said.answer))
    findings = (*_counted(given | shown, "input"), *_counted(answered, "output"))
    return Result(passed=not answered - given, findings=findings)


def _counted(found: Iterable[Found], direction: Direction) -> tuple[Finding, ...]:
    by_category = Counter(category for category, _ in found)
    return tuple(Finding(name, direction, n) for name, n in sorted(by_category.items()))
