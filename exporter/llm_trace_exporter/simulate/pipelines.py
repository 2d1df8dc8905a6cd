"""What each kind of application does with a request."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from ..otlp.records import Attributes, RawSpan
from .calls import Answered, Asked, ask, ask_openinference
from .quality import judge, judge_openinference, rate
from .scene import SERVER, Scene
from .steps import guard, retrieve, run_tool
from .world import EMBEDDING, RERANKER, Model, PipelineName

_MOST_ROUNDS = 60


def _model(scene: Scene) -> Model:
    """Mostly the first one."""
    models = scene.service.models
    return scene.random.choices(models, [0.75, *[0.25] * (len(models) - 1)])[0]


def _http(route: str) -> Attributes:
    return {"http.request.method": "POST", "http.route": route, "http.response.status_code": 200}


def _asked(
    scene: Scene, *, streams: bool = False, wants_tools: bool = False, by_gateway: bool = False
) -> Asked:
    service = scene.service
    return Asked(
        _model(scene),
        input_tokens=float(service.input_tokens),
        output_tokens=float(service.output_tokens),
        streams=streams,
        wants_tools=wants_tools,
        by_gateway=by_gateway,
    )


def _assess(scene: Scene, answered: Answered) -> None:
    if answered.failure is None:
        judge(scene, answered.span)
        rate(scene, answered.span)


def chat(scene: Scene) -> None:
    """A support bot: guard, look up, answer as a stream, guard again."""
    first, last = scene.service.guardrails
    with scene.within("POST /chat", _http("/chat"), SERVER):
        if not guard(scene, first):
            return
        retrieve(scene, "help-center", openinference=False)
        answered = ask(scene, _asked(scene, streams=True))
        if answered.failure is None:
            guard(scene, last)
    _assess(scene, answered)


def rag(scene: Scene) -> None:
    """Search over documents, told by OpenInference."""
    with scene.within("ask", {"openinference.span.kind": "CHAIN"}):
        if not guard(scene, scene.service.guardrails[0], openinference=True):
            return
        embedding = Asked(EMBEDDING, "embeddings", input_tokens=24.0)
        ask_openinference(scene, embedding)
        retrieve(scene, "docs", openinference=True)
        _rerank(scene)
        answered = ask_openinference(scene, _asked(scene, streams=True))
    if answered.failure is None:
        judge_openinference(scene, answered.span)
        rate(scene, answered.span)


def agent(scene: Scene) -> None:
    """An agent that calls a model and tools in turns; its own span sums up what its calls used."""
    service = scene.service
    rounds = min(_MOST_ROUNDS, int(scene.around(2.2 * scene.effects.rounds, 0.5)) + 1)
    answered: Answered | None = None
    attrs: Attributes = {"gen_ai.operation.name": "invoke_agent", "gen_ai.agent.name": "coder"}
    workflow: Attributes = {
        "gen_ai.operation.name": "invoke_workflow", "gen_ai.workflow.name": scene.feature,
    }  # fmt: skip
    totals = [0, 0]
    with (
        scene.within(f"invoke_workflow {scene.feature}", workflow),
        scene.within("invoke_agent coder", attrs) as span,
    ):
        for left in range(rounds, 0, -1):
            answered = ask(scene, _asked(scene, streams=True, wants_tools=left > 1))
            if answered.failure is not None:
                break
            totals = [totals[0] + answered.input_tokens, totals[1] + answered.output_tokens]
            if left > 1:
                run_tool(scene, scene.random.choice(service.tools))
        span.attrs["gen_ai.usage.input_tokens"], span.attrs["gen_ai.usage.output_tokens"] = totals
    if answered is not None:
        _assess(scene, answered)


def batch(scene: Scene) -> None:
    """A job without users: no streams."""
    answered = ask(scene, _asked(scene))
    _assess(scene, answered)


def checkout(scene: Scene) -> None:
    """A shop's assistant behind a gateway."""
    service = scene.service
    with scene.within("POST /advice", _http("/advice"), SERVER):
        if not guard(scene, service.guardrails[0]):
            return
        run_tool(scene, scene.random.choice(service.tools))
        answered = ask(scene, _asked(scene, by_gateway=True, streams=scene.chance(0.5)))
    _assess(scene, answered)


def _rerank(scene: Scene) -> RawSpan:
    attrs: Attributes = {
        "openinference.span.kind": "RERANKER",
        "llm.provider": RERANKER.provider,
        "reranker.model_name": RERANKER.response,
    }
    return scene.span("rerank", attrs, scene.around(RERANKER.first_token_s))


PIPELINES: Mapping[PipelineName, Callable[[Scene], None]] = {
    "chat": chat,
    "rag": rag,
    "agent": agent,
    "batch": batch,
    "checkout": checkout,
}
