"""The dashboards and a Prometheus that holds data for them."""

from __future__ import annotations

import shutil
from collections.abc import Iterator

import pytest

from tests.dashboards.history import END_S, HOURS, record, write_blocks
from tests.e2e.prometheus import Prometheus, holding


@pytest.fixture(scope="module")
def prometheus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    if shutil.which("promtool") is None:
        pytest.skip("promtool is not on PATH (`apt-get install prometheus`; `make test` does that)")
    folder = tmp_path_factory.mktemp("dashboards")
    blocks = write_blocks(folder)
    record(blocks, folder, END_S - HOURS * 3600, END_S)
    with holding(blocks, folder / "prometheus") as started:
        yield started
