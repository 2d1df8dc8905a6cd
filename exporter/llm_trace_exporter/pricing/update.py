"""Fetching newer list prices while the exporter runs, for those who allow it."""

from __future__ import annotations

import threading
from collections.abc import Callable

from genai_prices import UpdatePrices
from genai_prices.data_snapshot import DataSnapshot

from .calculate import Pricing
from .catalogue import fetched_catalogue

Fetch = Callable[[], DataSnapshot | None]


class PriceUpdater:
    """One thread that replaces the list prices every so often; a failure keeps the old ones.

    The new list is checked and indexed before it is swapped in, so no call is ever priced from
    half of one.
    """

    def __init__(
        self,
        pricing: Pricing,
        interval_s: float | None = None,
        fetch: Fetch | None = None,
        *,
        failed: Callable[[Exception], None] = lambda _: None,
    ) -> None:
        """Prepare; nothing is fetched before `start`.

        Args:
            pricing: Whose list prices to replace.
            interval_s: Seconds between fetches; the first one follows `start` at once. None:
                nothing is ever fetched.
            fetch: Where from; by default the address that `genai-prices` publishes at.
            failed: Told why a fetch came to nothing.
        """
        self._pricing = pricing
        self._interval_s = interval_s
        self._fetch: Fetch = UpdatePrices().fetch if fetch is None else fetch
        self._failed = failed
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="price-updater", daemon=True)

    def start(self) -> None:
        """Begin fetching in the background."""
        if self._interval_s is not None:
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
            self._pricing.replace_catalogue(fetched_catalogue(snapshot))
        except Exception as error:  # noqa: BLE001 - whatever a network or a payload may do
            self._failed(error)
            return False
        return True

    def _run(self) -> None:
        while True:
            self.update()
            if self._stop.wait(self._interval_s):
                return
