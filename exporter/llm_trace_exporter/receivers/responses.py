"""What every route of the OTLP/HTTP listener answers with, errors above all."""

from __future__ import annotations

import asyncio

from starlette.requests import Request
from starlette.types import Message, Receive, Send

from ..consumer import RejectionReason
from ..otlp.records import Encoding
from .rejection import Refusal
from .status import HTTP_STATUS, MEDIA_TYPES, serialise, status

CONTENT_TYPES: dict[Encoding, str] = {
    "protobuf": "application/x-protobuf",
    "json": "application/json",
}
"""Encoding -> media type of an answer."""

_HEADERS: dict[RejectionReason, tuple[str, str]] = {
    "method": ("Allow", "POST"),
    "unsupported_media_type": ("Accept", "application/x-protobuf, application/json"),
    "unsupported_encoding": ("Accept-Encoding", "gzip, deflate, zstd"),
}
_LINGER_S = 2.0


def encoding_of(request: Request) -> Encoding | None:
    """How the request's body is written, as its media type says; None for all others."""
    media_type = request.headers.get("content-type", "").partition(";")[0]
    return MEDIA_TYPES.get(media_type.strip().lower())


def start(code: int, body: bytes, headers: list[tuple[str, str]]) -> Message:
    """The head of an answer with this body."""
    headers = [*headers, ("Content-Length", str(len(body)))]
    raw = [(name.lower().encode(), value.encode()) for name, value in headers]
    return {"type": "http.response.start", "status": code, "headers": raw}


async def refuse(request: Request, send: Send, refusal: Refusal) -> None:
    """Answer with an error, in the encoding of the request, and close the connection."""
    encoding = encoding_of(request) or "json"
    body = serialise(status(refusal), encoding)
    headers = [("Content-Type", CONTENT_TYPES[encoding]), ("Connection", "close")]
    if refusal.reason in _HEADERS:
        headers.append(_HEADERS[refusal.reason])
    if refusal.challenge:
        headers.append(("WWW-Authenticate", refusal.challenge))
    if refusal.retry_after_s:
        headers.append(("Retry-After", str(refusal.retry_after_s)))
    head = request.method == "HEAD"
    await send(start(HTTP_STATUS[refusal.reason], body, headers))
    await send({"type": "http.response.body", "body": b"" if head else body, "more_body": True})
    if request.headers.get("expect", "").lower() != "100-continue":
        await _linger(request.receive)
    await send({"type": "http.response.body", "body": b""})


async def _linger(receive: Receive) -> None:
    """Read on for a while before the connection closes.

    Closing while the client still sends makes its system drop the answer: it would see a broken
    connection, take that for a passing fault, and send the same body again.
    """
    try:
        async with asyncio.timeout(_LINGER_S):
            while (await receive()).get("more_body"):
                pass
    except TimeoutError:
        return
