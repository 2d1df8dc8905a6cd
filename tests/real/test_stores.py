"""Real Phoenix and MLflow servers: scores that come late, are edited, overruled and deleted."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import requests
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from llm_trace_exporter.app.sources import client_of, options_of
from llm_trace_exporter.config import Settings
from llm_trace_exporter.config.source_settings import SourceSettings
from llm_trace_exporter.engine.engine import Engine
from llm_trace_exporter.sources.poller import Poller
from llm_trace_exporter.sources.registry import SYSTEMS
from tests.e2e.process import wait_for
from tests.e2e.prometheus import free_port
from tests.facts import Samples
from tests.real.stores import command, started
from tests.sources.test_recorded_scores import revisions, verdicts

pytestmark = pytest.mark.real

TRACES = [bytes([number]) * 16 for number in range(1, 5)]
SPANS = [bytes([number]) * 8 for number in range(1, 5)]


def exported() -> bytes:
    """Four calls of a model, each in a trace of its own."""
    request = ExportTraceServiceRequest()
    resource = request.resource_spans.add()
    resource.resource.attributes.add(key="service.name").value.string_value = "shop"
    resource.resource.attributes.add(key="openinference.project.name").value.string_value = "shop"
    scope = resource.scope_spans.add()
    now_ns = time.time_ns() - 60 * 1_000_000_000
    for trace_id, span_id in zip(TRACES, SPANS, strict=True):
        span = scope.spans.add(
            trace_id=trace_id, span_id=span_id, name="chat gpt-4o-mini",
            start_time_unix_nano=now_ns, end_time_unix_nano=now_ns + 1_000_000_000,
        )  # fmt: skip
        texts = {
            "gen_ai.operation.name": "chat", "gen_ai.provider.name": "openai",
            "gen_ai.request.model": "gpt-4o-mini", "gen_ai.response.model": "gpt-4o-mini",
        }  # fmt: skip
        for key, text in texts.items():
            span.attributes.add(key=key).value.string_value = text
        for key, number in {"input": 100, "output": 10}.items():
            span.attributes.add(key=f"gen_ai.usage.{key}_tokens").value.int_value = number
    return request.SerializeToString()


@dataclass
class Reading:
    """A source that reads a real store on real clocks."""

    engine: Engine
    poller: Poller

    def poll(self) -> Samples:
        assert self.poller.poll(is_slow=True) == self.poller.options.interval_s
        self.engine.ingester.settle_all()
        return Samples(self.engine.exposition.render("", []).body.decode())


def reading(system: str, url: str, project: str) -> Reading:
    settings = SourceSettings(
        "real", system, url, (project,), mode="calls+scores", start_at_s=3600.0
    )  # fmt: skip
    engine = Engine(Settings(zero_hold_s=0, sources=(settings,)))
    fetch = client_of(settings, engine.sources).fetch
    poller = Poller(options_of(settings), SYSTEMS[system], fetch, engine.ingester, engine.sources)
    return Reading(engine, poller)


def done(answer: requests.Response) -> Any:
    assert answer.ok, answer.text
    return answer.json() if answer.content else None


@pytest.fixture(scope="module")
def mlflow_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder, port = tmp_path_factory.mktemp("mlflow"), free_port()
    mlflow = command("mlflow", "3.17.2", "mlflow")
    arguments: list[str | Path] = [mlflow, "server", f"--backend-store-uri=sqlite:///{folder}/db.sqlite",
                 f"--default-artifact-root={folder}/artifacts", f"--port={port}",
                 "--workers=1"]  # fmt: skip
    url = f"http://127.0.0.1:{port}"
    path = f"{mlflow.parent}:/usr/bin:/bin"
    with started(arguments, f"{url}/health", folder, PATH=path):
        yield url


class TestMLflow:
    def test_its_scores_as_they_change(self, mlflow_url: str) -> None:
        url = mlflow_url
        api = f"{url}/api/3.0/mlflow/traces"
        made = requests.post(
            f"{url}/api/2.0/mlflow/experiments/create", json={"name": "shop"}, timeout=60
        )
        project = done(made)["experiment_id"]
        headers = {"Content-Type": "application/x-protobuf", "x-mlflow-experiment-id": project}
        sent = requests.post(f"{url}/v1/traces", exported(), headers=headers, timeout=60)
        assert sent.ok, sent.text
        source = reading("mlflow", url, project)

        def assess(number: int, value: Any, kind: str = "LLM_JUDGE", **more: Any) -> str:
            trace = f"tr-{TRACES[number].hex()}"
            told = {
                "assessment_name": "correctness", "trace_id": trace,
                "source": {"source_type": kind, "source_id": "it"},
                "feedback": {"value": value}, **more,
            }  # fmt: skip
            answer = requests.post(
                f"{api}/{trace}/assessments", json={"assessment": told}, timeout=60
            )
            found = done(answer)["assessment"]["assessment_id"]
            return f"{api}/{trace}/assessments/{found}"

        first = [assess(number, value) for number, value in enumerate(("yes", "no", "yes"))]
        at = source.poll()
        assert verdicts(at) == {
            ("correctness", "llm", "pass"): 2,
            ("correctness", "llm", "fail"): 1,
        }
        assert at.total("llm_requests_total") == 4
        assert set(at.by("llm_cost_usd_total", "cost_source")) == {"list"}
        assert at.total("llm_judge_verdicts_total", model="gpt-4o-mini", service="shop") == 3

        edited = {"assessment": {"feedback": {"value": "no"}}, "update_mask": "feedback"}
        done(requests.patch(first[0], json=edited, timeout=60))
        done(requests.delete(first[2], timeout=60))
        assess(3, None, feedback={"error": {"error_code": "RATE_LIMITED"}})
        overridden = first[1].rpartition("/")[2]
        assess(1, "yes", "HUMAN", overrides=overridden)
        for _ in range(2):
            at = source.poll()
        assert verdicts(at) == {
            ("correctness", "llm", "pass"): 2, ("correctness", "llm", "fail"): 1,
            ("correctness", "llm", "error"): 1, ("correctness", "human", "pass"): 1,
        }  # fmt: skip
        assert revisions(at) == {
            ("correctness", "llm", "pass", "fail"): 1,
            ("correctness", "llm", "fail", "invalid"): 1,
            ("correctness", "llm", "pass", "deleted"): 1,
        }
        assert at.total("llm_requests_total") == 4


@pytest.fixture(scope="module")
def phoenix_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder, port = tmp_path_factory.mktemp("phoenix"), free_port()
    phoenix = command("arize-phoenix", "20.26.1", "phoenix")
    url = f"http://127.0.0.1:{port}"
    environment = {
        "PHOENIX_PORT": str(port), "PHOENIX_HOST": "127.0.0.1",
        "PHOENIX_GRPC_PORT": str(free_port()), "PHOENIX_WORKING_DIR": str(folder),
    }  # fmt: skip
    with started([phoenix, "serve"], f"{url}/healthz", folder, **environment):
        yield url


class TestPhoenix:
    def test_its_scores_as_they_change(self, phoenix_url: str) -> None:
        url = phoenix_url
        headers = {"Content-Type": "application/x-protobuf"}
        sent = requests.post(f"{url}/v1/traces", exported(), headers=headers, timeout=60)
        assert sent.ok, sent.text
        spans = f"{url}/v1/projects/shop/spans"

        def listed() -> bool:
            answer = requests.get(spans, timeout=60)
            return answer.ok and len(answer.json()["data"]) == len(SPANS)

        # A success is answered before the spans can be seen.
        wait_for(listed, "spans", 120)
        source = reading("phoenix", url, "shop")
        annotate = _annotating(url)
        for number, (label, score) in enumerate((("yes", 1), ("no", 0), ("yes", 1))):
            annotate(number, label, score)
        at = source.poll()
        assert verdicts(at) == {
            ("correctness", "llm", "pass"): 2,
            ("correctness", "llm", "fail"): 1,
        }
        assert at.total("llm_requests_total") == 4
        assert set(at.by("llm_cost_usd_total", "cost_source")) == {"list"}
        assert at.total("llm_judge_verdicts_total", model="gpt-4o-mini") == 3

        annotate(0, "no", 0)
        annotate(1, "yes", 1, "HUMAN")
        annotate(2, "yes", 1)
        for _ in range(2):
            at = source.poll()
        assert verdicts(at) == {
            ("correctness", "llm", "pass"): 2, ("correctness", "llm", "fail"): 1,
            ("correctness", "human", "pass"): 1,
        }  # fmt: skip
        assert revisions(at) == {("correctness", "llm", "pass", "fail"): 1}
        assert at.by("llm_judge_agreement_total", "agrees") == {"false": 1}
        assert at.total("llm_requests_total") == 4


def _annotating(url: str) -> Callable[..., None]:
    def annotate(number: int, label: str, score: float, kind: str = "LLM") -> None:
        told = {
            "span_id": SPANS[number].hex(), "name": "correctness", "annotator_kind": kind,
            "result": {"label": label, "score": score}, "identifier": "",
        }  # fmt: skip
        path = f"{url}/v1/span_annotations?sync=true"
        done(requests.post(path, json={"data": [told]}, timeout=60))

    return annotate
