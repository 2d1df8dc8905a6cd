"""Reloads, one at a time, and how the last one went."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

from ..errors import ExporterError
from ..metrics.exporter_metrics import ExporterMetrics

_logger = logging.getLogger(__name__)


class Reloader:
    """Logs and shows how reloads end, whoever asks for them."""

    def __init__(self, metrics: ExporterMetrics) -> None:
        """Show it there."""
        self._metrics = metrics
        self._lock = threading.Lock()

    def run(self, take: Callable[[], None]) -> None:
        """Take another configuration, with a `take` that changes all or nothing.

        Raises: ExporterError when it could not; of what is a fault of the exporter it tells no
            more than the kind, and the log the rest.
        """
        with self._lock:
            try:
                take()
            except Exception as error:
                self._metrics.config_loaded(is_success=False, unix_s=time.time())
                if isinstance(error, ExporterError):
                    _logger.error("the configuration was not reloaded: %s", error)  # noqa: TRY400
                    raise
                kind = type(error).__name__
                _logger.exception("the configuration was not reloaded: %s", kind)
                text = f"{kind}, a fault of the exporter: its log tells where"
                raise ExporterError(text) from None
            self._metrics.config_loaded(is_success=True, unix_s=time.time())
        _logger.info("configuration reloaded")
