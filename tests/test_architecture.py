"""Which room may know which: data flows one way, and only `app` and its users see everything."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.every import every

PACKAGE = Path(__file__).parents[1] / "exporter" / "llm_trace_exporter"

MAY_KNOW: dict[str, set[str]] = {
    "__init__": set(),
    "__main__": {"cli"},
    "errors": set(),
    "model": set(),
    "exchange": set(),
    "logs": set(),
    "background": {"errors", "model"},
    "reloading": {"errors", "metrics"},
    "outbox": {"errors", "model"},
    "pages": set(),
    "otlp": {"errors"},
    "dialects": {"errors", "exchange", "model", "otlp.raw"},
    "checks": {"exchange", "model"},
    "texts": {
        "dialects",
        "exchange",
        "model",
        "errors",
        "otlp.attributes",
        "otlp.decode",
        "otlp.raw",
        "pipeline",
    },
    "pipeline": {"model"},
    "pricing": {"errors", "model"},
    "metrics": {"errors", "model", "pages"},
    "summary": {"metrics"},
    "cardinality": {"metrics"},
    "descriptors": set(),
    "rendering": {"errors"},
    "web": {"errors", "metrics.negotiation", "rendering"},
    "server": {"errors", "otlp"},
    "security": {"config", "errors", "metrics", "otlp"},
    "judge": {"errors", "exchange", "model"},
    "arguments": {"config.units"},
    "doctor": {"arguments", "config", "errors", "metrics"},
    "health": {"arguments", "errors"},
    "evaluation": {
        *(
            "arguments",
            "background",
            "config",
            "dialects",
            "errors",
            "intake",
            "judge",
            "options",
            "pricing",
            "texts",
        ),
    },
    "config": {"dialects", "errors", "judge.rules", "metrics", "model", "pages"},
    "state": {"errors", "model"},
    "targets": {"model"},
    "scores": {"dialects", "errors", "model", "otlp"},
    "counting": {"metrics", "model", "pipeline", "pricing", "targets", "texts"},
    "clocks": set(),
    "arrivals": {"errors", "metrics", "model", "otlp.raw", "state"},
    "intake": {
        "arrivals",
        *("counting", "dialects", "errors", "metrics", "model", "otlp", "pipeline", "pricing"),
        *("scores", "state", "targets", "texts"),
    },
    "keeping": {"clocks", "errors", "intake", "judge.guards", "metrics", "state"},
    "options": {
        *(
            "config",
            "descriptors",
            "dialects",
            "judge",
            "metrics",
            "model",
            "pipeline",
            "pricing",
            "targets",
        ),
        "texts",
    },
    "listening": {
        *("background", "checks", "config", "errors", "intake", "judge", "metrics", "model"),
        *("options", "outbox", "pricing", "texts"),
    },
    "app": {
        *(
            "background",
            "clocks",
            "config",
            "descriptors",
            "errors",
            "intake",
            "keeping",
            "listening",
        ),
        *("metrics", "model", "options", "otlp"),
        *("pricing", "reloading", "scores", "security", "server", "state", "web", "__version__"),
    },
    "simulate": {"app", "arguments", "config", "errors", "metrics", "options", "otlp.raw"},
    "cli": {
        *(
            "app",
            "arguments",
            "cardinality",
            "config",
            "descriptors",
            "doctor",
            "errors",
            "evaluation",
            "health",
            "listening",
            "logs",
            "options",
            "otlp",
            "pricing",
        ),
        *("security", "simulate"),
        "summary",
        "__version__",
    },
}
"""Room -> rooms it may import, or single modules of them.

Nobody imports `cli`; only it and `simulate` import `app`.
"""

OUTSIDE_WORLD = {
    *("asyncio", "logging", "os", "pathlib", "random", "socket", "subprocess", "sys", "threading"),
    *("time", "urllib", "requests", "grpc", "uvicorn", "starlette", "prometheus_client"),
}
PURE_ROOMS = ("model", "dialects", "pipeline")
"""Rooms that neither wait, log, read a clock nor touch a file: values in, values out."""

MODULES = sorted(PACKAGE.rglob("*.py"))


def room_of(path: Path) -> str:
    """`pipeline` for pipeline/merge.py, `app` for app.py."""
    return path.relative_to(PACKAGE).with_suffix("").parts[0]


def imported(path: Path) -> Iterator[str]:
    """Absolute names of what a module imports."""
    parents = (PACKAGE.name, *path.relative_to(PACKAGE).with_suffix("").parts)
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = [*parents[: -node.level]] if node.level else []
            name = ".".join([*base, *([node.module] if node.module else [])])
            if name == PACKAGE.name:
                yield from (f"{name}.{alias.name}" for alias in node.names)
            else:
                yield name


@every(MODULES, lambda p: p.relative_to(PACKAGE))
def test_a_room_knows_only_its_own(path: Path) -> None:
    room = room_of(path)
    for name in imported(path):
        if not name.startswith(f"{PACKAGE.name}."):
            continue
        target = name.removeprefix(f"{PACKAGE.name}.")
        if target.split(".")[0] == room:
            continue
        allowed = MAY_KNOW[room]
        assert target in allowed or target.split(".")[0] in allowed, (
            f"{room} must not import {target}"
        )


@pytest.mark.parametrize("room", PURE_ROOMS)
def test_pure_rooms_stay_away_from_the_world(room: str) -> None:
    for path in MODULES:
        if room_of(path) == room:
            found = {name.split(".")[0] for name in imported(path)}
            assert not found & OUTSIDE_WORLD, path


def test_the_rooms_have_no_ring() -> None:
    order: list[str] = []
    left = {room: {a.split(".")[0] for a in allowed} for room, allowed in MAY_KNOW.items()}
    while left:
        free = sorted(room for room, needs in left.items() if not needs & left.keys())
        assert free, f"a ring among {sorted(left)}"
        order += free
        left = {room: needs for room, needs in left.items() if room not in free}
    assert order[-1] == "__main__"


def test_every_room_is_listed() -> None:
    assert {room_of(path) for path in MODULES} == MAY_KNOW.keys()
