"""The dashboards and a Prometheus that holds data for them."""

from __future__ import annotations

import shutil
from collections.abc import Iterator

import pytest

from tests.dashboards.history import write_blocks
from tests.e2e.prometheus import Prometheus, holding


@pytest.fixture(scope="module")
def prometheus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    if shutil.which("promtool") is None:
        pytest.skip("promtool is not on PATH (`apt-get install prometheus`; `make test` does that)")
    folder = tmp_path_factory.mktemp("dashboards")
    with holding(write_blocks(folder), folder / "prometheus") as started:
        yield started
