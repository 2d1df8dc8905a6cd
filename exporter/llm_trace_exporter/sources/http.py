"""One store over HTTP: a shared session, bounded answers, no redirects, credentials from a file.

Nothing of an answer is put into an error but, where the store refuses us, its own first line: what
MLflow says of a Host that it does not allow is what its operator needs to read.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import requests
from requests.adapters import HTTPAdapter
from requests.auth import AuthBase

from .. import retry_after
from .errors import Busy, Refused, SourceError, TooLarge
from .system import Ask

TIMEOUT_S = 60.0
MAX_BODY_BYTES = 32 * 1024 * 1024
MAX_CREDENTIALS_BYTES = 16 * 1024
_CONNECT_S = 10.0
_CHUNK_BYTES = 64 * 1024
_TOO_LARGE = frozenset({413, 414, 422, 431})
_BUSY = frozenset({408, 425, 429, 500, 502, 503, 504, 529})
_MAX_WORDS = 200
_MIN_SECRET = 7
"""Characters: `Bearer` and `Basic` are no secrets."""

Credentials = Callable[[str], Mapping[str, str]]
"""From what the file holds to the headers that prove it."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a store is, and how it lets us in."""

    url: str
    """Without a trailing slash."""
    credentials_file: str = ""
    headers_of: Credentials = lambda _: {}
    ca_file: str = ""
    timeout_s: float = TIMEOUT_S
    max_body_bytes: int = MAX_BODY_BYTES


class Client:
    """Asks one store; for one thread."""

    def __init__(self, place: Place, requested: Callable[[str], None] = lambda _: None) -> None:
        """Nothing is sent yet; `requested` is told how each request ended."""
        self._place = place
        self._requested = requested
        self._session = requests.Session()
        for scheme in ("https://", "http://"):
            self._session.mount(scheme, HTTPAdapter(pool_connections=1, pool_maxsize=2))
        self._session.headers["User-Agent"] = "llm-trace-exporter"
        # An own `auth` keeps requests from taking credentials from ~/.netrc instead.
        self._session.auth = self._auth = _FromFile(place)

    def fetch(self, ask: Ask) -> bytes:
        """The body of a successful answer; empty where there is nothing and that may be.

        Raises: Refused, TooLarge, Busy, SourceError.
        """
        status = "failed"
        try:
            with self._session.request(
                "GET" if ask.body is None else "POST",
                self._place.url + ask.path,
                params=ask.query,
                data=None if ask.body is None else json.dumps(ask.payload).encode(),
                headers={"Content-Type": "application/json"} if ask.body is not None else None,
                stream=True,
                allow_redirects=False,
                timeout=(_CONNECT_S, self._place.timeout_s),
                verify=self._place.ca_file or True,
            ) as response:
                body = self._read(response)
                status = _class_of(response.status_code)
        except requests.ConnectTimeout as error:
            raise Busy("no connection in time") from error
        except requests.Timeout as error:
            raise TooLarge("no whole answer in time") from error
        except (requests.RequestException, UnicodeError) as error:
            raise Busy(f"no answer: {type(error).__name__}") from error
        except OSError as error:
            raise Refused("ca_file cannot be read") from error
        finally:
            self._requested(status)
        return _judged(response, _Answer(body, self._auth.secrets), ask)

    def close(self) -> None:
        """Close the connections."""
        self._session.close()

    def _read(self, response: requests.Response) -> bytes:
        until_s = time.monotonic() + self._place.timeout_s
        body = bytearray()
        for chunk in response.iter_content(_CHUNK_BYTES):
            body += chunk
            if len(body) > self._place.max_body_bytes:
                raise TooLarge(f"an answer of more than {self._place.max_body_bytes} bytes")
            if time.monotonic() > until_s:
                raise TooLarge("no whole answer in time")
        return bytes(body)


class _FromFile(AuthBase):
    """Reads the credentials for each request: they are rotated under running processes."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self.secrets: tuple[str, ...] = ()
        """What was sent last, by its words."""

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        headers = headers_of(self._place)
        self.secrets = tuple(word for value in headers.values() for word in value.split())
        request.headers.update(headers)
        return request


def headers_of(place: Place) -> Mapping[str, str]:
    """The headers that let us in.

    Raises: Refused where the file cannot be read.
    """
    if not place.credentials_file:
        return {}
    try:
        with Path(place.credentials_file).open("rb") as file:
            told = file.read(MAX_CREDENTIALS_BYTES).decode("ascii").strip()
    except (OSError, ValueError) as error:
        raise Refused(f"the credentials cannot be read: {type(error).__name__}") from error
    if not told.isprintable():
        raise Refused("the credentials are not one line")
    return place.headers_of(told)


def _judged(response: requests.Response, answer: _Answer, ask: Ask) -> bytes:
    status = response.status_code
    if status == 200:
        return answer.body
    if status in (401, 403):
        raise Refused(f"HTTP status {status}: {answer.line}")
    if status == 404 and ask.may_be_absent:
        return b""
    if status in _BUSY:
        raise Busy(
            f"HTTP status {status}", retry_after.seconds(response.headers.get("Retry-After", ""))
        )
    if status in _TOO_LARGE:
        raise TooLarge(f"HTTP status {status}")
    if 300 <= status < 400:
        raise SourceError(f"HTTP status {status}: redirects are not followed, give the final url")
    raise SourceError(f"HTTP status {status}: {answer.line}")


def _class_of(status: int) -> str:
    return "429" if status == 429 else f"{status // 100}xx"


@dataclass(frozen=True, slots=True)
class _Answer:
    """An answer, and what its first line says without what was sent to prove who asks."""

    body: bytes
    secrets: tuple[str, ...]

    @property
    def line(self) -> str:
        """What a store says of its refusal; of JSON its message."""
        text = self.body[:4096].decode("utf-8", "replace")
        try:
            found = json.loads(text)
        except (ValueError, RecursionError):
            found = None
        if isinstance(found, dict) and isinstance(found.get("error"), dict):
            found = found["error"]
        if isinstance(found, dict):
            text = str(found.get("message") or found.get("detail") or found.get("error") or "")
        line = next(iter(text.strip().splitlines()), "")
        for secret in self.secrets:
            line = line.replace(secret, "***") if len(secret) >= _MIN_SECRET else line
        return "".join(c for c in line if c.isprintable())[:_MAX_WORDS]
