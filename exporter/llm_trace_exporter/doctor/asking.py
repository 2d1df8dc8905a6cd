"""Asks a Prometheus, or what speaks its HTTP API, read-only and bounded."""

from __future__ import annotations

import json
import ssl
import time
from collections.abc import Iterable, Mapping
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlsplit

import httpx2

from ..config.http_file import HttpFile, request_headers, user_and_password
from ..errors import ConfigError, ExporterError
from .facts import Missing

MAX_BYTES = 64 * 1024 * 1024
"""Of one answer. A large cluster's targets are some ten megabytes."""

_REFUSED = {401: "no or wrong credentials", 403: "these credentials may not read"}


class CannotAsk(ExporterError):
    """Nothing can be found out: not reachable, not allowed, no Prometheus."""


class Server:
    """One HTTP server; safe to use from several threads."""

    def __init__(
        self, url: str, option: str, timeout_s: float, http: HttpFile | None = None,
        headers: Iterable[tuple[str, str]] = (),
    ) -> None:  # fmt: skip
        """Nothing is asked yet.

        Args:
            url: Paths are appended to it, so that a prefix such as `/prometheus` stays.
            option: The command line's option that named it, for errors.
            timeout_s: Of each question.
            http: Credentials and TLS.
            headers: Further ones.

        Raises: ConfigError where URL, credentials or certificates cannot be used.
        """
        self.url = _checked(url, option)
        self._timeout_s = timeout_s
        http = http or HttpFile()
        name = http.tls_config.server_name
        self._extensions = {"sni_hostname": name} if name else {}
        try:
            self._host = httpx2.URL(self.url).host
            self._client = httpx2.Client(
                auth=user_and_password(http),
                headers=[*request_headers(http), *headers],
                verify=_context(http),
                follow_redirects=http.follow_redirects,
                event_hooks={"request": [self._stay]},
                timeout=timeout_s,
            )
        except (httpx2.InvalidURL, ValueError) as error:
            raise ConfigError([f"{option}: cannot be used: {type(error).__name__}"]) from error

    def _stay(self, request: httpx2.Request) -> None:
        """Refuse to be redirected elsewhere: headers may be secrets, and are for one host."""
        if request.url.host != self._host:
            raise httpx2.RemoteProtocolError(f"it redirects to another host: {request.url.host}")

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def first(self, query: str) -> Any:
        """`data` of a query that every server can answer.

        Raises: CannotAsk with what to look at.
        """
        try:
            status, body, _ = self.fetch("/api/v1/query", {"query": query})
        except OSError as error:
            raise CannotAsk(f"{self.url}: cannot be reached: {error}") from error
        if status in _REFUSED:
            raise CannotAsk(
                f"{self.url}: {_REFUSED[status]} (HTTP status {status}); "
                "give them by --http.config.file"
            )
        answer = _parsed(body)
        if status != 200 or answer is None or answer.get("status") != "success":
            hint = "; Mimir's API is under /prometheus" if status == 404 else ""
            raise CannotAsk(
                f"{self.url}: no Prometheus API at {self.url}/api/v1/query "
                f"(HTTP status {status}){_said(answer)}{hint}"
            )
        return answer.get("data")

    def ask(self, path: str, **parameters: Any) -> Any:
        """`data` of an answer of `/api/v1/...`; `Missing` where there is none."""
        try:
            status, body, _ = self.fetch(f"/api/v1/{path}", parameters)
        except OSError as error:
            return Missing(str(error))
        if status == 404:
            return Missing("the server has no such API")
        answer = _parsed(body)
        if answer is None:
            return Missing(f"HTTP status {status}, and no JSON")
        if answer.get("status") != "success" or "data" not in answer:
            return Missing(f"HTTP status {status}{_said(answer)}")
        return answer["data"]

    def beside(self, path: str) -> Any:
        """The JSON that lies beside the server's own address; `Missing` where there is none."""
        try:
            status, body, _ = self._get(str(httpx2.URL(self.url).join(path)), {})
        except OSError as error:
            return Missing(str(error))
        if status != 200:
            return Missing(f"HTTP status {status}")
        try:
            return json.loads(body)
        except (ValueError, RecursionError):
            return Missing("no JSON")

    def fetch(
        self, path: str, parameters: Mapping[str, Any], accept: str = "application/json"
    ) -> tuple[int, bytes, httpx2.Headers]:
        """Status, body and headers of a GET.

        Raises: OSError where no answer came in time, or one that is too large.
        """
        return self._get(self.url + path, parameters, accept)

    def _get(
        self, url: str, parameters: Mapping[str, Any], accept: str = "application/json"
    ) -> tuple[int, bytes, httpx2.Headers]:
        until_s = time.monotonic() + self._timeout_s
        try:
            with self._client.stream(
                "GET", url, params=dict(parameters), headers={"Accept": accept},
                extensions=self._extensions,
            ) as response:  # fmt: skip
                body = bytearray()
                for chunk in response.iter_bytes():
                    body += chunk
                    if len(body) > MAX_BYTES:
                        raise OSError("the answer is larger than 64 MiB")
                    if time.monotonic() > until_s:
                        raise TimeoutError("no whole answer in time")
                return response.status_code, bytes(body), response.headers
        except httpx2.TimeoutException as error:
            raise TimeoutError("no answer in time") from error
        except (httpx2.HTTPError, httpx2.StreamError, httpx2.InvalidURL) as error:
            raise OSError(str(error) or type(error).__name__) from error


def ahead_of(headers: httpx2.Headers, own_s: float) -> float | None:
    """How far the clock of who answered is before ours, by whole seconds; None: not told."""
    try:
        # The header has whole seconds, cut off: half a second is the best guess for the rest.
        return parsedate_to_datetime(headers.get("date", "")).timestamp() + 0.5 - own_s
    except ValueError:
        return None


def _checked(url: str, option: str) -> str:
    allowed = "allowed: such as http://localhost:9090 or https://mimir.example.com/prometheus"
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError as error:
        raise ConfigError([f"{option}: found no address: {error}; {allowed}"]) from error
    if parts.username is not None or parts.password is not None:
        raise ConfigError([f"{option}: found a user; allowed: basic_auth in --http.config.file"])
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
        raise ConfigError([f"{option}: found {url!r}; {allowed}"])
    return url.rstrip("/")


def _context(http: HttpFile) -> ssl.SSLContext:
    tls = http.tls_config
    try:
        context = ssl.create_default_context(cafile=tls.ca_file or None, cadata=tls.ca or None)
        if tls.cert_file:
            context.load_cert_chain(tls.cert_file, tls.key_file)
    except (OSError, ValueError) as error:
        named = " or ".join(filter(None, (tls.ca_file, tls.cert_file, tls.key_file))) or "ca"
        raise ConfigError(
            [f"tls_config: {named} cannot be used: {getattr(error, 'strerror', None) or error}"]
        ) from error
    if tls.insecure_skip_verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def _parsed(body: bytes) -> dict[str, Any] | None:
    try:
        answer = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return answer if isinstance(answer, dict) else None


def _said(answer: dict[str, Any] | None) -> str:
    said = (answer or {}).get("error")
    return f": {said[:200]}" if isinstance(said, str) and said else ""
