"""A store that is a SQLite file: it is asked in SQL, and never written."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit

import msgspec

from .errors import Busy, SourceError
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
                rows = db.execute(body["sql"], (*body["args"], ask.limit)).fetchall()
        except sqlite3.OperationalError as error:
            raise Busy(f"the file cannot be read: {error}") from error
        except sqlite3.Error as error:
            raise SourceError(f"not a database of this kind: {type(error).__name__}") from error
        return msgspec.json.encode([dict(row) for row in rows])

    def close(self) -> None:
        """Nothing is open."""
