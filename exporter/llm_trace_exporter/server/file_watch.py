"""Whether files have changed since they were last looked at."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

_Mark = tuple[int, int, int] | None


class FileWatch:
    """A set of files; links are followed, as mounted secrets change where their links point."""

    def __init__(self, paths: Iterable[Path] = ()) -> None:
        """Watch these, as they are now; to be made before they are read."""
        self._seen = {path: _mark(path) for path in paths}

    @property
    def paths(self) -> tuple[Path, ...]:
        """What is watched."""
        return tuple(self._seen)

    def has_changed(self) -> bool:
        """Whether any is another file or has other content."""
        return any(_mark(path) != seen for path, seen in self._seen.items())


def _mark(path: Path) -> _Mark:
    try:
        status = os.stat(path)  # noqa: PTH116  # follows links, and a third of the time
    except (OSError, ValueError):
        return None
    return status.st_mtime_ns, status.st_size, status.st_ino
