"""Every door where bytes come in, under a coverage-guided fuzzer."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.e2e.process import ROOT
from tests.e2e.warm import environment
from tests.long.budget import seconds
from tests.long.seeds import seeds, words

pytest.importorskip("atheris", reason="atheris has no wheel for this Python or system")

pytestmark = pytest.mark.long

TARGETS = {
    "traces": 55,
    "logs": 30,
    "traces-json": 55,
    "logs-json": 30,
    "compression": 15,
    "config": 50,
    "journal": 20,
    "state": 35,
    "dialects": 55,
    "verdicts": 20,
    "feedback": 15,
    "langfuse": 15,
    "langfuse-batch": 10,
    "langsmith": 10,
}
"""Seconds of fuzzing that each door usually gets: seven minutes together."""
_ITS_OWN_MEMORY = ("sh", "-c", '"$@"; exit $?', "sh")
"""Linux keeps the peak of whoever starts a process over its exec; a fork between begins anew.

libFuzzer holds that peak against its limit, and pytest's workers have seen large tests before.
"""
Done = subprocess.CompletedProcess[bytes]


def fuzzed(target: str, folder: Path) -> Done:
    """One run of the fuzzer; what it found lies in the folder."""
    corpus = folder / "corpus"
    corpus.mkdir()
    for number, seed in enumerate(seeds(target)):
        (corpus / f"seed{number}").write_bytes(seed)
    dictionary = folder / "words"
    dictionary.write_text("".join(f'"{_escaped(word)}"\n' for word in words(target)))
    return subprocess.run(
        [*_ITS_OWN_MEMORY, sys.executable, "-m", "tests.long.fuzz", target,
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
def test_no_input_breaks_it(target: str, tmp_path: Path) -> None:
    done = fuzzed(target, tmp_path)
    told = (done.stdout + done.stderr).decode(errors="replace")
    found = re.findall(r"Test unit written to (\S+)", told)
    inputs = [Path(at).read_bytes()[:2_000] for at in found]
    assert done.returncode == 0, "\n".join([told[told.find(" === ") :], *map(repr, inputs)])
    assert "stat::number_of_executed_units" in told


def _escaped(word: bytes) -> str:
    return "".join(chr(b) if b not in b'"\\' and 32 <= b < 127 else f"\\x{b:02x}" for b in word)
