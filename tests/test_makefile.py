"""The set-up that `make` does, where something goes wrong first."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

# Debian's python3 without python3-venv: an environment without pip, and exit code 1.
WITHOUT_ENSUREPIP = """#!/bin/sh
[ "$1" = -m ] || exit 0
mkdir -p "$3/bin" && ln -s /bin/sh "$3/bin/python"
echo "ensurepip is not available" >&2
exit 1
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("Makefile", "pyproject.toml"):
        shutil.copy(ROOT / name, tmp_path)
    shutil.copytree(ROOT / "requirements", tmp_path / "requirements")
    python = tmp_path / "python-without-ensurepip"
    python.write_text(WITHOUT_ENSUREPIP)
    python.chmod(0o755)
    return tmp_path


def make(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["make", *arguments], cwd=folder, capture_output=True, text=True, timeout=30, check=False
    )


def test_a_failed_environment_is_made_again(folder: Path) -> None:
    failed = make(folder, "PYTHON=./python-without-ensurepip", "run")
    assert failed.returncode != 0
    assert "ensurepip is not available" in failed.stderr
    again = make(folder, "-n", "run")
    assert "-m venv .venv" in again.stdout


def test_a_missing_python_is_told(folder: Path) -> None:
    failed = make(folder, "PYTHON=", "run")
    assert failed.returncode != 0
    assert "Python 3.11 or newer is needed" in failed.stderr
    assert not (folder / ".venv").exists()
