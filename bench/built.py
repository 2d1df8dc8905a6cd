"""Programs that are built from pinned sources, once for each version and machine.

They lie in a cache outside the checkout.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Server:
    """A program that is built here, with Go."""

    name: str
    version: str
    build: Callable[[Path, Path], None]
    """Told where the program goes, and a folder to work in."""


class CannotBuild(RuntimeError):
    """There is no such program, and nothing to build it with."""


def cache() -> Path:
    """Where built programs lie, each in a folder NAME-VERSION."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "llm-trace-exporter" / "servers"


def built(server: Server) -> Path:
    """The program, built where this machine has not yet, which takes minutes.

    Raises: CannotBuild where there is no Go; what building raises.
    """
    path = cache() / f"{server.name}-{server.version}" / server.name
    if path.is_file():
        return path
    if shutil.which("go") is None:
        raise CannotBuild(f"no Go, and no {path}")
    work = path.parent / f"building-{os.getpid()}"
    work.mkdir(parents=True)
    try:
        server.build(work / server.name, work)
        # Another run may have been faster: a rename is whole or not at all.
        (work / server.name).replace(path)
    finally:
        shutil.rmtree(work)
    return path
