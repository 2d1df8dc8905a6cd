"""What every room's tests share."""

from __future__ import annotations

import pytest
from hypothesis import settings

# A slow shared machine must not fail a property, and two runs must agree.
settings.register_profile("repeatable", deadline=None, derandomize=True)
settings.load_profile("repeatable")

_OF_PYTEST = ("tmp_path_factory", "worker_id", "testrun_uid", "record_testsuite_property")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Have tests that share a server or a build run in one process, as it is started in each.

    All others run wherever there is room: that is what `--dist loadgroup` does with them.
    """
    for item in items:
        if isinstance(item, pytest.Function) and (group := _shared_by(item)):
            item.add_marker(pytest.mark.xdist_group(group))


def _shared_by(item: pytest.Function) -> str:
    """The folder or file whose tests share a fixture of this one; empty where none do."""
    scopes = {
        found[-1].scope
        for name, found in item._fixtureinfo.name2fixturedefs.items()
        if name not in _OF_PYTEST
    }
    if scopes & {"package", "session"}:
        return f"{item.path.parent.relative_to(item.config.rootpath)}"
    return f"{item.path.relative_to(item.config.rootpath)}" if "module" in scopes else ""
