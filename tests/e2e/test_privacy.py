"""What people wrote, and who they are, stays with the sender.

A word that stands for private text is put wherever senders put such text. It must come out
nowhere: not in the metrics, not in the pages, not in the log, not in the answers to errors.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from typing import Any

import pytest
import requests

from tests.e2e.process import DEADLINE_S, OPENMETRICS, Exporter, running
from tests.e2e.wire import Log, Span, logs, traces
from tests.spans import chat

WORD = "zq7private"
MESSAGES = json.dumps([{"role": "user", "parts": [{"type": "text", "content": WORD}]}])
PERSON = {
    "user.id": WORD,
    "enduser.id": WORD,
    "user.email": f"{WORD}@example.com",
    "session.id": WORD,
    "gen_ai.conversation.id": WORD,
    f"key.with.{WORD}": 1,
}
TRACED_CALL = {
    "gen_ai.input.messages": MESSAGES,
    "gen_ai.output.messages": MESSAGES,
    "gen_ai.system_instructions": WORD,
    "gen_ai.prompt": WORD,
    "gen_ai.completion": WORD,
    "gen_ai.response.id": WORD,
    "gen_ai.response.finish_reasons": [WORD],
    "gen_ai.usage.raw": json.dumps({"note": WORD}),
    "http.url": f"https://api.example.com/?key={WORD}",
    "server.address": WORD,
}
EXCEPTION = {
    "exception": {
        "exception.type": f"shop.{WORD}.RateLimitError",
        "exception.message": f"Error code: 429 - {WORD}",
        "exception.stacktrace": f"Traceback: {WORD}",
    }
}
EVALUATION = {
    "gen_ai.evaluation.name": "relevance",
    "gen_ai.evaluation.score.value": 0.5,
    "gen_ai.evaluation.score.label": WORD,
    "gen_ai.evaluation.explanation": WORD,
    "gen_ai.response.id": WORD,
}
SPANS: dict[str, list[Span]] = {
    "semconv": [
        Span({**chat(), **TRACED_CALL, **PERSON}, name=f"chat {WORD}"),
        Span(
            {**chat(None), **PERSON, "error.type": f"{WORD}Error", "error.message": WORD},
            error=f"Error code: 429 - {WORD}",
            events=EXCEPTION,
        ),
        Span(chat(), events={"gen_ai.evaluation.result": EVALUATION, WORD: {WORD: WORD}}),
        Span(
            {
                "gen_ai.operation.name": "execute_tool",
                "gen_ai.tool.name": "lookup",
                "gen_ai.tool.call.id": WORD,
                "gen_ai.tool.call.arguments": MESSAGES,
                "gen_ai.tool.call.result": WORD,
                "gen_ai.tool.description": WORD,
                "error.type": WORD,
            },
            name="execute_tool lookup",
            error=WORD,
        ),
        Span(
            {
                "gen_ai.operation.name": "retrieval",
                "gen_ai.data_source.id": "handbook",
                "gen_ai.retrieval.query.text": WORD,
                "gen_ai.retrieval.documents": json.dumps([{"id": WORD, "score": 0.5}]),
            },
        ),
    ],
    "openinference": [
        Span(
            {
                "openinference.span.kind": "LLM",
                "llm.model_name": "gpt-4o",
                "llm.token_count.prompt": 10,
                "llm.token_count.completion": 5,
                "input.value": WORD,
                "output.value": WORD,
                "llm.input_messages.0.message.content": WORD,
                "llm.output_messages.0.message.tool_calls.0.tool_call.function.arguments": WORD,
                "llm.prompt_template.variables": MESSAGES,
                "metadata": json.dumps({"user_id": WORD, "ticket": WORD}),
                "evaluations.0.evaluation.name": "tone",
                "evaluations.0.evaluation.label": "pass",
                "evaluations.0.evaluation.explanation": WORD,
                "annotations.0.annotation.name": "user feedback",
                "annotations.0.annotation.label": "thumbs-up",
                "annotations.0.annotation.explanation": WORD,
                **PERSON,
            }
        ),
        Span(
            {
                "openinference.span.kind": "RETRIEVER",
                "input.value": WORD,
                "retrieval.documents.0.document.content": WORD,
                "retrieval.documents.0.document.score": 0.5,
            },
            name="handbook",
        ),
    ],
    "openllmetry": [
        Span(
            {
                "llm.request.type": "chat",
                "gen_ai.system": "openai",
                "gen_ai.request.model": "gpt-4o",
                "gen_ai.usage.prompt_tokens": 10,
                "gen_ai.usage.completion_tokens": 5,
                "gen_ai.prompt.0.content": WORD,
                "gen_ai.completion.0.content": WORD,
                "traceloop.association.properties.user_id": WORD,
                "traceloop.entity.input": WORD,
                "traceloop.entity.output": WORD,
            }
        )
    ],
    "langfuse": [
        Span(
            {
                "langfuse.observation.type": "generation",
                "langfuse.observation.model.name": "gpt-4o",
                "langfuse.observation.usage_details": '{"input": 10, "output": 5}',
                "langfuse.observation.input": WORD,
                "langfuse.observation.output": WORD,
                "langfuse.observation.status_message": WORD,
                "langfuse.trace.input": WORD,
                "langfuse.trace.metadata.customer": WORD,
                "langfuse.user.id": WORD,
                "langfuse.session.id": WORD,
                "langfuse.trace.tags": [WORD],
            }
        )
    ],
    "vercel_ai": [
        Span(
            {
                "ai.operationId": "ai.generateText.doGenerate",
                "ai.model.id": "gpt-4o",
                "ai.model.provider": "openai.chat",
                "ai.usage.promptTokens": 10,
                "ai.usage.completionTokens": 5,
                "ai.prompt.messages": WORD,
                "ai.response.text": WORD,
                "ai.response.toolCalls": WORD,
                "ai.telemetry.metadata.userId": WORD,
                "ai.response.finishReason": WORD,
            },
            name="ai.generateText.doGenerate",
        )
    ],
    "mlflow": [
        Span(
            {
                "mlflow.spanType": '"CHAT_MODEL"',
                "mlflow.spanInputs": json.dumps(WORD),
                "mlflow.spanOutputs": json.dumps(WORD),
                "mlflow.trace.user": WORD,
                "mlflow.trace.session": WORD,
                "mlflow.chat.tokenUsage": '{"input_tokens": 10, "output_tokens": 5}',
                "mlflow.llm.model": '"gpt-4o"',
            }
        )
    ],
}
LOGS: dict[str, list[Log]] = {
    "semconv": [
        Log(EVALUATION, event="gen_ai.evaluation.result", body={"explanation": WORD}),
        Log(TRACED_CALL, event="gen_ai.client.inference.operation.details", body=MESSAGES),
        Log({"gen_ai.system": "openai"}, event="gen_ai.user.message", body={"content": WORD}),
    ],
    "claude_code": [
        Log(
            {"event.name": "user_prompt", "prompt": WORD, **PERSON}, body="claude_code.user_prompt"
        ),
        Log(
            {"event.name": "api_error", "model": "claude-sonnet-4-5", "error": WORD, **PERSON},
            body="claude_code.api_error",
        ),
        Log(
            {"event.name": "tool_result", "tool_name": "Bash", "tool_parameters": WORD, **PERSON},
            body="claude_code.tool_result",
        ),
    ],
    "none": [Log({WORD: WORD}, event=WORD, body=WORD)],
}
SCOPES = {"claude_code": "com.anthropic.claude_code.events"}


@pytest.fixture(scope="module")
def exporter(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Exporter]:
    """An exporter that tells as much as it can, after it was sent everything above."""
    folder = tmp_path_factory.mktemp("privacy")
    arguments = ("--decision-wait=0s", "--zero-hold=0s", "--log.level=debug")
    with running(folder, *arguments) as started:
        resource: dict[str, Any] = {
            "host__name": WORD,
            "process__command_line": WORD,
            "process__owner": WORD,
            "user__id": WORD,
        }
        for spans in SPANS.values():
            started.send(traces(*spans, **resource))
        for name, records in LOGS.items():
            started.send(logs(*records, scope=SCOPES.get(name, "test"), **resource), "logs")
        yield started


def shows(exporter: Exporter) -> dict[str, str]:
    """Everything that it tells to anybody."""
    return {
        "text": exporter.get("/metrics").text,
        "OpenMetrics": exporter.get("/metrics", headers={"Accept": OPENMETRICS}).text,
        "landing page": exporter.get("/").text,
        "configuration": exporter.get("/config").text,
        "log": exporter.log,
        "output": exporter.output,
    }


def assert_kept(shown: dict[str, str]) -> None:
    """The word is nowhere, in no spelling."""
    raw = WORD.encode()
    spellings = {WORD, raw.hex(), base64.b64encode(raw).decode().rstrip("=")}
    leaks = {
        (where, line)
        for where, text in shown.items()
        for line in text.splitlines()
        if any(spelling.lower() in line.lower() for spelling in spellings)
    }
    assert leaks == set()


def test_everything_was_read(exporter: Exporter) -> None:
    at = exporter.wait_until_settled()
    received = "llm_exporter_spans_received_total"
    assert at.by(received, "dialect") == {name: len(spans) for name, spans in SPANS.items()}
    assert at.total("llm_requests_total", outcome="ok") == 7
    assert at.total("llm_requests_total", error_type="rate_limited") == 1
    assert at.total("llm_tool_calls_total", tool="lookup", outcome="error") == 1
    assert at.total("llm_judge_verdicts_total", judge="relevance", verdict="unscored") == 2
    assert at.total("llm_judge_verdicts_total", judge="tone", verdict="pass") == 1
    assert at.total("llm_feedback_total", rating="positive") == 1


def test_private_text_comes_out_nowhere(exporter: Exporter) -> None:
    exporter.wait_until_settled()
    shown = shows(exporter)
    assert "trace_id=" in shown["OpenMetrics"]
    assert_kept(shown)


def test_answers_and_log_of_refused_requests_hold_none_of_it(exporter: Exporter) -> None:
    impossible = chat(None, **{"gen_ai.usage.input_tokens": f"-1e999{WORD}"})
    negative = chat((-5, 5), user__id=WORD)
    answers = [
        exporter.post(traces(Span(impossible), Span(negative))),
        exporter.post(traces(Span(chat(user__id=WORD)))[:-3]),
        exporter.post(f'{{"resourceSpans": "{WORD}"}}'.encode(), media_type="application/json"),
        exporter.post(f'{{"{WORD}'.encode(), media_type="application/json"),
        exporter.post(WORD.encode(), Content_Encoding="gzip"),
        exporter.post(WORD.encode(), Content_Encoding=WORD),
        exporter.post(WORD.encode(), media_type=f"text/{WORD}", Authorization=f"Bearer {WORD}"),
        exporter.post(WORD.encode(), f"{WORD}?token={WORD}", Cookie=WORD),
        exporter.get(f"/{WORD}?token={WORD}", headers={"Authorization": f"Bearer {WORD}"}),
        exporter.get(f"/metrics?name[]={WORD}", headers={"Accept": WORD}),
        requests.put(f"{exporter.http}/v1/traces?{WORD}", data=WORD, timeout=DEADLINE_S),
    ]
    assert_kept({str(n): f"{a.headers}\n{a.text}" for n, a in enumerate(answers)})
    assert_kept(shows(exporter))
