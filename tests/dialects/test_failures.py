"""One classifier for every spelling of a failure."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_trace_exporter.dialects.error_types import classify
from llm_trace_exporter.model import ERROR_TYPES


@pytest.mark.parametrize(
    ("status", "classes", "text", "expected"),
    [
        (429, [], "", "rate_limited"),
        (None, ["429"], "", "rate_limited"),
        (None, ["openai.RateLimitError"], "", "rate_limited"),
        (None, ["<class 'openai.RateLimitError'>"], "", "rate_limited"),
        (None, ["langchain_openai.chat_models.base.OpenAIRateLimitError"], "", "rate_limited"),
        (None, ["rate_limit_error"], "", "rate_limited"),
        (None, ["botocore.errorfactory.ThrottlingException"], "", "rate_limited"),
        (None, ["google.api_core.exceptions.ResourceExhausted"], "", "rate_limited"),
        (None, ["ChatClientException"], "Error code: 429 - {...}", "rate_limited"),
        (None, ["Exception"], "Rate limit reached for requests", "rate_limited"),
        (429, [], "You exceeded your current quota, please check your plan", "quota"),
        (429, ["insufficient_quota"], "", "quota"),
        (402, [], "", "quota"),
        (None, ["BudgetExceededError"], "", "quota"),
        (401, [], "", "auth"),
        (403, [], "", "auth"),
        (None, ["openai.AuthenticationError"], "", "auth"),
        (None, ["PermissionDeniedError"], "", "auth"),
        (None, [], "Error code: 401 - Incorrect API key provided", "auth"),
        (None, ["openai.APITimeoutError"], "Request timed out.", "timeout"),
        (None, ["client_timeout_error"], "", "timeout"),
        (None, ["httpx.ReadTimeout"], "", "timeout"),
        (504, [], "", "timeout"),
        (None, [], "Request timed out.", "timeout"),
        (None, ["openai.APIConnectionError"], "Connection error.", "connection"),
        (None, ["httpx.RemoteProtocolError"], "peer closed connection", "connection"),
        (None, ["Exception"], "incomplete chunked read", "connection"),
        (500, [], "", "server_error"),
        (529, [], "", "server_error"),
        (None, ["openai.InternalServerError"], "", "server_error"),
        (None, ["api_error"], "", "server_error"),
        (None, ["overloaded_error"], "", "server_error"),
        (None, ["AI_APICallError"], "The server had an error", "server_error"),
        (None, ["ApiError"], '{"error":{"code":500,"message":"oops"}}', "server_error"),
        (400, [], "maximum context length is 128000 tokens", "context_length"),
        (400, ["ContextWindowExceededError"], "", "context_length"),
        (None, ["ValidationException"], "Input is too long for requested model.", "context_length"),
        (400, ["content_filter"], "", "content_filter"),
        (400, [], "blocked by our content management policy", "content_filter"),
        (400, [], "Invalid parameter", "invalid_request"),
        (404, [], "", "invalid_request"),
        (None, ["BadRequestError"], "", "invalid_request"),
        (None, ["asyncio.CancelledError"], "", "cancelled"),
        (499, [], "", "cancelled"),
        (None, ["AbortError"], "", "cancelled"),
        (None, ["ValueError"], "something else", "other"),
        (None, [], "", "other"),
        (200, [], "Failed to process successful response", "other"),
    ],
)
def test_classifies_what_emitters_write(
    status: float | None, classes: list[str], text: str, expected: str
) -> None:
    """Status first, then the class, then the text."""
    assert classify(status, classes, text) == expected


def test_source_lines_of_a_traceback_name_no_error() -> None:
    """A dropped connection is told with a traceback through code that mentions timeouts."""
    text = (
        "Traceback (most recent call last):\n"
        '  File "httpx/_client.py", line 1, in send\n'
        "    timeout=request.extensions['timeout'],\n"
        "httpx.RemoteProtocolError: peer closed connection\n"
    )
    assert classify(None, ["Exception"], text) == "connection"


@given(
    st.none() | st.floats(allow_nan=True),
    st.lists(st.text(max_size=300), max_size=3),
    st.text(max_size=5000),
)
def test_any_input_has_a_type(status: float | None, classes: list[str], text: str) -> None:
    """Whatever comes in, the answer is one of the catalogue's words."""
    assert classify(status, classes, text) in ERROR_TYPES
