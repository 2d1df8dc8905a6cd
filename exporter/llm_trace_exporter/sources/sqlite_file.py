"""A store that is a SQLite file: it is asked in SQL, and never written."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote, urlsplit

import msgspec

from .errors import Busy, SourceError, TooLarge
from .http import MAX_BODY_BYTES
from .system import Ask

SCHEME = "sqlite://"
_BUSY_S = 5.0


class SqliteFile:
    """Answers a request whose body has `sql` and `args` with a JSON list of rows."""

    def __init__(self, url: str) -> None:
        """A `sqlite://` URL of a file; nothing is opened yet."""
        path = Path(unquote(urlsplit(url).path)).absolute()
        self._uri = f"file:{quote(str(path))}?mode=ro"

    def fetch(self, ask: Ask) -> bytes:
        """The rows, each an object by its columns.

        Raises: Busy, SourceError.
        """
        body = ask.body or {}
        try:
            with closing(sqlite3.connect(self._uri, uri=True, timeout=_BUSY_S)) as db:
                db.row_factory = sqlite3.Row
                db.text_factory = _text
                rows = _bounded(db.execute(body["sql"], (*body["args"], ask.limit)))
        except sqlite3.OperationalError as error:
            # Its own words may hold a value.
            raise Busy(f"the file cannot be read: {error.sqlite_errorname}") from error
        except sqlite3.Error as error:
            raise SourceError(f"not a database of this kind: {type(error).__name__}") from error
        return msgspec.json.encode(rows)

    def close(self) -> None:
        """Nothing is open."""


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", "replace")


def _bounded(rows: Iterable[sqlite3.Row]) -> list[dict[str, Any]]:
    """The rows.

    Raises: TooLarge.
    """
    found, size = list[dict[str, Any]](), 0
    for row in rows:
        size += sum(len(value) for value in row if isinstance(value, str | bytes))
        if size > MAX_BODY_BYTES:
            raise TooLarge(f"rows of more than {MAX_BODY_BYTES} bytes")
        found.append(dict(row))
    return found
