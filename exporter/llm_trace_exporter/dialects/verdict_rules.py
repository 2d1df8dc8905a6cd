"""What a judge's result means: pass, fail, error, or nothing that is known.

A label says it by the table of labels; a score says it where a threshold is configured. Whether
more is better, or less, is not on the wire: the configuration says it, else the judge's name.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache

from ..model import JudgeKind, VerdictValue
from .score_values import Score

LABELS: Mapping[str, VerdictValue] = {
    **dict.fromkeys(
        (
            "pass", "passed", "relevant", "correct", "non-toxic", "not toxic", "not biased",
            "unbiased", "yes", "true", "good", "factual", "not hallucinated", "grounded",
            "faithful", "safe", "compliant", "success", "supported", "complete", "helpful",
            "coherent", "appropriate", "positive",
        ),
        "pass",
    ),
    **dict.fromkeys(
        (
            "fail", "failed", "irrelevant", "not relevant", "incorrect", "toxic", "biased",
            "hallucinated", "hallucination", "no", "false", "bad", "not factual", "ungrounded",
            "not grounded", "unfaithful", "unsafe", "not safe", "non-compliant", "failure",
            "unsupported", "not supported", "incomplete", "unhelpful", "incoherent",
            "inappropriate", "negative",
        ),
        "fail",
    ),
    **dict.fromkeys(("error", "errored", "exception"), "error"),
}  # fmt: skip
"""Label, in lower case with blanks for underscores -> verdict."""

_ANSWERS = frozenset(("yes", "no", "true", "false", "positive", "negative"))
"""Labels that answer the question in the judge's name: `toxicity: yes` is a fail."""

_FAULTS = (
    "hallucinat", "toxic", "bias", "harmful", "harm", "pii", "leak", "jailbreak", "injection",
    "profan", "violen", "hate", "hateful", "sexual", "insult", "threat", "refusal", "misuse",
    "unsafe", "offens", "obscen", "irrelevan", "incorrect", "unfaithful", "ungrounded",
    "contradict",
)  # fmt: skip
"""Beginnings of words that name a fault: less of it is better."""

_NEGATIONS = frozenset(("no", "not", "non", "without", "free", "absence", "lack", "anti", "avoids"))
_VIRTUES = ("harmless",)

_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")


@dataclass(frozen=True, slots=True)
class JudgeRules:
    """What the configuration says about one judge, or the judges of one convention."""

    kind: JudgeKind | None = None
    """Who judges; None: as the result says."""
    pass_threshold: float | None = None
    """The worst score, as reported, that passes; None: scores tell no verdict."""
    higher_is_better: bool | None = None
    """None: as the judge's name tells."""
    labels: Mapping[str, VerdictValue] = field(default_factory=dict)
    """Labels of this judge alone, spelled as `label_key` does."""
    score_range: tuple[float, float] | None = None
    """Its lowest and highest score; None: nobody said."""


@dataclass(frozen=True, slots=True)
class Judging:
    """Everything that turns results into verdicts."""

    labels: Mapping[str, VerdictValue] = field(default_factory=lambda: LABELS)
    by_name: Mapping[str, JudgeRules] = field(default_factory=dict)
    """By `label_key` of the judge's name."""
    by_dialect: Mapping[str, JudgeRules] = field(default_factory=dict)

    def kind(self, judge: str, reported: JudgeKind, dialect: str = "") -> JudgeKind:
        """Who judges, where the result says `reported`."""
        for rules in self._rules(judge, dialect):
            if rules.kind is not None:
                return rules.kind
        return reported

    def judge(
        self, judge: str, label: str, score: Score, dialect: str = ""
    ) -> tuple[VerdictValue, float | None]:
        """What a label and a score of a judge mean together, and the score that counts.

        The label decides. A score outside of the range that the judge is known to have is none of
        its scores: it is left out, and without a label the judge broke.
        """
        rules = self._rules(judge, dialect)
        known = next((r.score_range for r in rules if r.score_range is not None), None)
        number, is_broken = score.number, score.is_broken
        if score.is_share and number is not None:
            low, high = known or (0.0, 1.0)
            number = low + (high - low) * number
        if known is not None and number is not None and not known[0] <= number <= known[1]:
            number, is_broken = None, True
        word = label or score.word
        if is_broken and not word:
            return "error", None
        return self.verdict(judge, word, number, dialect), number

    def verdict(
        self, judge: str, label: str, score: float | None, dialect: str = ""
    ) -> VerdictValue:
        """What a label, else a score, of a judge means."""
        rules = self._rules(judge, dialect)
        word = label_key(label)
        for one in rules:
            if word in one.labels:
                return one.labels[word]
        higher = next((r.higher_is_better for r in rules if r.higher_is_better is not None), None)
        if higher is None:
            higher = not names_fault(judge)
        if (meant := self.labels.get(word)) is not None:
            return meant if higher or word not in _ANSWERS else _OPPOSITE[meant]
        threshold = next((r.pass_threshold for r in rules if r.pass_threshold is not None), None)
        if score is None or threshold is None:
            return "unscored"
        return "pass" if (score >= threshold if higher else score <= threshold) else "fail"

    def _rules(self, judge: str, dialect: str) -> tuple[JudgeRules, ...]:
        found = (self.by_name.get(label_key(judge)), self.by_dialect.get(dialect))
        return tuple(rules for rules in found if rules is not None)


_OPPOSITE: Mapping[VerdictValue, VerdictValue] = {"pass": "fail", "fail": "pass", "error": "error"}


def label_key(label: str) -> str:
    """A label, or a judge's name, as tables spell it."""
    return label.strip().lower().replace("_", " ")


@lru_cache(maxsize=1024)
def names_fault(judge: str) -> bool:
    """Whether a judge is named for what it looks out for: `toxicity`, but not `no_toxicity`."""
    words = [word.lower() for word in _WORD.findall(judge)]
    if _NEGATIONS & set(words):
        return False
    return any(word.startswith(_FAULTS) and not word.startswith(_VIRTUES) for word in words)
