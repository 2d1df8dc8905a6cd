"""What every room's tests share."""

from __future__ import annotations

from hypothesis import settings

from tests.draws import USUAL

# A slow shared machine must not fail a property, and two runs must agree.
settings.register_profile("repeatable", max_examples=USUAL, deadline=None, derandomize=True)
settings.load_profile("repeatable")
