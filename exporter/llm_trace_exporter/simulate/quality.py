"""What judges and users say of an answer."""

from __future__ import annotations

from msgspec import structs

from ..otlp.records import Attributes, RawEvent, RawSpan
from .calls import Asked, ask
from .scene import EVALUATION, Scene
from .world import GPT_4O_MINI, Judge

_HEALTHY_JUDGE_ERRORS = 0.003
_HEALTHY_NEGATIVE = 0.1
_HUMAN_SHARE = 0.04
"""Of the answers that a judge looks at, those that a person looks at as well."""
_HUMAN_AGREES = 0.9
_NOVEL = "grade B"


def judge(scene: Scene, answer: RawSpan) -> None:
    """Let the service's judges look at an answer: code at once, models some time later."""
    for one in scene.service.judges:
        if not scene.chance(one.share * scene.effects.judge_traffic):
            continue
        attrs = _result(scene, one)
        if one.kind == "code":
            attrs["gen_ai.evaluation.evaluator.source"] = "code"
            answer.events += (RawEvent(EVALUATION, answer.end_ns, attrs),)
        else:
            wait_s = 5.0 + scene.random.expovariate(1 / 40)
            scene.judged_after_s = wait_s * scene.effects.judge_delay
            scene.log(EVALUATION, attrs, _subject(scene, answer), scene.judged_after_s)


def judge_openinference(scene: Scene, answer: RawSpan) -> None:
    """The same as OpenInference files it: on the span. People look at some answers as well."""
    number = 0
    for one in scene.service.judges:
        if not scene.chance(one.share * scene.effects.judge_traffic):
            continue
        result = _result(scene, one)
        label, score = (
            result.get("gen_ai.evaluation.score.label"),
            result.get("gen_ai.evaluation.score.value"),
        )
        scene.judged_after_s = 1.0
        said = [("LLM", label or "error", score)]
        if label and scene.chance(_HUMAN_SHARE):
            other = one.fails if label == one.passes else one.passes
            said.append(("HUMAN", label if scene.chance(_HUMAN_AGREES) else other, None))
        for annotator, what, value in said:
            place = f"evaluations.{number}.evaluation."
            answer.attrs[place + "name"] = one.name
            answer.attrs[place + "label"] = what
            answer.attrs[place + "annotator_kind"] = annotator
            if value is not None:
                answer.attrs[place + "score"] = value
            number += 1


def run_judges(scene: Scene) -> None:
    """The judges' own calls to a model, in a trace of their own: real spend."""
    with scene.within("evaluation", {"gen_ai.operation.name": "evaluation"}):
        ask(
            scene,
            Asked(GPT_4O_MINI, input_tokens=900.0 * scene.effects.judge_tokens, output_tokens=40.0),
        )


def rate(scene: Scene, answer: RawSpan) -> None:
    """Some users rate the answer, minutes later."""
    if not scene.chance(scene.service.feedback):
        return
    is_bad = scene.chance(1 - (1 - _HEALTHY_NEGATIVE) * (1 - scene.effects.negative))
    attrs: Attributes = {
        "gen_ai.evaluation.name": "user_feedback",
        "gen_ai.evaluation.score.label": "thumbs_down" if is_bad else "thumbs_up",
    }
    waits_s = 10.0 + scene.random.expovariate(1 / 120)
    scene.log(EVALUATION, attrs, _subject(scene, answer), waits_s)


def _subject(scene: Scene, answer: RawSpan) -> RawSpan:
    """The answer, or a call of which nobody has heard."""
    if not scene.chance(scene.effects.strays):
        return answer
    return structs.replace(
        answer, trace_id=scene.random.randbytes(16), span_id=scene.random.randbytes(8)
    )


def _result(scene: Scene, one: Judge) -> Attributes:
    effects = scene.effects
    attrs: Attributes = {"gen_ai.evaluation.name": one.name}
    if scene.chance(1 - (1 - _HEALTHY_JUDGE_ERRORS) * (1 - effects.judge_errors)):
        attrs["error.type"] = "TimeoutError"
        return attrs
    fails = scene.chance(1 - (1 - one.failures) * (1 - effects.judge_failures))
    label = one.fails if fails else one.passes
    attrs["gen_ai.evaluation.score.label"] = (
        _NOVEL if scene.chance(effects.unknown_labels) else label
    )
    score = scene.random.betavariate(2, 5) if fails else scene.random.betavariate(8, 2)
    attrs["gen_ai.evaluation.score.value"] = score
    return attrs
