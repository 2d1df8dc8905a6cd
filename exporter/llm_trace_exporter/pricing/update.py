"""Fetching newer list prices while the exporter runs, for those who allow it."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from genai_prices import UpdatePrices
from genai_prices.data_snapshot import DataSnapshot

from llm_trace_exporter.pricing.calculate import Pricing
from llm_trace_exporter.pricing.catalogue import fetched_catalogue

_logger = logging.getLogger(__name__)

Fetch = Callable[[], DataSnapshot | None]


class PriceUpdater:
    """One thread that replaces the list prices every so often; a failure keeps the old ones.

    The new list is checked and indexed before it is swapped in, so no call is ever priced from
    half of one.
    """

    def __init__(self, pricing: Pricing, interval_s: float, fetch: Fetch | None = None) -> None:
        """Prepare; nothing is fetched before `start`.

        Args:
            pricing: Whose list prices to replace.
            interval_s: Seconds between fetches; the first one follows `start` at once.
            fetch: Where from; by default the address that `genai-prices` publishes at.
        """
        self._pricing = pricing
        self._interval_s = interval_s
        self._fetch: Fetch = UpdatePrices().fetch if fetch is None else fetch
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="price-updater", daemon=True)

    def start(self) -> None:
        """Begin fetching in the background."""
        self._thread.start()

    def stop(self, timeout_s: float = 5.0) -> None:
        """End, waiting at most `timeout_s` for a fetch under way."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(timeout_s)

    def update(self) -> bool:
        """Fetch once and tell whether the list prices were replaced; never raises."""
        try:
            snapshot = self._fetch()
            if snapshot is None:
                return False
            catalogue = fetched_catalogue(snapshot)
        except Exception as error:  # noqa: BLE001 - whatever a network or a payload may do
            _logger.warning("price list not updated: %s", type(error).__name__)
            return False
        self._pricing.replace_catalogue(catalogue)
        return True

    def _run(self) -> None:
        while True:
            self.update()
            if self._stop.wait(self._interval_s):
                return
