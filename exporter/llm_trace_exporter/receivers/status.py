"""What OTLP servers answer: google.rpc.Status for errors, Export responses for the rest.

Source: OTLP 1.10, docs/specification.md. Full Success: `partial_success` MUST stay unset. Partial
Success: the rejected count MUST be set, `error_message` SHOULD be. Failures: the body of every
4xx and 5xx MUST be a Status; on Bad Data its details SHOULD hold a BadRequest; on throttling they
MAY hold a RetryInfo. 429, 502, 503 and 504 are retried by clients, and nothing else.
"""

from __future__ import annotations

import json
from typing import Any

from google.protobuf import json_format
from google.rpc import code_pb2, error_details_pb2, status_pb2
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceResponse
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceResponse,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

from ..consumer import Outcome, RejectionReason
from ..otlp.records import Encoding, SignalName
from .rejection import Refusal

MEDIA_TYPES: dict[str, Encoding] = {
    "application/x-protobuf": "protobuf",
    "application/protobuf": "protobuf",
    "application/json": "json",
}
"""Request media type -> encoding; the answer has the media type of the request."""

_RESPONSES: dict[SignalName, tuple[Any, str]] = {
    "traces": (ExportTraceServiceResponse, "rejected_spans"),
    "logs": (ExportLogsServiceResponse, "rejected_log_records"),
    "metrics": (ExportMetricsServiceResponse, "rejected_data_points"),
}

HTTP_STATUS: dict[RejectionReason, int] = {
    "aborted": 400,
    "internal": 500,
    "malformed": 400,
    "method": 405,
    "overloaded": 503,
    "path": 404,
    "rate_limited": 429,
    "timeout": 408,
    "too_large": 413,
    "unauthenticated": 401,
    "unsupported_encoding": 415,
    "unsupported_media_type": 415,
}
RPC_CODE: dict[RejectionReason, int] = {
    "aborted": code_pb2.CANCELLED,
    "internal": code_pb2.INTERNAL,
    "malformed": code_pb2.INVALID_ARGUMENT,
    "method": code_pb2.UNIMPLEMENTED,
    "overloaded": code_pb2.UNAVAILABLE,
    "path": code_pb2.NOT_FOUND,
    "rate_limited": code_pb2.RESOURCE_EXHAUSTED,
    "timeout": code_pb2.DEADLINE_EXCEEDED,
    "too_large": code_pb2.RESOURCE_EXHAUSTED,
    "unauthenticated": code_pb2.UNAUTHENTICATED,
    "unsupported_encoding": code_pb2.INVALID_ARGUMENT,
    "unsupported_media_type": code_pb2.INVALID_ARGUMENT,
}


def status(refusal: Refusal) -> status_pb2.Status:
    """The error as google.rpc.Status."""
    message = status_pb2.Status(code=RPC_CODE[refusal.reason], message=refusal.message)
    if refusal.reason == "malformed":
        bad = error_details_pb2.BadRequest()
        bad.field_violations.add(description=refusal.message)
        message.details.add().Pack(bad)
    if refusal.retry_after_s:
        retry = error_details_pb2.RetryInfo()
        retry.retry_delay.seconds = refusal.retry_after_s
        message.details.add().Pack(retry)
    return message


def export_response(signal: SignalName, outcome: Outcome) -> Any:
    """The Export...ServiceResponse; `partial_success` is set only when there is something to say.

    Also for metrics, which are taken and not used: that is said once, as a warning at each
    interval would be about something that most users can do nothing about.
    """
    kind, rejected_field = _RESPONSES[signal]
    response = kind()
    if outcome.rejected or outcome.message:
        partial = response.partial_success
        setattr(partial, rejected_field, outcome.rejected)
        partial.error_message = outcome.message
    return response


def serialise(message: Any, encoding: Encoding) -> bytes:
    """An answer in the encoding of its request."""
    if encoding == "json":
        return json.dumps(json_format.MessageToDict(message)).encode()
    body: bytes = message.SerializeToString()
    return body
