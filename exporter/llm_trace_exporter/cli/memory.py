"""How a server asks for memory, and gives it back."""

from __future__ import annotations

import ctypes
import gc
import os

_ARENA_MAX, _MMAP_THRESHOLD = -8, -3
"""Of glibc's <malloc.h>: M_ARENA_MAX, M_MMAP_THRESHOLD."""
_LARGE_BYTES = 64 * 1024
_ARENAS = 2


def return_large_blocks() -> None:
    """Have glibc give large blocks back to the system as soon as they are free.

    By default the first request of half a megabyte that is freed moves glibc's limit: from then on
    such blocks lie between small ones that stay, in an arena of each thread, and the process grows.
    Another libc, and one that was tuned from outside, is left as it is.
    """
    tuned = "GLIBC_TUNABLES" in os.environ or any(n.startswith("MALLOC_") for n in os.environ)
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if os.name == "posix" else None
    if tuned or mallopt is None:
        return
    mallopt(_MMAP_THRESHOLD, _LARGE_BYTES)
    mallopt(_ARENA_MAX, _ARENAS)


def relax_collector() -> None:
    """Look for cycles seldom: records die by reference count, and looking costs a quarter."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(100_000, 50, 100)
