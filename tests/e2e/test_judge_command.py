"""`llm-trace-exporter evaluate`: rules asked of recorded calls."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from llm_trace_exporter.cli.evaluate import ABOVE
from llm_trace_exporter.cli.main import main
from llm_trace_exporter.config import load_config, load_rules
from llm_trace_exporter.judge.rules import MATERIALS
from tests.e2e.test_judge import CANARY, span
from tests.judge.endpoint import Reply, Server, serving

RULES = "rules:\n- {name: good, question: 'Is the answer good?'}\n"
STARTER = Path(__file__).parents[2] / "exporter/llm_trace_exporter/judge/starter_rules.yml"


@pytest.fixture
def server() -> Iterator[Server]:
    """Finds good what calls itself good; asked in reverse order, calls 4 and 8 are good, too."""

    def answer(chat: dict[str, Any]) -> Reply:
        shown = chat["messages"][1]["content"]
        is_turned = shown.index("answer of the AI") < shown.index("message of the user")
        is_good = f"{CANARY} good" in shown or (is_turned and "bad4" in shown)
        content = json.dumps({"verdict": is_good, "evidence": f"{CANARY} evidence"})
        return Reply(content, usage={"prompt_tokens": 1000, "completion_tokens": 10})

    with serving(answer) as serving_one:
        yield serving_one


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Twenty calls, every fourth bad, in one file with rules beside it."""
    spans = [span(n, "good" if n % 4 else f"bad{n}") for n in range(1, 21)]
    service = {"key": "service.name", "value": {"stringValue": "shop"}}
    body = {
        "resourceSpans": [{"resource": {"attributes": [service]}, "scopeSpans": [{"spans": spans}]}]
    }
    (tmp_path / "calls.traces.json").write_text(json.dumps(body))
    (tmp_path / "rules.yml").write_text(RULES)
    return tmp_path


def judge(folder: Path, server: Server, *more: str) -> int:
    endpoint = ["--endpoint", server.url, "--model", "gpt-4o-mini", "--provider", "openai"]
    rules = [] if "--rules" in more else ["--rules", str(folder / "rules.yml")]
    return main(["evaluate", *rules, *endpoint, *more, str(folder / "calls.traces.json")])


def rows(text: str) -> list[list[str]]:
    """The cells of the rows of printed tables."""
    lines = [line for line in text.splitlines() if line.startswith("│")]
    return [[cell.strip() for cell in line.strip("│").split("│")] for line in lines]


def test_verdicts_with_confidence(
    folder: Path, server: Server, capsys: pytest.CaptureFixture[str]
) -> None:
    assert judge(folder, server) == 0
    printed = capsys.readouterr().out
    cost = 20 * (1000 * 0.15 + 10 * 0.6) / 1e6
    expected = ["good", "15", "5", "0", "0", "0", "25.0 %", "11.2 to 46.9 %", f"{cost:.4f}"]
    assert rows(printed) == [expected]
    assert CANARY not in printed


def test_a_row_for_each_value_of_a_label(
    folder: Path, server: Server, capsys: pytest.CaptureFixture[str]
) -> None:
    assert judge(folder, server, "--by", "model", "--limit", "8") == 0
    assert rows(capsys.readouterr().out)[0][:4] == ["good", "gpt-4o", "6", "2"]
    assert judge(folder, server, "--by", "colour") == 2
    assert "--by: found 'colour'; allowed: service, " in capsys.readouterr().err


def test_what_is_written(folder: Path, server: Server) -> None:
    out, baseline = folder / "out.jsonl", folder / "baseline.yml"
    assert judge(folder, server, "--out", str(out), "--baseline-out", str(baseline)) == 0
    lines = [json.loads(line) for line in out.read_text().splitlines()]
    assert len(lines) == 20 and CANARY not in out.read_text()
    assert out.stat().st_mode & 0o077 == 0
    by_span = {line["span_id"]: line for line in lines}
    assert by_span[f"{4:016x}"]["verdict"] == "fail"
    assert by_span[f"{5:016x}"]["verdict"] == "pass"
    assert by_span[f"{5:016x}"]["labels"]["service"] == "shop"
    settings = load_config(baseline)
    assert settings.judges.by_name["good"].baseline_failure_ratio == 0.25
    assert judge(folder, server, "--out", str(out), "--evidence") == 0
    assert json.loads(out.read_text().splitlines()[0])["evidence"] == f"{CANARY} evidence"


@pytest.mark.parametrize(("ratio", "code"), [("0.2", ABOVE), ("0.25", 0), ("1", 0)])
def test_a_pipeline_can_fail_by_it(folder: Path, server: Server, ratio: str, code: int) -> None:
    assert judge(folder, server, "--fail-above", ratio) == code


@pytest.mark.parametrize("form", ["jsonl", "csv"])
def test_calibration(
    folder: Path, server: Server, capsys: pytest.CaptureFixture[str], form: str
) -> None:
    # Humans pass 1, 2, 3 and 8, fail 4 to 7; one label names the trace only.
    said = {n: "pass" if n in (1, 2, 3, 8) else "Fail" for n in range(1, 9)}
    labels = folder / f"labels.{form}"
    if form == "jsonl":
        lines = [
            {"trace_id": f"{n:032x}", "label": label, **({"span_id": f"{n:016x}"} if n > 1 else {})}
            for n, label in said.items()
        ]
        labels.write_text("".join(json.dumps(line) + "\n" for line in lines))
    else:
        text = "".join(f"{n:032X},{n:016x},good,{label}\n" for n, label in said.items())
        labels.write_text("trace_id,span_id,judge,label\n" + text)
    assert judge(folder, server, "--calibrate", str(labels)) == 0
    found = rows(capsys.readouterr().out)[-1]
    # The judge passes all but 4 and 8: 4 agreements, 3 false passes, 1 false fail.
    assert found[:3] == ["good", "8", "50.0 %"]
    assert found[4] == "0.00"
    assert found[6:9] == ["75.0 %", "25.0 %", "12.5 %"]
    assert len(server.chats) == 40


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("", "a header with trace_id and label is needed"),
        ("trace_id,label\n", "no labels in it"),
        ("trace_id,label\nxyz,pass\n", "labels:2: trace_id must have 32 hexadecimal digits"),
        ('{"trace_id": "%s", "label": "mauve"}' % ("a" * 32), "labels:1: a label that means"),
        ('{"trace_id": "%s"}' % ("a" * 32), "labels:1: a label that means"),
        ('{"trace_id": 5}\n', "labels:1: trace_id must have"),
        ("{broken\n", "labels:1: not a JSON object"),
        ('{"trace_id": "%s", "label": true}' % ("a" * 32), "no label is of a call that was judged"),
    ],
)
def test_labels_that_cannot_be_used(
    folder: Path, server: Server, capsys: pytest.CaptureFixture[str], content: str, told: str
) -> None:
    labels = folder / "labels"
    labels.write_text(content)
    assert judge(folder, server, "--calibrate", str(labels)) == 1
    assert told in capsys.readouterr().err


def test_what_may_be_spent(
    folder: Path, server: Server, capsys: pytest.CaptureFixture[str]
) -> None:
    assert judge(folder, server, "--max-usd", "0") == 1
    assert rows(capsys.readouterr().out)[0][5] == "20" and not server.chats


def test_nothing_to_judge_with(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = str(folder / "calls.traces.json")
    assert main(["evaluate", path]) == 2
    assert "nothing to judge with" in capsys.readouterr().err
    assert main(["evaluate", "--rules", "starter", "--endpoint", "http://127.0.0.1:9", path]) == 2
    assert "--model" in capsys.readouterr().err


def test_an_endpoint_that_is_down(
    folder: Path, server: Server, capsys: pytest.CaptureFixture[str]
) -> None:
    server.answers = lambda _: Reply(status=401)
    assert judge(folder, server) == 1
    assert rows(capsys.readouterr().out)[0][1:4] == ["0", "0", "20"]


def test_the_starter_rules(
    folder: Path, server: Server, capsys: pytest.CaptureFixture[str]
) -> None:
    assert judge(folder, server, "--rules", "starter") == 0
    printed = rows(capsys.readouterr().out)
    rules = load_rules(STARTER, [])
    assert [row[0] for row in printed] == sorted(rule.name for rule in rules)
    assert {material for rule in rules for material in rule.inputs} == set(MATERIALS)
    assert all(0 < sample.rate < 1 for rule in rules for sample in rule.sample)
    needed = re.compile("Does|Do|Is")
    assert all(needed.match(rule.question) for rule in rules)
