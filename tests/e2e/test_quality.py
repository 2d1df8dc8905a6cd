"""docs/quality.md, done: rules asked offline, a baseline, served, worse answers, and the query."""

from __future__ import annotations

import json
import shutil
import time
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.docs.pages import ROOT, Example, examples
from tests.e2e.process import run, running, wait_for
from tests.e2e.prometheus import scraping
from tests.e2e.test_judge import send, span
from tests.judge.endpoint import Reply, serving

pytestmark = pytest.mark.skipif(
    shutil.which("prometheus") is None, reason="needs the Debian package prometheus"
)

PAGE = ROOT / "docs" / "quality.md"
ENDPOINT = "http://judge.example/v1"
MODEL = ("--model", "gpt-4o-mini", "--provider", "openai")


def of_page(language: str, mark: str, holding: str) -> str:
    """The example of the page that holds a text."""
    found: list[Example] = [
        e for e in examples() if e.page == PAGE and (e.language, e.mark) == (language, mark)
    ]
    (example,) = [e for e in found if holding in e.text]
    return example.text


def judged(chat: dict[str, Any]) -> Reply:
    """A model that finds good what calls itself so."""
    is_good = "good" in chat["messages"][1]["content"]
    return Reply(json.dumps({"verdict": is_good, "evidence": ""}), usage={"prompt_tokens": 9})


def test_answers_that_get_worse_are_seen_above_the_baseline(tmp_path: Path) -> None:
    rules, baseline = tmp_path / "rules.yml", tmp_path / "baseline.yml"
    rules.write_text(of_page("yaml", "show", "question:"))
    recorded = tmp_path / "recorded"
    recorded.mkdir()
    spans = [span(n, "good" if n % 10 else "bad") for n in range(1, 21)]
    body = {"resourceSpans": [{"resource": {}, "scopeSpans": [{"spans": spans}]}]}
    (recorded / "calls.traces.json").write_text(json.dumps(body))
    asked = of_page("sh", "show", "--baseline-out")
    assert f"--endpoint {ENDPOINT} {' '.join(MODEL[:2])}" in asked
    query = " ".join(of_page("promql", "", "baseline").split()).replace("[15m]", "[1m]")
    with serving(judged) as server:
        run(
            *("evaluate", "--rules", str(rules), "--endpoint", server.url, *MODEL),
            *("--baseline-out", str(baseline), str(recorded)),
        )
        config = yaml.safe_load(of_page("yaml", "config", "sample:").replace(ENDPOINT, server.url))
        config["judges"] = yaml.safe_load(baseline.read_text())["judges"]
        promised = config["judges"]["by_name"]["answers_the_question"]
        assert promised["baseline_failure_ratio"] == 0.1
        config |= {"decision_wait": "0s", "zero_hold": "3s"}
        config["dimensions"] = [{"label": "feature", "keys": ["app.feature"]}]
        with running(tmp_path / "serve", config=config) as exporter:
            target = exporter.web.removeprefix("http://")
            with scraping(target, tmp_path / "prometheus") as prometheus:
                numbers = iter(range(100, 1_000_000))

                def traffic(bad_of_ten: int) -> list[float]:
                    some = [next(numbers) for _ in range(10)]
                    words = ("bad" if n % 10 < bad_of_ten else "good" for n in some)
                    send(exporter, [span(n, word) for n, word in zip(some, words, strict=True)])
                    time.sleep(0.2)
                    return prometheus.values(query)

                def healthy() -> bool:
                    ratio = traffic(1)
                    seen = "sum(increase(llm_judge_verdicts_total[1m]))"
                    return not ratio and prometheus.values(seen) > [50.0]

                wait_for(healthy, "healthy verdicts")
                assert prometheus.values(query) == []
                wait_for(lambda: traffic(5), "a ratio above the baseline")
