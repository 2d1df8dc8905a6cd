"""Steps around the calls: retrievals, tools, guardrails."""

from __future__ import annotations

from ..otlp.records import Attributes
from .failures import FAILURES, Failure
from .scene import CLIENT, Scene

_HEALTHY_TOOL_ERRORS = 0.006
_HEALTHY_BLOCKS = 0.006
_TOOL_FAILURE = FAILURES["timeout"]


def retrieve(scene: Scene, index: str, *, openinference: bool) -> None:
    """Look documents up in an index."""
    effects = scene.effects
    found = 0 if scene.chance(effects.empty) else 3 + scene.random.randrange(6)
    scores = [
        min(0.99, max(0.01, scene.random.gauss(0.8, 0.08) * effects.scores)) for _ in range(found)
    ]
    scores.sort(reverse=True)
    if openinference:
        attrs: Attributes = {"openinference.span.kind": "RETRIEVER"}
        for n, score in enumerate(scores):
            attrs[f"retrieval.documents.{n}.document.score"] = score
        # Without documents OpenInference has no key at all; the conventions' own tells of none.
        if not found:
            attrs["gen_ai.retrieval.documents"] = "[]"
        attrs["gen_ai.data_source.id"] = index
    else:
        listed = ", ".join(f'{{"id": "{n}", "score": {s:.3f}}}' for n, s in enumerate(scores))
        attrs = {
            "gen_ai.operation.name": "retrieval",
            "gen_ai.data_source.id": index,
            "gen_ai.retrieval.documents": f"[{listed}]",
        }
    scene.span(
        f"retrieval {index}",
        attrs,
        scene.around(0.12 * effects.duration * effects.steps),
        kind=CLIENT,
    )


def run_tool(scene: Scene, tool: str) -> None:
    """Run a tool; one with a dot in its name is a server's, over MCP."""
    failed = scene.chance(1 - (1 - _HEALTHY_TOOL_ERRORS) * (1 - scene.effects.tool_errors))
    failure: Failure | None = _TOOL_FAILURE if failed else None
    attrs: Attributes = {"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": tool}
    if "." in tool:
        attrs["mcp.method.name"] = "tools/call"
    scene.span(
        f"execute_tool {tool}", attrs, scene.around(0.4 * scene.effects.steps, 0.8), failure=failure
    )


def guard(scene: Scene, guardrail: str, *, openinference: bool = False) -> bool:
    """Check with a guardrail; whether it lets through."""
    if scene.chance(scene.effects.unguarded):
        return True
    if scene.chance(scene.effects.guard_errors):
        attrs = _guard(guardrail, openinference)
        scene.span(f"apply_guardrail {guardrail}", attrs, 5.0, failure=FAILURES["timeout"])
        return True
    blocks = scene.chance(1 - (1 - _HEALTHY_BLOCKS) * (1 - scene.effects.blocks))
    attrs = _guard(guardrail, openinference)
    attrs["gen_ai.guardrail.status"] = "failed" if blocks else "passed"
    scene.span(f"apply_guardrail {guardrail}", attrs, scene.around(0.03, 0.4))
    return not blocks


def _guard(guardrail: str, openinference: bool) -> Attributes:
    if openinference:
        return {"gen_ai.guardrail.name": guardrail, "openinference.span.kind": "GUARDRAIL"}
    return {"gen_ai.guardrail.name": guardrail, "gen_ai.operation.name": "apply_guardrail"}
