"""How many examples a property is tried with: all of them in `make test-long`, else the first."""

from __future__ import annotations

import os
from typing import Any

from hypothesis import settings

_SHARE = 1 if os.environ.get("LTE_EXAMPLES") == "all" else 4
USUAL = 100 // _SHARE
"""For those that do not say."""


def draws(most: int, **options: Any) -> settings:
    """A property's settings.

    Args:
        most: Examples in `make test-long`; `make test` draws a quarter of them.
        options: As `settings` takes them.
    """
    return settings(max_examples=most // _SHARE, deadline=None, **options)
