"""Every door where bytes come in, under a coverage-guided fuzzer."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.e2e.process import ROOT, environment
from tests.long.budget import seconds
from tests.long.seeds import seeds, words

pytest.importorskip("atheris", reason="atheris has no wheel for this Python or system")

pytestmark = pytest.mark.long

TARGETS = {
    "traces": 80,
    "logs": 45,
    "traces-json": 80,
    "logs-json": 45,
    "compression": 20,
    "config": 70,
    "journal": 30,
    "state": 50,
    "dialects": 80,
    "verdicts": 30,
    "feedback": 20,
    "langfuse": 20,
    "langfuse-batch": 15,
    "langsmith": 15,
}
"""Seconds of fuzzing that each door usually gets: ten minutes together."""
Done = subprocess.CompletedProcess[bytes]


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mapping[str, Future[Done]]]:
    """All of them, as many at a time as there are cores."""
    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        longest = sorted(TARGETS, key=lambda target: -TARGETS[target])
        yield {t: pool.submit(fuzzed, t, tmp_path_factory.mktemp(t)) for t in longest}


def fuzzed(target: str, folder: Path) -> Done:
    """One run of the fuzzer; what it found lies in the folder."""
    corpus = folder / "corpus"
    corpus.mkdir()
    for number, seed in enumerate(seeds(target)):
        (corpus / f"seed{number}").write_bytes(seed)
    dictionary = folder / "words"
    dictionary.write_text("".join(f'"{_escaped(word)}"\n' for word in words(target)))
    return subprocess.run(
        [sys.executable, "-m", "tests.long.fuzz", target,
         "-seed=1", f"-max_total_time={seconds(TARGETS[target])}", "-timeout=10",
         "-rss_limit_mb=2048", "-max_len=16384", f"-dict={dictionary}",
         f"-artifact_prefix={folder}/found-", "-print_final_stats=1", str(corpus)],
        cwd=ROOT,
        env=environment() | {"PYTHONPATH": f"{ROOT}:{ROOT / 'exporter'}"},
        capture_output=True,
        timeout=seconds(TARGETS[target]) + 240,
        check=False,
    )  # fmt: skip


@pytest.mark.parametrize("target", TARGETS)
def test_no_input_breaks_it(target: str, runs: Mapping[str, Future[Done]]) -> None:
    done = runs[target].result()
    told = (done.stdout + done.stderr).decode(errors="replace")
    found = re.findall(r"Test unit written to (\S+)", told)
    inputs = [Path(at).read_bytes()[:2_000] for at in found]
    assert done.returncode == 0, "\n".join([told[told.find(" === ") :], *map(repr, inputs)])
    assert "stat::number_of_executed_units" in told


def _escaped(word: bytes) -> str:
    return "".join(chr(b) if b not in b'"\\' and 32 <= b < 127 else f"\\x{b:02x}" for b in word)
