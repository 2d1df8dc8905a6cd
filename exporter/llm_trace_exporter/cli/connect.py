"""`check --connect`: tries each source with one small read, and says what it saw."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime

from ..app.sources import client_of
from ..config import Settings
from ..config.source_settings import SourceSettings
from ..sources.registry import SYSTEMS
from ..sources.trying import Found, try_project


def connect(settings: Settings) -> bool:
    """Say of each source what it answered; whether all can be read."""
    if not settings.sources:
        print("sources: none is configured")
    is_well = True
    for source in settings.sources:
        for found in _tried(source):
            is_well = is_well and not found.trouble
            print(f"sources: {source.name}, project {found.project}: {_words(found)}")
    return is_well


def _tried(source: SourceSettings) -> Iterator[Found]:
    with closing(client_of(source)) as client:
        for project in source.projects:
            yield try_project(SYSTEMS[source.system], project, client.fetch, source.lookback_s)


def _words(found: Found) -> str:
    if found.trouble:
        return f"cannot be read: {found.trouble}"
    if not found.rows:
        return "can be read, and nothing is in its look-back"
    rows = f"{found.rows} rows{' and more' if found.has_more else ''} in its look-back"
    if not found.newest_ns:
        return f"can be read: {rows}"
    newest = datetime.fromtimestamp(found.newest_ns / 1e9, UTC).isoformat(timespec="seconds")
    return f"can be read: {rows}, the newest of these of {newest}"
