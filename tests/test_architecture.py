"""Which room may know which: data flows one way, and only `engine` and its users see everything."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.every import every

PACKAGE = Path(__file__).parents[1] / "exporter" / "llm_trace_exporter"

MAY_KNOW: dict[str, set[str]] = {
    "__init__": set(),
    "errors": set(),
    "model": set(),
    "settled": {"model"},
    "operations": set(),
    "service_tiers": set(),
    "remembered": set(),
    "retry_after": set(),
    "otlp": {"errors"},
    "dialects": {
        *("errors", "model", "otlp.attributes", "otlp.records", "remembered", "service_tiers"),
    },
    "pulled": {"model", "otlp.records"},
    "score_items": {"dialects", "model"},
    "consumer": {"dialects", "model", "otlp.records", "pulled"},
    "sources": {
        "consumer",
        "dialects",
        "errors",
        "model",
        "otlp",
        "pulled",
        "retry_after",
        "score_items",
    },
    "correlation": {"model", "operations", "otlp.records", "pulled", "settled"},
    "pricing": {"errors", "model", "operations", "service_tiers", "settled"},
    "metrics": {"errors", "model", "pulled", "remembered", "settled"},
    "explain": {"correlation", "model", "settled"},
    "objectives": {"model", "settled"},
    "storage": {"errors", "model", "pulled"},
    "content": {"correlation", "dialects", "errors", "model", "operations", "otlp", "settled"},
    "content_rules": {"content", "model", "settled"},
    "judge": {"content", "errors", "model", "retry_after", "settled"},
    "evaluation": {"content", "errors", "judge", "model", "settled"},
    "receivers": {"consumer", "dialects", "errors", "model", "otlp", "score_items"},
    "config": {"content_rules", "dialects", "errors", "judge.rules", "metrics", "model"},
    "engine": {
        *("config", "consumer", "content", "content_rules", "correlation", "dialects", "errors"),
        *(
            "explain",
            "judge",
            "metrics",
            "model",
            "objectives",
            "otlp",
            "pricing",
            "pulled",
            "settled",
            "storage",
            "__version__",
        ),
    },
    "reference": {"config", "metrics"},
    "doctor": {"config", "errors", "metrics"},
    "server": {"config", "consumer", "errors", "metrics", "receivers"},
    "app": {
        *("config", "engine", "errors", "explain", "metrics", "model", "pricing", "receivers"),
        *("server", "sources", "__version__"),
    },
    "inprocess": {
        *("config", "consumer", "content", "engine", "errors", "metrics", "otlp", "remembered"),
    },
    "simulate": {"config", "engine", "errors", "metrics", "otlp.records"},
    "cli": {
        *("app", "config", "content", "dialects", "doctor", "engine", "errors", "evaluation"),
        *("explain", "judge", "metrics", "pricing", "server", "simulate", "sources", "__version__"),
    },
    "__main__": {"cli"},
}
"""Room -> rooms it may import, or single modules of them.

Nobody imports `cli`, and only it imports `app`.
"""

OUTSIDE_WORLD = {
    *("asyncio", "logging", "os", "pathlib", "random", "socket", "subprocess", "sys", "threading"),
    *("time", "urllib", "requests", "grpc", "uvicorn", "starlette", "prometheus_client"),
}
PURE_ROOMS = ("model", "dialects", "correlation")
"""Rooms that neither wait, log, read a clock nor touch a file: values in, values out."""

MODULES = sorted(PACKAGE.rglob("*.py"))


def room_of(path: Path) -> str:
    """`correlation` for correlation/merge.py, `model` for model.py."""
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
