"""Shows how many branches of each room the tests reached, and fails where that is too few.

`make coverage` measures, and gives each room with its floor: `python -m tests.floors pricing=95`.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import coverage

PACKAGE = "exporter/llm_trace_exporter"


class Reached(NamedTuple):
    """Branches of a room, or of one of its modules."""

    name: str
    reached: int
    branches: int

    @property
    def percent(self) -> float:
        """All of them where there are none."""
        return 100 * self.reached / self.branches if self.branches else 100.0


def modules_of(report: Mapping[str, Any], room: str) -> list[Reached]:
    """The modules of a room, the least reached first.

    Args:
        report: What `coverage json` writes.
        room: A folder of the package.
    """
    found = [
        Reached(name, file["summary"]["covered_branches"], file["summary"]["num_branches"])
        for name, file in report["files"].items()
        if Path(name).is_relative_to(f"{PACKAGE}/{room}")
    ]
    return sorted(found, key=lambda module: module.percent)


def total_of(room: str, modules: Iterable[Reached]) -> Reached:
    """The branches of all modules together."""
    listed = list(modules)
    return Reached(room, sum(m.reached for m in listed), sum(m.branches for m in listed))


def beneath(report: Mapping[str, Any], floors: Mapping[str, float]) -> list[str]:
    """The rooms that are reached less than they must be, or not measured at all."""
    rooms = (total_of(room, modules_of(report, room)) for room in floors)
    return [room.name for room in rooms if not room.branches or room.percent < floors[room.name]]


def measured() -> dict[str, Any]:
    """The report on what `pytest --cov` wrote into the working folder."""
    data = coverage.Coverage()
    data.load()
    with tempfile.NamedTemporaryFile(suffix=".json") as file:
        data.json_report(outfile=file.name)
        report: dict[str, Any] = json.load(file)
    return report


def main(arguments: Sequence[str]) -> int:
    """Show each room, and of those beneath their floor each module.

    Args:
        arguments: `room=percent` each.
    """
    floors = {room: float(floor) for room, _, floor in (a.partition("=") for a in arguments)}
    report = measured()
    failed = beneath(report, floors)
    for name, floor in floors.items():
        modules = modules_of(report, name)
        room = total_of(name, modules)
        print(f"{name:12} {room.percent:6.2f} % of {room.branches} branches, at least {floor:g} %")
        for module in modules if name in failed else ():
            print(f"    {module.percent:6.2f} % of {module.branches} in {module.name}")
    if failed:
        print("the tests reach too few branches of: " + ", ".join(failed), file=sys.stderr)
    return bool(failed)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
