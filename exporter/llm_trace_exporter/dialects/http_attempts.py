"""Requests to where models are served, from the client spans of HTTP libraries.

They tell why a call failed whose own span does not, and the attempts before the one that answered.
Of an address only its last words are looked at; nothing of it is kept.
Source: OTel semantic conventions for HTTP spans, 1.23 and later, and those before.
"""

from __future__ import annotations

import re
from functools import lru_cache

from ..model import ErrorType, HttpAttempt
from ..otlp.records import SPAN_CLIENT, STATUS_ERROR, Attributes, RawSpan
from .coerce import text
from .error_types import classify
from .vocabulary import word_set

_ADDRESSES = ("url.full", "http.url", "url.path", "http.target")
_METHODS = ("http.request.method", "http.method")
_STATUSES = ("http.response.status_code", "http.status_code")

HTTP_KEYS = (*_ADDRESSES, *_METHODS, *_STATUSES, "error.type")
"""The attributes that are read here."""

_ENDPOINTS = word_set(
    """completions responses embeddings messages chat generate embed rerank moderations
    converse converse-stream invoke invoke-with-response-stream generations speech
    transcriptions translations"""
)
"""Last words of the paths at which answers are asked for."""
_ACTIONS = word_set(
    """generatecontent streamgeneratecontent rawpredict streamrawpredict predict embedcontent
    embedcontents batchembedcontents"""
)
"""The same after a colon. Source: Google's custom methods of Gemini and Vertex AI."""
_NAMES_A_LIST = re.compile(r"\bmodels?[._]list\b|\blist[._]?models\b", re.IGNORECASE)


@lru_cache(maxsize=4_096)
def lists_models(name: str) -> bool:
    """Whether a span's name says that it only asks which models there are."""
    return _NAMES_A_LIST.search(name) is not None


def http_attempt(span: RawSpan) -> HttpAttempt | None:
    """What a client span says of a request to a model; None where it is about something else."""
    if span.kind != SPAN_CLIENT:
        return None
    address = _first(span.attrs, _ADDRESSES)
    generates = _generates(span.attrs, address) if address else None
    if generates is None:
        return None
    return HttpAttempt(span.start_ns, span.ended_ns, generates, _error(span))


def _generates(attrs: Attributes, address: str) -> bool | None:
    """Whether an answer was asked for, or which models there are (False); None: neither."""
    path = address.partition("?")[0].partition("#")[0].rstrip("/")
    before, _, last = path.rpartition("/")
    if last.lower() in _ENDPOINTS or last.rpartition(":")[2].lower() in _ACTIONS:
        return True if _first(attrs, _METHODS).upper() in ("", "POST") else None
    if last != "models" and not before.endswith("/models"):
        return None
    return False if _first(attrs, _METHODS).upper() == "GET" else None


def _error(span: RawSpan) -> ErrorType:
    status = _first(span.attrs, _STATUSES)
    code = int(status) if len(status) == 3 and status.isascii() and status.isdigit() else 0
    error_type = text(span.attrs.get("error.type"))
    if code < 400 and span.status_code != STATUS_ERROR and not error_type:
        return ""
    exceptions = [text(e.attrs.get("exception.type")) for e in span.events]
    return classify(code or None, (error_type, *exceptions), span.status_message)


def _first(attrs: Attributes, names: tuple[str, ...]) -> str:
    # Not `text`, which remembers what it reads.
    for name in names:
        if value := attrs.get(name):
            return str(value)
    return ""
