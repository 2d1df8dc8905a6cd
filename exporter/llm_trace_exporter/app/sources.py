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
        wanted = {told.name: told for told in settings.sources}
        for name, running in list(self._running.items()):
            if running.settings != wanted.get(name):
                # One that is still at a page does no harm: what it counts is known to all.
                running.poller.stop(0.0)
                del self._running[name]
                self._metrics.hide(name)
        books = [f"{told.name}/{project}" for told in wanted.values() for project in told.projects]
        self._ingester.keep_books(books, settings.limits.max_pulled)
        for name, told in wanted.items():
            if name not in self._running:
                self._metrics.watch(name)
                self._running[name] = _Running(told, self._poller(told))
                self._running[name].poller.start()

    def close(self) -> None:
        """End all, each after the page under way."""
        for running in self._running.values():
            running.poller.stop(0.0)
        for running in self._running.values():
            running.poller.stop(END_S)
        self._running.clear()

    def _poller(self, told: SourceSettings) -> Poller:
        client = client_of(told, self._metrics)
        return Poller(
            options_of(told),
            SYSTEMS[told.system],
            client.fetch,
            self._ingester,
            self._metrics,
            ended=client.close,
        )


def client_of(
    told: SourceSettings, metrics: SourceMetrics | None = None
) -> Client | Folder | SqliteFile:
    """What asks a store."""
    if told.url.startswith(SCHEME):
        return Folder(told.url)
    if told.url.startswith(SQLITE):
        return SqliteFile(told.url)
    place = Place(
        told.url.rstrip("/"),
        told.credentials_file,
        SYSTEMS[told.system].headers,
        told.ca_file,
    )
    return Client(place, partial(metrics.requested, told.name)) if metrics else Client(place)


def options_of(told: SourceSettings) -> Options:
    """How a store is read."""
    return Options(
        name=told.name,
        projects=told.projects,
        with_calls=told.mode != "scores",
        interval_s=told.interval_s,
        lookback_s=told.lookback_s,
        start_at_s=told.start_at_s,
        labels=tuple(sorted(told.labels.items())),
        service=told.service,
        timezone=told.timezone,
    )
