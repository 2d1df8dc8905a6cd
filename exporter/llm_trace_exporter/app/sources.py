"""The stores that are read: a thread each, as the configuration has them."""

from __future__ import annotations

from functools import partial
from typing import NamedTuple

from ..config import Settings
from ..config.source_settings import SourceSettings
from ..engine.pulling import PullingIngester
from ..metrics.source_metrics import SourceMetrics
from ..sources.files import SCHEME, Folder
from ..sources.http import Client, Place
from ..sources.poller import Options, Poller
from ..sources.registry import SYSTEMS
from ..sources.sqlite_file import SCHEME as SQLITE
from ..sources.sqlite_file import SqliteFile

END_S = 5.0
"""How long a page under way may take when the exporter ends."""


class _Running(NamedTuple):
    settings: SourceSettings
    poller: Poller


class Sources:
    """Starts, replaces and ends the pollers; one caller at a time."""

    def __init__(self, ingester: PullingIngester, metrics: SourceMetrics) -> None:
        """Nothing is read before `apply`."""
        self._ingester = ingester
        self._metrics = metrics
        self._running: dict[str, _Running] = {}

    def apply(self, settings: Settings) -> None:
        """Read what the configuration names; a source that is as it was goes on undisturbed."""
        wanted = {source.name: source for source in settings.sources}
        for name, running in list(self._running.items()):
            if running.settings != wanted.get(name):
                # One that is still at a page does no harm: what it counts is known to all.
                running.poller.stop(0.0)
                del self._running[name]
                self._metrics.hide(name)
        books = [
            f"{source.name}/{project}" for source in wanted.values() for project in source.projects
        ]
        self._ingester.keep_books(books, settings.limits.max_pulled)
        for name, source in wanted.items():
            if name not in self._running:
                self._metrics.watch(name)
                self._running[name] = _Running(source, self._poller(source))
                self._running[name].poller.start()

    def close(self) -> None:
        """End all, each after the page under way."""
        for running in self._running.values():
            running.poller.stop(0.0)
        for running in self._running.values():
            running.poller.stop(END_S)
        self._running.clear()

    def _poller(self, source: SourceSettings) -> Poller:
        client = client_of(source, self._metrics)
        return Poller(
            options_of(source),
            SYSTEMS[source.system],
            client.fetch,
            self._ingester,
            self._metrics,
            ended=client.close,
        )


def client_of(
    source: SourceSettings, metrics: SourceMetrics | None = None
) -> Client | Folder | SqliteFile:
    """What asks a store."""
    if source.url.startswith(SCHEME):
        return Folder(source.url)
    if source.url.startswith(SQLITE):
        return SqliteFile(source.url)
    place = Place(
        source.url.rstrip("/"),
        source.credentials_file,
        SYSTEMS[source.system].headers,
        source.ca_file,
    )
    return Client(place, partial(metrics.requested, source.name)) if metrics else Client(place)


def options_of(source: SourceSettings) -> Options:
    """How a store is read."""
    return Options(
        name=source.name,
        projects=source.projects,
        with_calls=source.mode != "scores",
        interval_s=source.interval_s,
        lookback_s=source.lookback_s,
        start_at_s=source.start_at_s,
        labels=tuple(sorted(source.labels.items())),
        service=source.service,
        timezone=source.timezone,
    )
