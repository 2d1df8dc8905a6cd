"""Lanes for work that takes long: whoever asks for the same page shares it.

A page takes a worker's time whether or not somebody waits for it. However many ask, there is one
rendering in flight in a lane, and behind it one for each kind of page.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Hashable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from ..errors import Overloaded

_T = TypeVar("_T")


class RenderQueue:
    """One worker thread; belongs to one event loop."""

    def __init__(self, name: str, max_waiting: int) -> None:
        """Start it; at most `max_waiting` pieces of work wait for it."""
        self._worker = ThreadPoolExecutor(1, thread_name_prefix=name)
        self._max_waiting = max_waiting
        self._waiting: dict[Hashable, asyncio.Task[Any]] = {}
        self._turn = asyncio.Lock()

    def close(self) -> None:
        """End the thread."""
        self._worker.shutdown()

    async def run(self, key: Hashable, work: Callable[[], _T]) -> _T:
        """What `work` returns, begun after this call, for all who ask for `key` until then.

        Raises: Overloaded where too much waits; whatever `work` raises.
        """
        task = self._waiting.get(key)
        if task is None:
            if len(self._waiting) >= self._max_waiting:
                raise Overloaded("too much waits to be rendered")
            task = asyncio.get_running_loop().create_task(self._run(key, work))
            self._waiting[key] = task
        result: _T = await asyncio.shield(task)
        return result

    async def _run(self, key: Hashable, work: Callable[[], _T]) -> _T:
        async with self._turn:
            # Who comes from now on wants to see what happens from now on.
            del self._waiting[key]
            return await asyncio.get_running_loop().run_in_executor(self._worker, work)
