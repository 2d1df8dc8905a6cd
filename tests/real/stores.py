"""Real stores from PyPI, each in an environment of its own in a cache outside the checkout."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest
import requests

from bench.built import cache
from tests.e2e.process import wait_for

START_S = 180.0
"""On two CPUs with others at work."""


def command(package: str, version: str, name: str) -> Path:
    """A package's command, installed where this machine has not yet; skips where it cannot be."""
    folder = cache() / f"{package}-{version}"
    path = folder / "bin" / name
    if path.exists():
        return path
    try:
        subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
        install = ["nice", str(folder / "bin/pip"), "install", "-q", f"{package}=={version}"]
        subprocess.run(install, check=True, capture_output=True)
    except subprocess.CalledProcessError as error:
        shutil.rmtree(folder, ignore_errors=True)
        pytest.skip(f"{package} cannot be installed: {error}")
    return path


@contextmanager
def started(
    arguments: Sequence[str | Path], url: str, folder: Path, **environment: str
) -> Iterator[str]:
    """A server for as long as it is wanted; answers at `url` from the start."""
    with (folder / "server.log").open("wb") as log:
        process = subprocess.Popen(
            ["nice", *map(str, arguments)],
            cwd=folder,
            env={**os.environ, **environment},
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            wait_for(lambda: _answers(url) or process.poll() is not None, url, START_S)
            assert process.poll() is None, (folder / "server.log").read_text()[-2000:]
            yield url
        finally:
            os.killpg(process.pid, 15)
            process.wait(30)


def _answers(url: str) -> bool:
    try:
        return requests.get(url, timeout=5).ok
    except requests.RequestException:
        return False
