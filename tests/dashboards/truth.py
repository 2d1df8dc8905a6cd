"""What happened, told by the simulated records alone: no code of the exporter has a say."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from llm_trace_exporter.otlp.records import Attributes, RawSpan
from llm_trace_exporter.simulate.traffic import Sent
from llm_trace_exporter.simulate.world import SERVICES

MODELS: Mapping[str, str] = {
    "gpt-4o-2024-08-06": "gpt-4o",
    "gpt-4o-mini-2024-07-18": "gpt-4o-mini",
    "claude-sonnet-4-5-20250929": "claude-sonnet-4-5",
    "claude-haiku-4-5-20251001": "claude-haiku-4-5",
    "anthropic.claude-3-5-haiku-20241022-v1:0": "claude-3-5-haiku",
}
"""Names that have one of their own in metrics; others stay as they are."""
PRICES: Mapping[str, tuple[float, float, float, float]] = {
    "openai": (2, 1, 3, 10), "anthropic": (4, 1, 5, 20), "aws.bedrock": (4, 1, 5, 20),
}  # fmt: skip
"""Dollars per million tokens of tests/dashboards/fleet.yml: input, read from and written to the
cache, output."""
_JUDGES = {judge.name: judge for service in SERVICES for judge in service.judges}
_TEAMS = {service.name: service.team for service in SERVICES}
_CALLS = {"chat", "embeddings"}
_OPENINFERENCE = {"LLM": "chat", "EMBEDDING": "embeddings", "RERANKER": "rerank"}
_OTHER = {"google": "gcp.gemini", "aws": "aws.bedrock"}


@dataclass(frozen=True, slots=True)
class Call:
    """One call to a model."""

    service: str
    environment: str
    team: str
    feature: str
    provider: str
    model: str
    operation: str
    prompt_name: str
    prompt_version: str
    is_judging: bool
    error: str
    seconds: float
    first_token_s: float | None
    tokens: tuple[int, int, int, int] | None
    """Input, read from and written to the cache, output; None: not told."""
    from_cache: bool
    """Of a gateway, which then pays nobody."""

    @property
    def usd(self) -> float | None:
        """What it costs; None: it has no price."""
        if self.tokens is None or self.provider not in PRICES:
            return None
        if self.from_cache:
            return 0.0
        return sum(n * usd for n, usd in zip(self.tokens, PRICES[self.provider], strict=True)) / 1e6


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a judge, a person, a guardrail or a user says."""

    service: str
    environment: str
    judge: str
    kind: str
    verdict: str
    model: str = ""


@dataclass(frozen=True, slots=True)
class Step:
    """A tool or a retrieval."""

    service: str
    environment: str
    kind: str
    name: str
    failed: bool
    found: int = 0


@dataclass(frozen=True, slots=True)
class Facts:
    """All of it."""

    calls: tuple[Call, ...]
    verdicts: tuple[Verdict, ...]
    ratings: tuple[Verdict, ...]
    steps: tuple[Step, ...]


def facts(sent: Iterable[Sent]) -> Facts:
    """Everything that some records tell."""
    every = list(sent)
    said = [*_verdicts(every)]
    return Facts(
        tuple(_calls(every)),
        tuple(one for one in said if one.judge != "user_feedback"),
        tuple(one for one in said if one.judge == "user_feedback"),
        tuple(_steps(every)),
    )


def _calls(sent: Iterable[Sent]) -> Iterator[Call]:
    for one in sent:
        is_judging = any(_kind(span.attrs) == "evaluation" for span in one.spans)
        for span in one.spans:
            if (operation := _kind(span.attrs)) in {*_CALLS, "rerank"}:
                yield _call(one, span, operation, is_judging)


def _kind(attrs: Attributes) -> str:
    openinference = str(attrs.get("openinference.span.kind", ""))
    return _OPENINFERENCE.get(openinference, str(attrs.get("gen_ai.operation.name", "")))


def _call(one: Sent, span: RawSpan, operation: str, is_judging: bool) -> Call:
    a = span.attrs
    provider = str(a.get("gen_ai.provider.name") or a.get("llm.provider"))
    names = ("gen_ai.response.model", "gen_ai.request.model", "llm.model_name",
             "embedding.model_name", "reranker.model_name")  # fmt: skip
    model = next(str(a[name]) for name in names if name in a)
    name = one.place.service.name
    return Call(
        name, one.place.environment, _TEAMS[name], str(a["feature"]),
        _OTHER.get(provider, provider), MODELS.get(model, model), operation,
        str(a.get("gen_ai.prompt.name", "")),
        str(a.get("gen_ai.prompt.version") or a.get("llm.prompt_template.version") or ""),
        is_judging, str(a.get("error.type", "")), (span.end_ns - span.start_ns) / 1e9,
        _first_token(span), _tokens(a), "gen_ai.response.cache_hit" in a,
    )  # fmt: skip


def _first_token(span: RawSpan) -> float | None:
    told = span.attrs.get("gen_ai.response.time_to_first_chunk")
    if isinstance(told, float):
        return told
    at = [event.time_ns for event in span.events if event.name.startswith("First Token")]
    return (at[0] - span.start_ns) / 1e9 if at else None


def _tokens(a: Attributes) -> tuple[int, int, int, int] | None:
    def told(*names: str) -> int:
        return sum(int(str(a.get(name, 0))) for name in names)

    whole = told("gen_ai.usage.input_tokens", "llm.token_count.prompt")
    if not whole:
        return None
    read = told("gen_ai.usage.cache_read.input_tokens",
                "llm.token_count.prompt_details.cache_read")  # fmt: skip
    written = told("gen_ai.usage.cache_creation.input_tokens")
    output = told("gen_ai.usage.output_tokens", "llm.token_count.completion")
    return whole - read - written, read, written, output


def _verdicts(sent: Iterable[Sent]) -> Iterator[Verdict]:
    for one in sent:
        where = one.place.service.name, one.place.environment
        told = [log.attrs for log in one.logs]
        told += [event.attrs for span in one.spans for event in span.events
                 if event.name.startswith("gen_ai.evaluation")]  # fmt: skip
        for a in told:
            kind = str(a.get("gen_ai.evaluation.evaluator.source", "llm"))
            yield _said(where, str(a["gen_ai.evaluation.name"]), kind,
                        str(a.get("gen_ai.evaluation.score.label", "")))  # fmt: skip
        for span in one.spans:
            yield from _annotated(where, span.attrs)
            yield from _guarded(where, span.attrs, str(span.attrs.get("error.type", "")))


def _annotated(where: tuple[str, str], a: Attributes) -> Iterator[Verdict]:
    number = 0
    while f"evaluations.{number}.evaluation.name" in a:
        place = f"evaluations.{number}.evaluation."
        kind = str(a[place + "annotator_kind"]).lower()
        yield _said(where, str(a[place + "name"]), kind, str(a[place + "label"]))
        number += 1


def _guarded(where: tuple[str, str], a: Attributes, error: str) -> Iterator[Verdict]:
    if name := a.get("gen_ai.guardrail.name"):
        status = {"failed": "fail", "passed": "pass"}.get(str(a.get("gen_ai.guardrail.status")))
        yield Verdict(*where, str(name), "guardrail", status or ("error" if error else ""))


def _said(where: tuple[str, str], name: str, kind: str, label: str) -> Verdict:
    if name == "user_feedback":
        return Verdict(*where, name, kind, "fail" if label == "thumbs_down" else "pass")
    judge = _JUDGES[name]
    verdict = {judge.passes: "pass", judge.fails: "fail"}.get(label, "error")
    return Verdict(*where, name, kind, verdict)


def _steps(sent: Iterable[Sent]) -> Iterator[Step]:
    for one in sent:
        where = one.place.service.name, one.place.environment
        for span in one.spans:
            a = span.attrs
            if a.get("gen_ai.operation.name") == "execute_tool":
                yield Step(*where, "tool", str(a["gen_ai.tool.name"]), "error.type" in a)
            elif "gen_ai.data_source.id" in a:
                yield Step(*where, "retrieval", str(a["gen_ai.data_source.id"]), False, _found(a))


def _found(a: Attributes) -> int:
    listed = str(a.get("gen_ai.retrieval.documents", ""))
    return listed.count('"id"') + sum(name.startswith("retrieval.documents") for name in a)
