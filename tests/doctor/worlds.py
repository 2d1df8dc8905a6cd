"""Real set-ups, healthy and broken, and what the doctor says of them."""

from __future__ import annotations

import io
import json
from contextlib import AbstractContextManager, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from llm_trace_exporter.cli.main import main
from tests.alerts.rules import tree
from tests.e2e.process import ROOT, Exporter, wait_for
from tests.e2e.prometheus import Prometheus, started

QUICK = {"scrape_interval": "2s", "scrape_timeout": "2s", "evaluation_interval": "2s"}


@dataclass(frozen=True, slots=True)
class Told:
    """What the doctor said."""

    findings: tuple[dict[str, Any], ...]

    def of(self, check: str, level: str = "") -> list[dict[str, Any]]:
        """What one check said."""
        return [f for f in self.findings if f["check"] == check and level in ("", f["level"])]

    def one(self, check: str, level: str, part: str) -> dict[str, Any]:
        """The only finding of a check and level with these words in it."""
        found = [f for f in self.of(check, level) if part in f["what"]]
        assert len(found) == 1, (check, level, part, self.of(check))
        return found[0]

    @property
    def problems(self) -> list[str]:
        """What is wrong."""
        return [f["what"] for f in self.findings if f["level"] == "problem"]


def ask(url: str, *options: str, code: int) -> Told:
    """What `doctor` found."""
    return Told(tuple(json.loads(printed(url, "--output=json", *options, code=code))["findings"]))


def printed(url: str, *options: str, code: int) -> str:
    """What `doctor` prints, in this process."""
    with redirect_stdout(io.StringIO()) as output:
        found = main(["doctor", f"--prometheus={url}", *options])
    assert found == code, output.getvalue()
    return output.getvalue()


def address(exporter: Exporter) -> str:
    """host:port of its metrics."""
    return exporter.web.removeprefix("http://")


def job(name: str, *targets: str, **options: Any) -> dict[str, Any]:
    """A scrape job."""
    return {"job_name": name, "static_configs": [{"targets": list(targets)}], **options}


def rule_files(folder: Path, *names: str, **written: Any) -> list[str]:
    """Copies of rule files without intervals, and groups of rules of the test's own."""
    folder.mkdir(parents=True, exist_ok=True)
    found: list[str] = []
    for name in names:
        rules = tree(ROOT / "alerts" / name)
        for group in rules["groups"]:
            group.pop("interval", None)
        found.append(_put(folder / name, rules))
    for name, own in written.items():
        found.append(_put(folder / f"{name}.yml", {"groups": [{"name": name, "rules": own}]}))
    return found


def _put(path: Path, content: Any) -> str:
    path.write_text(yaml.dump(content, Dumper=yaml.CSafeDumper))
    return str(path)


def watching(
    folder: Path, jobs: list[dict[str, Any]], rules: list[str], features: str = "exemplar-storage"
) -> AbstractContextManager[Prometheus]:
    """A Prometheus with these jobs and rule files."""
    settings = {"global": QUICK, "scrape_configs": jobs, "rule_files": rules}
    return started(settings, folder / "data", folder, features=features)


def settle(server: Prometheus) -> None:
    """Wait until every target was scraped and every rule evaluated."""

    def is_settled() -> bool:
        targets = server.api("targets")["activeTargets"]
        groups = server.api("rules")["groups"]
        is_scraped = bool(targets) and all(t["health"] != "unknown" for t in targets)
        return is_scraped and all(r["health"] != "unknown" for g in groups for r in g["rules"])

    wait_for(is_settled, "scrapes and evaluations")
