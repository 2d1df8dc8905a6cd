"""The numbers do not depend on how the records of a trace arrive.

The captures are split span by span, shuffled, resent and merged with each other: the sums stay
the same, as long as everything comes within the settle window.
"""

from __future__ import annotations

import random
from functools import cache

import pytest
from google.protobuf.message import Message
from hypothesis import HealthCheck, given
from hypothesis import strategies as st
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from llm_trace_exporter.engine.engine import Engine
from llm_trace_exporter.otlp.files import iter_requests
from tests.draws import draws
from tests.facts import COMPARED, facts
from tests.test_corpus import CORPUS, SOURCES, TRUSTING, replayed

PROTOBUF_SOURCES = [s for s in SOURCES if any((CORPUS / s).glob("*.pb"))]
MERGED = ["claude-code", "openinference-anthropic", "logfire-pydantic-ai", "traceloop-guardrails",
          "opensearch-genai", "langfuse"]  # fmt: skip
DEPENDS_ON_RESENDING = {"naive_tokens"}


@cache
def split(source: str) -> tuple[tuple[str, bytes], ...]:
    """Every span and log record of a capture as a request of its own."""
    found: list[tuple[str, bytes]] = []
    for request in iter_requests(CORPUS / source, lambda _: None):
        if request.signal == "traces":
            traces = ExportTraceServiceRequest.FromString(request.body)
            found += [("traces", body) for body in _one_by_one(traces)]
        elif request.signal == "logs":
            logs = ExportLogsServiceRequest.FromString(request.body)
            found += [("logs", body) for body in _one_by_one(logs)]
    return tuple(found)


def _one_by_one(message: Message) -> list[bytes]:
    bodies = []
    outer = message.DESCRIPTOR.fields[0].name
    for resource in getattr(message, outer):
        middle = resource.DESCRIPTOR.fields_by_number[2].name
        for scope in getattr(resource, middle):
            inner = scope.DESCRIPTOR.fields_by_number[2].name
            for record in getattr(scope, inner):
                alone = type(message)()
                new_resource = getattr(alone, outer).add()
                new_resource.resource.CopyFrom(resource.resource)
                new_scope = getattr(new_resource, middle).add()
                new_scope.scope.CopyFrom(scope.scope)
                getattr(new_scope, inner).add().CopyFrom(record)
                bodies.append(alone.SerializeToString())
    return bodies


def counted(requests: list[tuple[str, bytes]]) -> str:
    """The exposition after these requests."""
    engine = Engine(TRUSTING)
    for signal, body in requests:
        engine.ingester.ingest_request(signal, "protobuf", body, "file")  # type: ignore[arg-type]
    engine.ingester.settle_all()
    return engine.exposition.render().body.decode()


def compared(
    exposition: str, leave_out: frozenset[str] | set[str] = frozenset()
) -> dict[str, object]:
    """The facts of an exposition, ready to compare."""
    found = facts(exposition)
    return {name: write(found[name]) for name, write in COMPARED.items() if name not in leave_out}


@pytest.mark.parametrize("source", PROTOBUF_SOURCES)
def test_split_and_shuffled_captures_count_the_same(source: str) -> None:
    """Span by span, in another order."""
    requests = list(split(source))
    random.Random(source).shuffle(requests)
    assert compared(counted(requests)) == compared(replayed(source))


@draws(25, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_any_order_with_resending_counts_the_same(data: st.DataObject) -> None:
    """Any order, any records sent several times."""
    source = data.draw(st.sampled_from([s for s in PROTOBUF_SOURCES if len(split(s)) < 80]))
    requests = data.draw(st.permutations(split(source)))
    resent = data.draw(st.lists(st.sampled_from(requests), max_size=20))
    found = counted([*requests, *resent])
    assert compared(found, DEPENDS_ON_RESENDING) == compared(replayed(source), DEPENDS_ON_RESENDING)


def test_merged_captures_count_what_they_count_alone() -> None:
    """Captures of several apps, interleaved record by record, do not disturb each other."""
    requests = [request for source in MERGED for request in split(source)]
    random.Random(7).shuffle(requests)
    together = facts(counted(requests))
    alone = [facts(replayed(source)) for source in MERGED]
    for outcome in ("ok", "error"):
        assert together["calls"][outcome] == sum(one["calls"][outcome] for one in alone)
    for type_ in together["tokens"]:
        assert together["tokens"][type_] == sum(one["tokens"][type_] for one in alone)
    for fact in ("retrievals", "agents", "discarded_rollup_tokens", "streaming_calls_with_ttft"):
        assert together[fact] == sum(one[fact] for one in alone)
    assert together["reported_cost_usd"] == pytest.approx(
        sum(one["reported_cost_usd"] or 0 for one in alone)
    )
