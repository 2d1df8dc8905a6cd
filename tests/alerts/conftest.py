"""What the tests of rules share."""

from __future__ import annotations

import shutil

import pytest


@pytest.fixture(scope="session")
def promtool() -> str:
    """Path of Prometheus' own checker."""
    path = shutil.which("promtool")
    if path is None:
        pytest.skip("promtool is not on PATH (`apt-get install prometheus`)")
    return path
