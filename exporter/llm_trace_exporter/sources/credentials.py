"""How stores want to be shown who asks."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping


def basic_or_bearer(told: str) -> Mapping[str, str]:
    """`user:password` as basic authentication, anything else as a token."""
    if ":" in told:
        return {"Authorization": f"Basic {b64encode(told.encode()).decode()}"}
    return {"Authorization": f"Bearer {told}"}
