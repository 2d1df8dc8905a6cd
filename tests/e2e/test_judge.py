"""The built-in judge in the running exporter: what it says, and what nobody may see."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.e2e.process import Exporter, running, wait_for
from tests.judge.endpoint import Reply, serving

CANARY = "canary-5d1e"


def span(number: int, answer: str) -> dict[str, Any]:
    """A chat call with its messages, as the GenAI conventions write it."""
    texts = {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": "gpt-4o",
        "gen_ai.input.messages": json.dumps(
            [{"role": "user", "parts": [{"type": "text", "content": f"{CANARY} question"}]}]
        ),
        "gen_ai.output.messages": json.dumps(
            [{"role": "assistant", "parts": [{"type": "text", "content": f"{CANARY} {answer}"}]}]
        ),
        "app.feature": "refunds",
    }
    return {
        "traceId": f"{number:032x}",
        "spanId": f"{number:016x}",
        "name": "chat gpt-4o",
        "startTimeUnixNano": "1790000000000000000",
        "endTimeUnixNano": "1790000001000000000",
        "attributes": [{"key": k, "value": {"stringValue": v}} for k, v in texts.items()],
    }


def send(exporter: Exporter, spans: list[dict[str, Any]]) -> None:
    """Export them over OTLP/HTTP."""
    service = {"key": "service.name", "value": {"stringValue": "shop"}}
    body = {
        "resourceSpans": [{"resource": {"attributes": [service]}, "scopeSpans": [{"spans": spans}]}]
    }
    assert (
        exporter.post(json.dumps(body).encode(), media_type="application/json").status_code == 200
    )


def test_what_the_judge_finds_is_counted_and_nothing_that_was_said_stays(tmp_path: Path) -> None:
    def answer(chat: dict[str, Any]) -> Reply:
        is_good = f"{CANARY} good" in chat["messages"][1]["content"]
        usage = {"prompt_tokens": 1_000_000, "completion_tokens": 0}
        content = json.dumps({"verdict": is_good, "evidence": f"{CANARY} evidence"})
        return Reply(content, usage=usage)

    with serving(answer) as server:
        contract = {"model": "judge-1", "usd_per_million_tokens": {"input": 0.5}}
        rule = {"name": "good", "question": "Is the answer good?"}
        config: dict[str, Any] = {
            "decision_wait": "0s",
            "zero_hold": "0s",
            "state": {"path": str(tmp_path / "state.db")},
            "dimensions": [{"label": "feature", "keys": ["app.feature"]}],
            "pricing": {"contracts": [contract]},
            "judge": {"endpoint": {"url": server.url, "model": "judge-1"}, "rules": [rule]},
        }
        with running(tmp_path, config=config) as exporter:
            judged_and_reloaded(exporter, tmp_path, config)
            pages = [exporter.get(path).text for path in ("/metrics", "/config")]
        logs = exporter.log
        with running(tmp_path, config=config) as exporter:
            assert exporter.metrics().total("llm_judge_verdicts_total") == 23
            assert exporter.metrics().total("llm_judge_runs_total") == 0
            assert exporter.metrics().total("llm_judge_spent_today_usd") == 11.5
        assert len(server.chats) == 23
    kept = b"".join(path.read_bytes() for path in tmp_path.iterdir() if path.is_file())
    for place in (*pages, logs, kept.decode(errors="replace")):
        assert CANARY not in place


def test_judges_of_both_kinds_leave_nothing_behind_and_spending_survives_a_kill(
    tmp_path: Path,
) -> None:
    secret, mail = "AKIAQ3EGRIVZJ5XTPLW7", "jane.doe@shop-berlin.de"
    found = Reply(
        json.dumps({"verdict": False, "evidence": f"The key is {secret}"}),
        usage={"prompt_tokens": 1_000_000, "completion_tokens": 0},
    )
    with serving(found) as server:
        contract = {"model": "judge-1", "usd_per_million_tokens": {"input": 0.5}}
        config: dict[str, Any] = {
            "decision_wait": "0s",
            "zero_hold": "0s",
            "state": {"path": str(tmp_path / "state.db")},
            "pricing": {"contracts": [contract]},
            "content_rules": {"secrets": 1, "personal_data": 1, "refusal": 1, "language": 1},
            "judge": {
                "endpoint": {"url": server.url, "model": "judge-1"},
                "rules": [{"name": "good", "question": "Is the answer good?"}],
            },
        }
        with running(tmp_path, config=config) as exporter:
            send(exporter, [span(n, f"The key is {secret}, mail {mail}.") for n in (1, 2, 3)])
            wait_for(lambda: counted(exporter, "llm") == 3, "the model's verdicts")
            wait_for(lambda: counted(exporter, "code") >= 9, "verdicts of content rules")
            assert exporter.metrics().total("llm_content_findings_total") >= 6
            pages = [exporter.get(path).text for path in ("/metrics", "/config")]
            time.sleep(2.0)  # as the docs promise: what is spent is saved each second
            exporter.process.kill()
            exporter.ended()
            logs = exporter.log
        kept = b"".join(path.read_bytes() for path in tmp_path.iterdir() if path.is_file())
        with running(tmp_path, config=config) as exporter:
            assert exporter.metrics().total("llm_judge_spent_today_usd") == 1.5
            assert counted(exporter, "llm") == 3
    for place in (*pages, logs, kept.decode(errors="replace")):
        assert not [text for text in (CANARY, secret, mail) if text in place]


def counted(exporter: Exporter, kind: str) -> float:
    """Verdicts of judges of one kind."""
    return exporter.metrics().total("llm_judge_verdicts_total", kind=kind)


def judged_and_reloaded(exporter: Exporter, folder: Path, config: dict[str, Any]) -> None:
    """Judge 20 calls, come to the daily limit, and go on under another rule."""

    def value(name: str, **labels: str) -> float:
        return exporter.metrics().total(name, **labels)

    send(exporter, [span(n, "good" if n % 4 else "bad") for n in range(1, 21)])
    wait_for(lambda: value("llm_judge_verdicts_total") == 20, "verdicts")
    told = {"judge": "good", "kind": "llm", "feature": "refunds", "service": "shop"}
    assert value("llm_judge_verdicts_total", verdict="pass", model="gpt-4o", **told) == 15
    assert value("llm_judge_verdicts_total", verdict="fail", model="gpt-4o", **told) == 5
    assert value("llm_judge_eligible_total", judge="good") == 20
    assert value("llm_judge_runs_total", judge="good", outcome="ok") == 20
    assert value("llm_judge_cost_usd_total") == 10.0
    assert value("llm_judge_spent_today_usd") == value("llm_judge_daily_limit_usd") == 10.0
    assert value("llm_requests_total") == 20
    assert value("llm_judge_lag_seconds_count") == 20

    send(exporter, [span(n, "good") for n in range(21, 31)])
    wait_for(lambda: value("llm_judge_runs_total", outcome="skipped") == 10, "the limit")

    config["judge"]["daily_limit_usd"] = 1000
    config["judge"]["rules"][0] |= {"name": "fine", "passes_when": False}
    (folder / "config.yml").write_text(yaml.safe_dump(config))
    exporter.reload()
    send(exporter, [span(n, "good") for n in range(31, 34)])
    wait_for(lambda: value("llm_judge_verdicts_total", judge="fine") == 3, "the new rule")
    assert value("llm_judge_verdicts_total", judge="fine", verdict="fail") == 3
    assert value("llm_judge_spent_today_usd") == 11.5


def test_a_judge_that_hangs_holds_up_nobody(tmp_path: Path) -> None:
    with serving(Reply(delay_s=60)) as server:
        config = {
            "decision_wait": "0s",
            "zero_hold": "0s",
            "judge": {
                "endpoint": {"url": server.url, "model": "judge-1"},
                "max_queue": 5,
                "rules": [{"name": "good", "question": "Is the answer good?"}],
            },
        }
        with running(tmp_path, config=config) as exporter:
            for batch in range(10):
                send(exporter, [span(n, "good") for n in range(50 * batch + 1, 50 * batch + 51)])
            wait_for(
                lambda: exporter.metrics().total("llm_judge_eligible_total") == 500, "all calls"
            )
            seen = exporter.metrics()
            assert seen.total("llm_requests_total") == 500
            assert seen.total("llm_judge_queue_length") == 5
            wait_for(
                lambda: exporter.metrics().total("llm_judge_runs_total", outcome="skipped") == 491,
                "what is too much",
            )


@pytest.mark.parametrize(
    ("endpoint", "is_told"), [({}, True), ({"url": "http://127.0.0.1:9/", "model": "m"}, False)]
)
def test_rules_without_an_endpoint_are_told(
    tmp_path: Path, endpoint: dict[str, str], is_told: bool
) -> None:
    config = {"judge": {"endpoint": endpoint, "rules": [{"name": "a", "question": "A"}]}}
    with running(tmp_path, config=config) as exporter:
        assert ("nothing is judged" in exporter.log) == is_told
        shown = bool(exporter.metrics().by_name.get("llm_judge_circuit_open"))
        assert shown == (not is_told)


def test_a_replay_asks_nobody_and_the_judge_listens_on(tmp_path: Path) -> None:
    calls = tmp_path / "calls.traces.json"
    calls.write_text(
        json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": [span(1, "good")]}]}]})
    )
    with serving(Reply()) as server:
        config = {
            "decision_wait": "0s",
            "zero_hold": "0s",
            "judge": {
                "endpoint": {"url": server.url, "model": "judge-1"},
                "rules": [{"name": "good", "question": "Is the answer good?"}],
            },
        }
        with running(tmp_path, f"--replay={calls}", config=config) as exporter:
            wait_for(lambda: exporter.metrics().total("llm_requests_total") == 1, "the replay")
            send(exporter, [span(2, "good")])
            wait_for(lambda: exporter.metrics().total("llm_judge_verdicts_total") == 1, "verdict")
        assert len(server.chats) == 1
