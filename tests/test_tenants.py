"""Labels that a token fixes hold, whatever its records say, also after a restart."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from llm_trace_exporter.config import Settings
from llm_trace_exporter.config.settings import StateSettings
from llm_trace_exporter.consumer import ANYONE, Tenant
from llm_trace_exporter.dialects.context import ENVIRONMENT, TEAM_KEYS
from llm_trace_exporter.engine.engine import Engine
from tests.facts import Samples

SETTINGS = replace(Settings(), zero_hold_s=0.0)
CREDIT = Tenant("credit", (("environment", "prod"), ("team", "credit")))
FRAUD = Tenant("fraud", (("environment", "prod"), ("team", "fraud")))


def call(
    on_span: dict[str, str] | None = None,
    on_resource: dict[str, str] | None = None,
    *,
    number: int = 1,
    parent: int = 0,
) -> bytes:
    """One chat call, with these attributes besides."""
    message = ExportTraceServiceRequest()
    resource_spans = message.resource_spans.add()
    for key, value in {"service.name": "shop", **(on_resource or {})}.items():
        resource_spans.resource.attributes.add(key=key).value.string_value = value
    span = resource_spans.scope_spans.add().spans.add(
        trace_id=b"t" * 16,
        span_id=number.to_bytes(8, "big"),
        parent_span_id=parent.to_bytes(8, "big") if parent else b"",
        name="chat",
        start_time_unix_nano=1_790_000_000_000_000_000 + number * 10**6,
        end_time_unix_nano=1_790_000_001_000_000_000 - number * 10**6,
    )
    told = {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": "gpt-4o",
        **(on_span or {}),
    }
    for key, value in told.items():
        span.attributes.add(key=key).value.string_value = value
    span.attributes.add(key="gen_ai.usage.input_tokens").value.int_value = 100
    span.attributes.add(key="gen_ai.usage.output_tokens").value.int_value = 10
    return message.SerializeToString()


def counted(engine: Engine) -> Samples:
    """What the metrics say once nothing waits."""
    engine.ingester.settle_all()
    return Samples(engine.exposition.render().body.decode())


def written(key: str, value: str) -> dict[str, str]:
    """An attribute that says a value under a key; `a#b` is member b of the JSON in a."""
    attr, _, member = key.partition("#")
    return {attr: f'{{"{member}": "{value}"}}' if member else value}


FORGED = [("team", key) for key in TEAM_KEYS] + [("environment", key.attr) for key in ENVIRONMENT]


@pytest.mark.parametrize(("label", "key"), FORGED)
def test_a_record_cannot_say_another_label_than_its_token(label: str, key: str) -> None:
    forged = written(key, "forged")
    free = Engine(SETTINGS)
    free.ingester.ingest_request("traces", "protobuf", call(forged), "otlp_http", ANYONE)
    assert counted(free).total("llm_requests_total", **{label: "forged"}) == 1
    engine = Engine(SETTINGS)
    engine.ingester.ingest_request("traces", "protobuf", call(forged, forged), "otlp_http", CREDIT)
    at = counted(engine)
    assert at.total("llm_requests_total", team="credit", environment="prod") == 1
    assert at.total("llm_requests_total", **{label: "forged"}) == 0
    assert at.total("llm_tokens_total", team="credit", environment="prod") == 110


def test_a_token_may_fix_the_service() -> None:
    engine = Engine(SETTINGS)
    tenant = Tenant("gateway", (("service", "gateway"),))
    engine.ingester.ingest_request("traces", "protobuf", call(), "otlp_http", tenant)
    assert counted(engine).by("llm_requests_total", "service") == {"gateway": 1}


def test_what_a_token_leaves_open_is_the_record_s_to_say() -> None:
    engine = Engine(SETTINGS)
    body = call({"feature": "search"}, {"service.name": "desk"})
    engine.ingester.ingest_request("traces", "protobuf", body, "otlp_http", CREDIT)
    found = counted(engine)
    assert found.total("llm_requests_total", feature="search", service="desk") == 1


def test_tenants_that_share_a_service_are_told_apart() -> None:
    engine = Engine(SETTINGS)
    for number, tenant in enumerate((CREDIT, FRAUD, CREDIT, ANYONE), 1):
        body = call(number=number).replace(b"t" * 16, bytes([number]) * 16)
        engine.ingester.ingest_request("traces", "protobuf", body, "otlp_http", tenant)
    found = counted(engine).by("llm_requests_total", "team")
    assert found == {"credit": 2, "fraud": 1, "": 1}


@pytest.mark.parametrize("outer_first", [True, False])
def test_one_call_told_by_two_tenants_counts_once_under_labels_of_the_two(
    outer_first: bool,
) -> None:
    engine = Engine(SETTINGS)
    outer = Tenant("client", (("environment", "prod"), ("service", "desk")))
    inner = Tenant("gateway", (("environment", "infra"), ("team", "platform")))
    requests = [(call(number=1), outer), (call(number=2, parent=1), inner)]
    for body, tenant in requests if outer_first else reversed(requests):
        engine.ingester.ingest_request("traces", "protobuf", body, "otlp_http", tenant)
    found = list(counted(engine).matching("llm_requests_total", outcome="ok"))
    assert [sample.value for sample in found] == [1]
    labels = found[0].labels
    # The outermost says who asked; a dimension comes from the innermost that has one.
    assert (labels["service"], labels["environment"]) == ("desk", "prod")
    assert labels["team"] == "platform"


def test_fixed_labels_survive_a_crash(tmp_path: Path) -> None:
    settings = replace(SETTINGS, state=StateSettings(path=str(tmp_path / "state.db")))
    before = Engine(settings)
    body = call({"team": "forged"})
    before.ingester.ingest_request("traces", "protobuf", body, "otlp_http", CREDIT)
    assert before.state is not None
    before.state.close()
    after = Engine(settings)
    assert after.ingester.waiting or counted(after).total("llm_requests_total", team="credit")
    assert counted(after).by("llm_requests_total", "team") == {"credit": 1}
    after.close()


def test_another_configuration_reads_its_tenants_anew() -> None:
    engine = Engine(SETTINGS)
    engine.ingester.ingest_request("traces", "protobuf", call(number=1), "otlp_http", CREDIT)
    engine.apply(replace(SETTINGS, lateness_s=10.0))
    body = call({"team": "forged"}, number=2).replace(b"t" * 16, b"u" * 16)
    engine.ingester.ingest_request("traces", "protobuf", body, "otlp_http", CREDIT)
    assert counted(engine).by("llm_requests_total", "team") == {"credit": 2}
