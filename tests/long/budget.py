"""How long the proofs that can go on for ever go on.

Together they are made for DEFAULT_MINUTES; `LTE_LONG_MINUTES` lengthens all of them alike. What
ends by itself (each write that may fail, a thousand damages, a full start) comes on top.
"""

from __future__ import annotations

import os

DEFAULT_MINUTES = 15.0
LONGER = max(1.0, float(os.environ.get("LTE_LONG_MINUTES", "0")) / DEFAULT_MINUTES)


def seconds(usual: float) -> int:
    """Seconds that a proof of `usual` seconds may take this time."""
    return round(usual * LONGER)


def rounds(usual: int) -> int:
    """Rounds of a proof that usually has so many."""
    return round(usual * LONGER)
