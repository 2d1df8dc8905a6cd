"""Where a request was served, as far as the place has a price of its own."""

from __future__ import annotations

import re
from functools import lru_cache

from .schema import RecordView

_MAX_CHARS = 253
_HOSTS: tuple[re.Pattern[str], ...] = tuple(
    re.compile(rf"(?:[a-z]+://)?{pattern}(?::\d+)?(?:/.*)?", re.ASCII | re.IGNORECASE)
    for pattern in (
        # Google Vertex AI; without a region before it the endpoint is the global one.
        r"(?P<region>[a-z]+-[a-z]+\d+)-aiplatform\.googleapis\.com",
        r"aiplatform\.(?P<region>eu|us)\.rep\.googleapis\.com",
        # AWS Bedrock.
        r"bedrock(?:-runtime|-mantle)?(?:-fips)?\.(?P<region>[a-z]{2}(?:-[a-z]+)+-\d)\.(?:amazonaws|api)\.[a-z.]+",
        # OpenAI's data residency.
        r"(?P<region>eu|us|au|ca|jp|in|sg|kr|ae|gb)\.api\.openai\.com",
    )
)
_GLOBAL = re.compile(r"(?:[a-z]+://)?aiplatform\.googleapis\.com(?::\d+)?(?:/.*)?", re.IGNORECASE)


def region_of(view: RecordView) -> str:
    """The region, lower case, as the cloud names it: `us-east5`, `eu`, `global`; empty: not told.

    What an attribute says outranks what the server's address shows.
    """
    if "region" not in view.groups:
        return ""
    return view.text("region").lower() or _of_host(view.text("server"))


@lru_cache(maxsize=1_024)
def _of_host(host: str) -> str:
    if not host or len(host) > _MAX_CHARS:
        return ""
    if _GLOBAL.fullmatch(host):
        return "global"
    found = next((m for pattern in _HOSTS if (m := pattern.fullmatch(host))), None)
    return found["region"].lower() if found is not None else ""
