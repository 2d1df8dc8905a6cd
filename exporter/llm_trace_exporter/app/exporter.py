"""The whole exporter, wired from its settings. Only here do all rooms meet."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from typing import Any

from .. import __version__
from ..config import Settings, advice, effective_yaml
from ..engine.background import Ticker
from ..engine.content_consumers import ContentConsumers
from ..engine.engine import Engine
from ..engine.wiring import connection_limits
from ..errors import ExporterError
from ..explain import WIDTH, json_of, lines_of, plain
from ..model import Task
from ..pricing import PriceUpdater, Pricing
from ..receivers.admission import Admission
from ..receivers.connections import ConnectionLimits
from ..receivers.otlp_grpc import GrpcReceiver
from ..receivers.otlp_http import HttpReceiver
from ..receivers.scores import ScoresApp
from ..server import AccessControl
from ..server.admin import Overview, Web
from ..server.listeners import GrpcServer, HttpServer
from .reload import Reloader
from .sources import Sources

_logger = logging.getLogger(__name__)

DRAIN_S = 10.0
"""How long requests under way may take when the exporter ends."""


class Exporter:
    """The running exporter: listeners, the clockwork, reload. Implements `admin.Admin`."""

    def __init__(self, settings: Settings, load: Callable[[], Settings] = Settings) -> None:
        """Prepare; nothing listens before `start`.

        Args:
            settings: What to start with.
            load: Reads the configuration anew, for a reload.
        """
        self.engine = engine = Engine(settings)
        self._consumers = ContentConsumers(
            engine.ingester,
            engine.store,
            lambda: engine.pricing,
            engine.judge_budget,
            engine.background,
        )
        self._sources = Sources(engine.ingester, engine.sources)
        self._access = AccessControl(settings, self.engine.metrics)
        self._ticker = Ticker(engine.background, self._tasks())
        self._load = load
        self._first = settings
        self._started_s = time.monotonic()
        self._state = "starting"
        self._reloader = Reloader(self.engine.metrics)
        self._updater = PriceUpdater(engine.pricing)
        receiving: dict[str, Any] = {
            "max_request_bytes": settings.otlp.max_request_bytes,
            "max_concurrent_requests": settings.otlp.max_concurrent_requests,
        }
        access = self._access
        connections = connection_limits(settings)
        self._web = Web(
            self,
            telemetry_path=settings.web.telemetry_path,
            route_prefix=settings.web.route_prefix,
            has_lifecycle=lambda: access.has_lifecycle(settings),
            refused=partial(engine.metrics.rejected, "web"),
        )
        self.web_server = HttpServer(
            "web",
            access.web_app(self._web.app),
            settings.web.listen_addresses,
            access.context("web"),
            limits=ConnectionLimits(connections["web"]),
            closed=partial(engine.metrics.connection_closed, "web"),
        )
        self._http = HttpReceiver(self.engine.ingester, **receiving)
        self._otlp: list[HttpServer | GrpcServer] = []
        self._admissions: dict[str, Admission] = {}
        self.engine.gauges.append(self._show_load)
        scores = ScoresApp(
            self._http, engine.ingester, origins=settings.otlp.http.cors.allowed_origins
        )
        if settings.otlp.http.listen_address:
            self._admissions["otlp_http"] = self._http.admission
            self._otlp.append(
                HttpServer(
                    "otlp-http",
                    access.otlp_app(
                        scores, engine.ingester, settings.otlp.http.cors.allowed_origins
                    ),
                    [settings.otlp.http.listen_address],
                    access.context("otlp_http"),
                    limits=ConnectionLimits(connections["otlp_http"]),
                    closed=partial(engine.metrics.connection_closed, "otlp_http"),
                )
            )
        if settings.otlp.grpc.listen_address:
            receiving["limits"] = ConnectionLimits(connections["otlp_grpc"])
            receiver = GrpcReceiver(engine.ingester, gate=access.gate("otlp_grpc"), **receiving)
            self._admissions["otlp_grpc"] = receiver.admission
            address = settings.otlp.grpc.listen_address
            self._otlp.append(GrpcServer(receiver, address, access.grpc_credentials()))

    def start(self) -> None:
        """Listen.

        Raises: ExporterError naming an address that cannot be had; nothing listens then.
        """
        self._consumers.apply(self.engine.settings)
        _advise(self.engine.settings)
        started: list[HttpServer | GrpcServer] = []
        try:
            for server in (self.web_server, *self._otlp):
                server.start()
                started.append(server)
        except ExporterError:
            for server in started:
                server.stop(1)
            self._consumers.close()
            raise
        self.engine.metrics.config_loaded(is_success=True, unix_s=time.time())
        self._ticker.start()
        self._sources.apply(self.engine.settings)
        self._updater = self._price_updater(self.engine.pricing, self.engine.settings)
        self._state = ""
        _logger.info("requests are read by the %s engine", self.engine.reads_with)
        for purpose, address in self.listeners():
            _logger.info("listening for %s on %s", purpose, address)

    def stop(self) -> None:
        """Drain: take no new data, finish what is under way, count what waits, then end."""
        self._state = "draining"
        self._sources.close()
        for server in self._otlp:
            server.stop(DRAIN_S)
        self._http.close()
        self._ticker.stop()
        self._updater.stop()
        self._consumers.close()
        self.engine.close()
        self.web_server.stop(DRAIN_S)
        self._web.close()

    def listeners(self) -> tuple[tuple[str, str], ...]:
        """(what for, address) of everything that listens."""
        return tuple(self._listeners())

    def scheme(self, purpose: str) -> str:
        """`https` or `http`, for a purpose that `listeners` tells."""
        has_tls = self._access.has_tls("web" if purpose == "metrics" else "otlp_http")
        return "https" if has_tls else "http"

    def unready(self) -> str:
        """Why traffic should go elsewhere; empty when ready."""
        return self._state or (self.engine.state.failure if self.engine.state else "")

    def render(self, accept: str, names: list[str]) -> tuple[bytes, str]:
        """The exposition and its content type."""
        self._consumers.refresh()
        page = self.engine.exposition.render(accept, names)
        return page.body, page.content_type

    def reload(self) -> None:
        """Take the configuration file anew, whole or not at all.

        Raises: ExporterError when it cannot be used; the old one is in force in every room.
        """
        self._reloader.run(self._reload)

    def _reload(self) -> None:
        settings = self._load()
        with ExitStack() as unused:
            engine = self.engine.prepare(settings)
            access = self._access.prepare(settings)
            listeners = self._consumers.prepare(settings)
            unused.callback(self._consumers.discard, listeners)
            updater = self._price_updater(engine.pricing, settings)
            unused.callback(updater.stop, 0.0)
            with self.engine.ingester.paused():
                # The one step that can still fail is its first: what waits is written and counted.
                self.engine.commit(engine)
                retired = self._consumers.commit(listeners)
            self._access.commit(access)
            self._updater, former = updater, self._updater
            unused.pop_all()
        self._sources.apply(settings)
        self.engine.background.run("content", retired.close)
        self.engine.background.run("price_update", former.stop)
        self._note_fixed(settings)
        _advise(settings)

    def config_yaml(self) -> str:
        """The configuration in force."""
        return effective_yaml(self.engine.settings)

    def explain(self, trace_id: bytes, *, as_text: bool) -> str | None:
        """What was decided of the newest records of a trace; None where none is kept."""
        with self.engine.store.lock:
            kept = self.engine.decisions
            trace = None if kept is None else kept.trace(trace_id)
        if trace is None:
            return None
        return plain(lines_of(trace, WIDTH)) if as_text else "".join(json_of([trace]))

    def not_understood(self) -> bytes:
        """What was not understood, as JSON."""
        return self.engine.ingester.arrivals.not_understood.as_json()

    def overview(self) -> Overview:
        """The landing page's numbers."""
        with self.engine.store.lock:
            series = self.engine.store.series_total()
        return Overview(
            version=__version__,
            uptime_s=time.monotonic() - self._started_s,
            listeners=self.listeners(),
            figures=(
                ("spans and log records taken in", self.engine.ingester.arrivals.records),
                ("calls and steps waiting to settle", self.engine.ingester.waiting),
                ("series", series),
            ),
        )

    def _price_updater(self, pricing: Pricing, settings: Settings) -> PriceUpdater:
        """Fetches list prices from now on, if the configuration allows it."""
        chosen, failed = settings.pricing, partial(self.engine.background.failed, "price_update")
        interval_s = chosen.auto_update_interval_s if chosen.auto_update else None
        updater = PriceUpdater(pricing, interval_s, failed=failed)
        updater.start()
        return updater

    def _listeners(self) -> Iterator[tuple[str, str]]:
        names = {"web": "metrics", "otlp-http": "OTLP/HTTP", "otlp-grpc": "OTLP/gRPC"}
        for server in (self.web_server, *self._otlp):
            for address in server.addresses:
                yield names[server.name], address

    def _show_load(self) -> None:
        metrics = self.engine.metrics
        metrics.request_limit(self._first.otlp.max_request_bytes)
        for server in (self.web_server, *self._otlp):
            metrics.connections(server.name, server.connections, server.max_connections)
        for source, admission in self._admissions.items():
            metrics.in_flight(source, admission.requests, admission.size_bytes)

    def _note_fixed(self, settings: Settings) -> None:
        # Tokens are no part of what the listeners are made of.
        before, now = (replace(s, otlp=replace(s.otlp, tokens=())) for s in (self._first, settings))
        for name in ("web", "otlp", "log", "openmetrics", "state", "engine"):
            if getattr(now, name) != getattr(before, name):
                _logger.warning("%s: changes take effect at the next start", name)

    def _tasks(self) -> Iterator[tuple[Task, Callable[[], object]]]:
        """Yield what is done at each tick; what fails keeps nothing else from its turn."""
        yield "settle", self.engine.ingester.settle
        yield "expire", self.engine.store.expire
        yield "clock", self.engine.clock_watch.look
        for refresh in self._access.refreshes():
            yield "security", refresh
        if self.engine.checkpointer is not None:
            yield "checkpoint", self.engine.checkpointer.tick


def _advise(settings: Settings) -> None:
    for line in advice(settings):
        _logger.warning("%s", line)
