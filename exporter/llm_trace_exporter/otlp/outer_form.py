"""Whether bytes are a request at all, for those of which nothing is read."""

from __future__ import annotations

from . import wire
from .attributes import parse
from .json_text import document, members_of
from .records import Encoding


def check_request(body: bytes, encoding: Encoding) -> None:
    """Refuse what is no message, and no JSON object.

    Raises: DecodeError.
    """
    if encoding == "protobuf":
        parse(wire.Request, body)
    else:
        members_of(document(body))
