"""Why a call failed: one classifier for every spelling.

Read in this order: an HTTP status, the class or code of the error, the text. Emitters differ:
`openai.RateLimitError`, `rate_limit_error`, `429`, `Error code: 429 - ...`, or only prose.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from ..model import ErrorType, GatewayEvent

_TEXT_CHARS = 2_000

_Patterns = tuple[tuple[re.Pattern[str], ErrorType], ...]


def _compiled(rows: tuple[tuple[str, ErrorType], ...]) -> _Patterns:
    return tuple((re.compile(pattern, re.IGNORECASE), found) for pattern, found in rows)


_QUOTA = re.compile(
    r"insufficient_quota|exceeded your current quota|billing|credit balance|out of credits"
    r"|payment required|budget.{0,20}exceeded|exceeded.{0,20}budget|spend(ing)? limit",
    re.IGNORECASE,
)
_CONTEXT = re.compile(
    r"context.?length|context.?window|maximum context|prompt is too long|too many tokens"
    r"|input is too long|exceeds? the (maximum|max).{0,20}tokens|max_tokens_exceeded"
    r"|string_above_max_length|request too large",
    re.IGNORECASE,
)
_FILTER = re.compile(
    r"content.?filter|content.?policy|content management policy|responsible.?ai|moderation.?block"
    r"|blocked by.{0,30}(safety|guardrail|policy)|guardrail.?intervened|prohibited.?content",
    re.IGNORECASE,
)

_REFINED: dict[str, _Patterns] = {
    "rate_limited": ((_QUOTA, "quota"),),
    "auth": ((_QUOTA, "quota"),),
    "invalid_request": (
        (_CONTEXT, "context_length"),
        (_FILTER, "content_filter"),
        (_QUOTA, "quota"),
    ),
    "other": ((_CONTEXT, "context_length"), (_FILTER, "content_filter"), (_QUOTA, "quota")),
}
"""First finding -> what its text may make more exact."""

_STATUS: dict[int, ErrorType] = {
    401: "auth",
    402: "quota",
    403: "auth",
    407: "auth",
    408: "timeout",
    425: "rate_limited",
    429: "rate_limited",
    499: "cancelled",
    504: "timeout",
    524: "timeout",
}

_CLASSES = _compiled(
    (
        (r"insufficient.?quota|quota.?exceeded|billing|BudgetExceeded|PaymentRequired", "quota"),
        (r"rate.?limit|too.?many.?requests|throttl|resource.?exhausted|RetryableQuota",
         "rate_limited"),
        (r"context.?(length|window)|ContextOverflow|PromptTooLong", "context_length"),
        (r"content.?(filter|policy)|ResponsibleAI|Moderation|SafetyError|GuardrailRaised|Blocked",
         "content_filter"),
        (r"time.?d?.?out|deadline.?exceeded", "timeout"),
        (r"cancel|aborted?$|AbortError|KeyboardInterrupt|GeneratorExit", "cancelled"),
        (r"auth|permission|forbidden|access.?denied|unauthori[sz]ed|InvalidApiKey|CredentialsError",
         "auth"),
        (r"connect|RemoteProtocol|IncompleteRead|ChunkedEncoding|ReadError|WriteError|Network"
         r"|socket|BrokenPipe|ECONN|ENOTFOUND|DNS|SSLError|stream.?closed|ProtocolError",
         "connection"),
        (r"internal.?server|server.?error|api_error|overloaded|unavailable|bad.?gateway"
         r"|InternalFailure|ModelErrorException|ServiceException|^internal$", "server_error"),
        (r"bad.?request|invalid.?(request|argument)|validation|unprocessable|not.?found|"
         r"unsupported|conflict|request_too_large|FailedPrecondition", "invalid_request"),
    )
)  # fmt: skip

_TEXTS = _compiled(
    (
        (r"rate.?limit|too many requests|resource.?exhausted|throttl", "rate_limited"),
        (r"timed?.?out|deadline exceeded|timeout", "timeout"),
        (r"incorrect api key|invalid api key|unauthori[sz]ed|authentication|permission denied"
         r"|forbidden|access denied", "auth"),
        (r"connection|peer closed|incomplete (chunked )?(read|message)|socket hang up|network error"
         r"|terminated|ECONN\w+|stream (closed|ended|interrupted)|name resolution", "connection"),
        (r"cancel+ed|aborted", "cancelled"),
        (r"the server had an error|internal server error|overloaded|service unavailable"
         r"|bad gateway|server error|internal error", "server_error"),
        (r"invalid request|bad request|invalid.?argument|does not exist|not found|unsupported",
         "invalid_request"),
    )
)  # fmt: skip

_WRITTEN_STATUS = re.compile(
    r"(?:error code|status(?:[ _]code)?|http(?:/\d\.\d)?|[\"']code[\"'])"
    r"[\"']?\s*[:=]?\s*([45]\d\d)\b"
    r"|^\s*([45]\d\d)\b|\(([45]\d\d)\)",
    re.IGNORECASE,
)


def classify(status: float | None, classes: Iterable[str], text: str) -> ErrorType:
    """The error type of a failed record.

    Args:
        status: HTTP status code where one is known.
        classes: names or codes of the error, best first, with or without module path.
        text: whatever prose there is; only read, never kept.
    """
    text = _prose(text)
    names = [name for name in classes if name]
    found = _by_status(status)
    if found is None:
        found = next((kind for name in names if (kind := _by_class(name))), None)
    if found is None:
        found = _by_text(text)
    for pattern, refined in _REFINED.get(found, ()):
        if pattern.search(text) or any(pattern.search(name) for name in names):
            return refined
    return found


_TURNED_AWAY: tuple[tuple[re.Pattern[str], GatewayEvent], ...] = (
    # LiteLLM's router, when each deployment of a model cools down after failures:
    # `litellm/types/router.py`, RouterErrors; breakers of other gateways say what they are.
    (
        re.compile(r"circuit.?breaker|circuit.{0,3}(is )?open|no deployments available",
                   re.IGNORECASE),
        "circuit_open",
    ),
    # Triton: "Exceeds maximum queue size"; vLLM's and LocalAI's front ends in other words.
    (
        re.compile(r"queue.{0,3}(is )?full|maximum queue size|queue.{0,12}(overflow|exceeded)",
                   re.IGNORECASE),
        "queue_full",
    ),
)  # fmt: skip


def turned_away(classes: Iterable[str], text: str) -> GatewayEvent | None:
    """What a gateway did instead of asking the model, by its words for it.

    Args:
        classes: names or codes of the error.
        text: whatever prose there is; only read, never kept.
    """
    texts = [_prose(text), *classes]
    for pattern, event in _TURNED_AWAY:
        if any(pattern.search(words) for words in texts):
            return event
    return None


def _prose(text: str) -> str:
    """The text without the source lines of a traceback, which name errors that did not happen."""
    if "Traceback (most recent call last)" not in text:
        return text[:_TEXT_CHARS]
    lines = text[-_TEXT_CHARS:].splitlines() + text[:_TEXT_CHARS].splitlines()
    return "\n".join(line for line in lines if line[:1] not in (" ", "\t"))


def _by_status(status: float | None) -> ErrorType | None:
    if status is None or not 400 <= status <= 599:
        return None
    code = int(status)
    return _STATUS.get(code, "server_error" if code >= 500 else "invalid_request")


def _by_class(name: str) -> ErrorType | None:
    if name.isascii() and name.isdigit():
        return _by_status(int(name[:4]))
    short = name.rpartition(".")[2][:200]
    for pattern, found in _CLASSES:
        if pattern.search(short):
            return found
    return None


def _by_text(text: str) -> ErrorType:
    if written := _WRITTEN_STATUS.search(text):
        code = next(group for group in written.groups() if group)
        found = _by_status(int(code))
        if found is not None:
            return found
    for pattern, kind in _TEXTS:
        if pattern.search(text):
            return kind
    return "other"
