"""Every door where bytes come in, under a coverage-guided fuzzer."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.e2e.process import ROOT, environment
from tests.long.budget import seconds
from tests.long.seeds import seeds, words

pytest.importorskip("atheris", reason="atheris has no wheel for this Python or system")

pytestmark = pytest.mark.long

TARGETS = {
    "traces": 12,
    "logs": 8,
    "traces-json": 12,
    "logs-json": 8,
    "compression": 6,
    "config": 12,
    "journal": 6,
    "dialects": 16,
}
"""Seconds of fuzzing that each door usually gets."""


@pytest.mark.parametrize("target", TARGETS)
def test_no_input_breaks_it(target: str, tmp_path: Path) -> None:
    corpus = tmp_path / "corpus"
    corpus.mkdir()
    for number, seed in enumerate(seeds(target)):
        (corpus / f"seed{number}").write_bytes(seed)
    dictionary = tmp_path / "words"
    dictionary.write_text("".join(f'"{_escaped(word)}"\n' for word in words(target)))
    done = subprocess.run(
        [sys.executable, "-m", "tests.long.fuzz", target,
         "-seed=1", f"-max_total_time={seconds(TARGETS[target])}", "-timeout=10",
         "-rss_limit_mb=2048", "-max_len=16384", f"-dict={dictionary}",
         f"-artifact_prefix={tmp_path}/", "-print_final_stats=1", str(corpus)],
        cwd=ROOT,
        env=environment() | {"PYTHONPATH": f"{ROOT}:{ROOT / 'exporter'}"},
        capture_output=True,
        timeout=seconds(TARGETS[target]) + 120,
        check=False,
    )  # fmt: skip
    told = (done.stdout + done.stderr).decode(errors="replace")
    inputs = [file.read_bytes()[:2_000] for file in tmp_path.glob("*-*")]
    assert done.returncode == 0, "\n".join([told[told.find(" === ") :], *map(repr, inputs)])
    assert "stat::number_of_executed_units" in told


def _escaped(word: bytes) -> str:
    return "".join(chr(b) if b not in b'"\\' and 32 <= b < 127 else f"\\x{b:02x}" for b in word)
