"""Requests to where models are served, from the client spans of HTTP libraries.

They tell why a call failed whose own span does not, and the attempts before the one that answered.
Of an address only its last words are looked at; nothing of it is kept.
Source: OTel semantic conventions for HTTP spans, 1.23 and later, and those before.
"""

from __future__ import annotations

import re

from ..model import ErrorType, HttpAttempt
from ..otlp.records import Attributes, RawSpan
from .coerce import text
from .error_types import classify

_CLIENT = 3
_ERROR = 2
_ADDRESSES = ("url.full", "http.url", "url.path", "http.target")
_METHODS = ("http.request.method", "http.method")
_STATUSES = ("http.response.status_code", "http.status_code")

HTTP_KEYS = (*_ADDRESSES, *_METHODS, *_STATUSES, "error.type")
"""The attributes that are read here."""

_GENERATES = re.compile(
    r"/(?:chat/completions|completions|responses|embeddings|messages|chat|generate|embed|rerank"
    r"|moderations|converse(?:-stream)?|invoke(?:-with-response-stream)?|images/generations"
    r"|audio/(?:speech|transcriptions|translations))/?$"
    r"|:(?:stream)?(?:generateContent|rawPredict|predict)$|:(?:batch)?embedContents?$",
    re.IGNORECASE,
)
_NAMES_A_LIST = re.compile(r"\bmodels?[._]list\b|\blist[._]?models\b", re.IGNORECASE)
_LISTS_MODELS = re.compile(r"/models(?:/[^/]+)?/?$")


def lists_models(span: RawSpan) -> bool:
    """Whether a span's name says that it only asks which models there are."""
    return _NAMES_A_LIST.search(span.name) is not None


def http_attempt(span: RawSpan) -> HttpAttempt | None:
    """What a client span says of a request to a model; None where it is about something else."""
    attrs = span.attrs
    if span.kind != _CLIENT:
        return None
    address = _first(attrs, _ADDRESSES)
    generates = _generates(_path(address), _first(attrs, _METHODS).upper()) if address else None
    if generates is None:
        return None
    end_ns = max(span.start_ns, span.end_ns)
    return HttpAttempt(span.start_ns, end_ns, generates, _error(span))


def _path(address: str) -> str:
    return address.partition("?")[0].partition("#")[0]


def _generates(path: str, method: str) -> bool | None:
    """Whether an answer was asked for, or which models there are (False); None: neither."""
    if method in ("", "POST") and _GENERATES.search(path):
        return True
    return False if method == "GET" and _LISTS_MODELS.search(path) else None


def _error(span: RawSpan) -> ErrorType:
    status = _first(span.attrs, _STATUSES)
    code = int(status) if len(status) == 3 and status.isascii() and status.isdigit() else 0
    told = text(span.attrs.get("error.type"))
    if code < 400 and span.status_code != _ERROR and not told:
        return ""
    exceptions = [text(e.attrs.get("exception.type")) for e in span.events]
    return classify(code or None, (told, *exceptions), span.status_message)


def _first(attrs: Attributes, names: tuple[str, ...]) -> str:
    # Not `text`, which remembers what it reads.
    return next((str(value) for name in names if (value := attrs.get(name))), "")
