"""A chat API that speaks OpenAI's protocol: asked for JSON, timed, tried again, never followed.

What an API does not know (structured output, a temperature, a name for the token limit) it says
with 400; the client remembers and asks without.
"""

from __future__ import annotations

import json
import random
import re
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

import httpx2

from .. import retry_after
from ..errors import ExporterError
from .parse import Completion, parse_completion
from .prompt import ANSWER_SCHEMA, Message

MAX_BODY_BYTES = 1024 * 1024
MAX_RETRY_AFTER_S = 60.0
"""A request to wait longer is taken for a failure."""

_FIRST_BACKOFF_S = 0.5
_MAX_BACKOFF_S = 8.0
_RETRYABLE = frozenset({408, 409, 425, 429, 500, 502, 503, 504, 529})
_UNSUPPORTED = frozenset({400, 404, 415, 422, 501})
_MAX_KEY_BYTES = 16 * 1024

FailureKind = Literal["error", "timeout", "stopped"]


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where and how to ask."""

    url: str
    """Base URL, without `/chat/completions`."""
    model: str
    provider: str = ""
    api_key_file: str = ""
    api_key_header: str = "authorization"
    api_version: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    timeout_s: float = 30.0
    """Seconds for one attempt."""
    max_attempts: int = 3
    max_output_tokens: int = 1024


class AskFailed(ExporterError):
    """No answer was to be had; the text says why and holds nothing of the request or response."""

    def __init__(self, kind: FailureKind, reason: str) -> None:
        super().__init__(reason)
        self.kind = kind


@dataclass(frozen=True, slots=True)
class _Dialect:
    """What the API is believed to understand."""

    format: Literal["json_schema", "json_object", ""] = "json_schema"
    has_temperature: bool = True
    limit: Literal["max_tokens", "max_completion_tokens", ""] = "max_tokens"

    def without(self, complaint: str) -> _Dialect | None:
        """What is left after a refusal; None where it complains of nothing of this."""
        if self.limit == "max_tokens" and "max_completion_tokens" in complaint:
            return replace(self, limit="max_completion_tokens")
        if self.limit and self.limit in complaint:
            return replace(self, limit="")
        if self.has_temperature and "temperature" in complaint:
            return replace(self, has_temperature=False)
        if self.format and re.search(r"response_?format|json_?schema|json_?object|structured",
                                     complaint):  # fmt: skip
            return replace(self, format="json_object" if self.format == "json_schema" else "")
        return None


class Client:
    """Asks one endpoint; safe to call from several threads."""

    def __init__(
        self,
        endpoint: Endpoint,
        *,
        max_connections: int = 4,
        clock: Callable[[], float] = time.monotonic,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        """Nothing is sent yet.

        Args:
            endpoint: Whom to ask.
            max_connections: Most connections at once.
            clock: Monotonic seconds.
            jitter: A random share of a waiting time, 0-1.
        """
        self.endpoint = endpoint
        self._clock = clock
        self._jitter = jitter
        self._dialect = _Dialect()
        self._url = endpoint.url.rstrip("/") + "/chat/completions"
        self._http = httpx2.Client(
            limits=httpx2.Limits(
                max_connections=max_connections, max_keepalive_connections=max_connections
            ),
            follow_redirects=False,
        )

    def ask(self, chat: list[Message], stop: threading.Event | None = None) -> Completion:
        """Send a chat and return what came back, after as many attempts as it takes.

        Args:
            chat: The messages.
            stop: Ends the waiting between attempts.

        Raises: AskFailed.
        """
        stop = stop or threading.Event()
        attempt = 0
        while True:
            attempt += 1
            try:
                return self._understood(chat)
            except _AgainError as again:
                if attempt >= self.endpoint.max_attempts or again.wait_s > MAX_RETRY_AFTER_S:
                    raise AskFailed(again.kind, again.reason) from again
                backoff_s = min(_MAX_BACKOFF_S, _FIRST_BACKOFF_S * 2 ** (attempt - 1))
                if stop.wait(again.wait_s + backoff_s * self._jitter()):
                    raise AskFailed("stopped", "stopped") from again

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def _understood(self, chat: list[Message]) -> Completion:
        """Ask in a form that the API understands, which may take several requests at first."""
        while True:
            dialect = self._dialect
            status, body = self._post(chat, dialect)
            if status == 200:
                completion = parse_completion(body)
                if completion is None:
                    raise AskFailed("error", "the response is no chat completion")
                return completion
            simpler = dialect.without(_complaint(body)) if status in _UNSUPPORTED else None
            if simpler is None:
                raise AskFailed("error", f"HTTP status {status}")
            # Another thread may have learned more meanwhile; each step only takes away.
            if self._dialect == dialect:
                self._dialect = simpler

    def _post(self, chat: list[Message], dialect: _Dialect) -> tuple[int, bytes]:
        headers = {**self.endpoint.headers, **self._key()}
        params = {"api-version": self.endpoint.api_version} if self.endpoint.api_version else None
        timeout_s = self.endpoint.timeout_s
        until_s = self._clock() + timeout_s
        try:
            with self._http.stream(
                "POST",
                self._url,
                json=self._payload(chat, dialect),
                params=params,
                headers=headers,
                timeout=httpx2.Timeout(timeout_s),
            ) as response:
                body = bytearray()
                for chunk in response.iter_bytes():
                    body += chunk
                    if len(body) > MAX_BODY_BYTES:
                        raise AskFailed("error", "the response is larger than 1 MiB")
                    if self._clock() > until_s:
                        raise _AgainError("timeout", "no whole response in time")
                if response.status_code in _RETRYABLE:
                    reason = f"HTTP status {response.status_code}"
                    raise _AgainError("error", reason, _retry_after_s(response.headers))
                return response.status_code, bytes(body)
        except httpx2.TimeoutException as error:
            raise _AgainError("timeout", "no response in time") from error
        except (httpx2.HTTPError, httpx2.StreamError) as error:
            raise _AgainError("error", f"no response: {type(error).__name__}") from error
        except (httpx2.InvalidURL, UnicodeError, ValueError) as error:
            raise AskFailed("error", f"the request cannot be made: {type(error).__name__}") from (
                error
            )

    def _payload(self, chat: list[Message], dialect: _Dialect) -> dict[str, object]:
        payload: dict[str, object] = {"model": self.endpoint.model, "messages": chat}
        if dialect.has_temperature:
            payload["temperature"] = 0
        if dialect.limit:
            payload[dialect.limit] = self.endpoint.max_output_tokens
        if dialect.format == "json_schema":
            schema = {"name": "verdict", "strict": True, "schema": ANSWER_SCHEMA}
            payload["response_format"] = {"type": "json_schema", "json_schema": schema}
        elif dialect.format:
            payload["response_format"] = {"type": "json_object"}
        return payload

    def _key(self) -> dict[str, str]:
        """The header with the key, read anew: keys are rotated under running processes."""
        if not self.endpoint.api_key_file:
            return {}
        try:
            with Path(self.endpoint.api_key_file).open("rb") as file:
                key = file.read(_MAX_KEY_BYTES).decode("ascii").strip()
        except (OSError, ValueError) as error:
            raise AskFailed("error", "the API key cannot be read") from error
        name = self.endpoint.api_key_header
        return {name: f"Bearer {key}" if name.lower() == "authorization" else key}


class _AgainError(Exception):
    """An attempt that failed and may be made again."""

    def __init__(self, kind: FailureKind, reason: str, wait_s: float = 0.0) -> None:
        super().__init__(reason)
        self.kind: FailureKind = kind
        self.reason = reason
        self.wait_s = wait_s


def _complaint(body: bytes) -> str:
    """What an error response says, in lower case: its parameter where it names one."""
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        return ""
    error = found.get("error", found) if isinstance(found, dict) else found
    return json.dumps(error)[:4000].lower()


def _retry_after_s(headers: httpx2.Headers) -> float:
    """Seconds that the server asks to wait; 0 where it does not say so in a form that is known."""
    milliseconds = retry_after.number(headers.get("retry-after-ms", ""))
    if milliseconds is not None:
        return milliseconds / 1000
    return retry_after.seconds(headers.get("retry-after", ""))
