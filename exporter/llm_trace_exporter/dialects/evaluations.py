"""Results of judges and ratings of users, from every carrier that OTLP has for them.

OTel: log record or span event `gen_ai.evaluation.result`, or a span whose operation is
`evaluation`. OpenInference: `evaluations.N.evaluation.*` on the judged span, `trace.` and
`session.` before it for a wider subject, `annotations.N.annotation.*`. TruLens: `eval_root` spans.
Traceloop: guards.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from hashlib import blake2b

from ..model import Feedback, JudgeKind, Origin, Rating, Verdict, VerdictValue
from ..otlp.records import Attributes
from .coerce import flag, inside, parse_object, text
from .score_values import NO_SCORE, Score, score_of
from .verdict_rules import Judging, label_key

RATINGS: Mapping[str, Rating] = {
    **dict.fromkeys(
        ("positive", "thumbs-up", "thumbs up", "up", "like", "liked", "good", "yes", "+1",
         "helpful",
         "correct", "pass", "true", "accepted"),
        "positive",
    ),
    **dict.fromkeys(
        ("negative", "thumbs-down", "thumbs down", "down", "dislike", "disliked", "bad", "no", "-1",
         "unhelpful", "incorrect", "fail", "false", "rejected"),
        "negative",
    ),
    **dict.fromkeys(("neutral", "none", "0"), "neutral"),
}  # fmt: skip

_ON_SPAN = re.compile(
    r"^(?:(?:trace|session)\.)?(?:evaluations|annotations)\.([0-9]{1,4})\.(?:evaluation|annotation)\.(\w+)$"
)
FACT_KEYS = (
    "gen_ai.evaluation.id",
    "gen_ai.evaluation.document.id",
    "gen_ai.evaluation.document.index",
    "evaluation.id",
    "document.id",
    "document.index",
    "score.id",
)
"""What tells a result from an equal one on the same record: an id of its own, or of the document
that was judged."""
_FEEDBACK = re.compile(
    r"feedback|thumb|^(?:end[ _-]?)?user[ _-]?(?:score|rating|vote|satisfaction)$"
    r"|^(?:stars|star[ _-]rating|csat|rating)$"
)
"""Names under which users' ratings are filed."""
_STARS = 5.0
_KINDS: Mapping[str, JudgeKind] = {"llm": "llm", "code": "code", "human": "human"}
_MAX_RESULTS = 256


@dataclass(frozen=True, slots=True)
class Result:
    """One result as its carrier told it."""

    name: str
    score: Score
    label: str
    kind: JudgeKind
    failed: bool = False
    """The judge itself broke."""
    annotation: bool = False
    """Filed as an annotation, not as an evaluation."""
    fact: bytes = b""
    """Fingerprint of what tells it from an equal one on the same record; empty: nothing does."""


def to_records(
    results: Iterable[Result],
    origin: Origin,
    time_ns: int,
    judging: Judging,
    *,
    model: str = "",
    response_id: str = "",
    target_end_ns: int = 0,
    weight: float = 1.0,
) -> list[Verdict | Feedback]:
    """Results as records: what people rate is feedback, the rest are verdicts.

    Args:
        judging: what labels and scores mean.
        time_ns: when the result came, Unix nanoseconds.
        response_id: the provider's id of the answer that was judged.
    """
    found: list[Verdict | Feedback] = []
    for result in results:
        if _is_feedback(result):
            rating = _rating(result)
            if rating is not None:
                found.append(
                    Feedback(
                        origin=origin,
                        time_ns=time_ns,
                        rating=rating,
                        source=result.name,
                        model=model,
                        response_id=response_id,
                        weight=weight,
                        fact=result.fact,
                    )
                )
            continue
        verdict, score = judged(result, judging, origin.dialect)
        found.append(
            Verdict(
                origin=origin,
                time_ns=time_ns,
                judge=result.name,
                kind=judging.kind(result.name, result.kind, origin.dialect),
                verdict=verdict,
                score=score,
                model=model,
                target_end_ns=target_end_ns,
                response_id=response_id,
                weight=weight,
                fact=result.fact,
            )
        )
    return found


def otel_result(attrs: Attributes) -> Result | None:
    """What `gen_ai.evaluation.*` attributes say; None without a name."""
    name = text(attrs.get("gen_ai.evaluation.name"))
    if not name:
        return None
    return Result(
        name=name,
        score=score_of(attrs.get("gen_ai.evaluation.score.value")),
        label=text(attrs.get("gen_ai.evaluation.score.label")),
        kind=_otel_kind(attrs),
        failed=bool(text(attrs.get("error.type"))),
        fact=_fact(attrs),
    )


def _fact(attrs: Attributes) -> bytes:
    keys = [(key, text(attrs[key])) for key in FACT_KEYS if key in attrs]
    return blake2b(repr(keys).encode(), digest_size=8).digest() if keys else b""


def on_span_results(attrs: Attributes) -> list[Result]:
    """OpenInference evaluations and annotations that sit on the judged span itself.

    They are numbered: two equal ones are two, as a score for each retrieved document.
    """
    grouped: dict[tuple[str, str], dict[str, str]] = {}
    for name in attrs:
        if (matched := _ON_SPAN.match(name)) is not None:
            if len(grouped) >= _MAX_RESULTS:
                break
            family = name[: matched.start(1)]
            grouped.setdefault((family, matched[1]), {})[matched[2]] = name
    found = [
        Result(
            name=judge,
            score=score_of(attrs.get(at.get("score", ""))),
            label=text(attrs.get(at.get("label", ""))),
            kind=_KINDS.get(text(attrs.get(at.get("annotator_kind", ""))).lower(), "llm"),
            annotation="annotations." in family,
        )
        for (family, _), at in sorted(grouped.items())
        if (judge := text(attrs.get(at.get("name", ""))))
    ]
    before: Counter[Result] = Counter()
    for at, result in enumerate(found):
        if equal := before[result]:
            found[at] = replace(result, fact=b"%d" % equal)
        before[result] += 1
    return found


def _otel_kind(attrs: Attributes) -> JudgeKind:
    source = attrs.get("gen_ai.evaluation.evaluator.source")
    if source is None:
        return "llm"
    name = inside(parse_object(source), ("name",))
    return "llm" if "judge" in (text(name) or text(source)).lower() else "code"


def _is_feedback(result: Result) -> bool:
    named = _FEEDBACK.search(result.name.lower()) is not None
    return named or (result.annotation and result.kind == "human")


def judged(result: Result, judging: Judging, dialect: str) -> tuple[VerdictValue, float | None]:
    """What a result means, and the score of it that counts."""
    verdict, score = judging.judge(result.name, result.label, result.score, dialect)
    return ("error" if result.failed else verdict), score


def _rating(result: Result) -> Rating | None:
    word = label_key(result.label or result.score.word)
    if (rating := RATINGS.get(word)) is not None:
        return rating
    score = result.score.number
    if score is None:
        return None
    if score < 0:
        return "negative"
    if 1 < score <= _STARS:
        return "positive" if score > 3 else "neutral" if score == 3 else "negative"
    # 0 is a thumb down where scores run from 0 to 1, and neutral nowhere that is known.
    return "positive" if score > 0.5 else "negative"


def guard_result(name: str, status: str, error: str) -> Result | None:
    """A guard's outcome as a verdict; None when it tells none. Guards are functions."""
    if not name or not status:
        return None
    passed = flag(status)
    label = status if passed is None else ("pass" if passed else "fail")
    return Result(name=name, score=NO_SCORE, label=label, kind="code", failed=bool(error))
