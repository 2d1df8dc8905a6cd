"""Result files in a folder, asked like a store: for their list, then for each."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import msgspec

from .errors import Busy, Refused, SourceError
from .http import MAX_BODY_BYTES
from .system import Ask, Page, Walk

_logger = logging.getLogger(__name__)

LIST = "list"
SCHEME = "file://"
_MAX_FILES = 10_000


class File(msgspec.Struct):
    """A file in a folder."""

    name: str
    """From the folder."""
    mtime_ns: int
    """When it was written, Unix nanoseconds."""


_files = msgspec.json.Decoder(list[File])


class Folder:
    """Answers from the files of a folder, and of those below it."""

    def __init__(self, url: str, *, max_bytes: int = MAX_BODY_BYTES) -> None:
        """A `file://` URL of a folder; nothing is read yet."""
        self._folder = Path(unquote(urlsplit(url).path)).resolve()
        self._max_bytes = max_bytes

    def fetch(self, ask: Ask) -> bytes:
        """The list of the files that match, or what is in one: nothing of one that is too large.

        Raises: Refused, Busy, SourceError.
        """
        try:
            if ask.step == LIST:
                return msgspec.json.encode(self._list(ask.path))
            return self._read(ask.path)
        except PermissionError as error:
            raise Refused("the folder or a file in it cannot be read") from error
        except OSError as error:
            raise Busy(f"a file cannot be read: {error.strerror}") from error

    def close(self) -> None:
        """Nothing is open."""

    def _list(self, pattern: str) -> list[File]:
        found: list[File] = []
        if not self._folder.is_dir():
            raise SourceError("there is no such folder")
        for path in self._folder.glob(pattern):
            if path.is_file() and path.resolve().is_relative_to(self._folder):
                name = str(path.relative_to(self._folder))
                found.append(File(name, path.stat().st_mtime_ns))
            if len(found) > _MAX_FILES:
                raise SourceError(f"more than {_MAX_FILES} files")
        return sorted(found, key=lambda file: file.mtime_ns)

    def _read(self, name: str) -> bytes:
        with (self._folder / name).open("rb") as file:
            content = file.read(self._max_bytes + 1)
        if len(content) > self._max_bytes:
            _logger.warning("a result file is passed over: more than %d bytes", self._max_bytes)
            return b""
        return content


def listing(walk: Walk) -> tuple[Ask, ...]:
    """The request for the files that match a project, which is a pattern."""
    return (Ask(LIST, walk.project),)


def listed(walk: Walk, body: bytes) -> Page:
    """Requests for the files that were written in the window."""
    found = [file for file in _files.decode(body) if file.mtime_ns >= walk.since_ns]
    newest_ns = max((file.mtime_ns for file in found), default=0)
    asks = tuple(Ask("file", file.name, known=_known(file)) for file in found)
    return Page(len(found), newest_ns, asks=asks)


def _known(file: File) -> dict[str, Any]:
    return {"mtime_ns": file.mtime_ns}
