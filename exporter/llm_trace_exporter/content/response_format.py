"""Whether a request asked for an answer in JSON, and by which schema.

Sources: OpenAI `response_format` and `text.format`, Gemini `response_mime_type`, Ollama `format`,
Vercel AI SDK `ai.settings.output`, OpenTelemetry `gen_ai.output.type`.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from ..otlp.records import Attributes, Value
from .messages import parsed

_WORDS: Mapping[str, frozenset[str]] = {
    "gen_ai.output.type": frozenset({"json"}),
    "gen_ai.openai.request.response_format": frozenset({"json_object", "json_schema", "json"}),
    "gen_ai.request.response_format": frozenset({"json_object", "json_schema", "json"}),
    "ai.settings.output": frozenset({"object", "array"}),
}
"""Attribute -> its values that ask for JSON."""
_SCHEMAS = ("gen_ai.request.structured_output_schema", "ai.schema")
_PARAMETERS = (
    "llm.invocation_parameters",
    "invocation_params",
    "langfuse.observation.model.parameters",
    "langsmith.metadata.ls_invocation_params",
    "gcp.vertex.agent.llm_request",
    "mlflow.spanInputs",
    "langfuse.observation.input",
    "request_data",
    "input.value",
)
"""Attributes that may hold the request's parameters as an object."""

ASKED_KEYS = (*_WORDS, *_SCHEMAS, *_PARAMETERS)

_HINTS = ("response_format", "esponse_mime_type", "esponseMimeType", '"format"')
_INNER = ("text", "config", "generation_config", "generationConfig", "kwargs", "options")
_MIMES = ("response_mime_type", "responseMimeType")
_MIME_SCHEMAS = ("response_json_schema", "response_schema", "responseSchema", "responseJsonSchema")
_MAX_DEPTH = 3


def asked_json(attrs: Attributes) -> tuple[bool, str]:
    """(whether JSON was asked for, its schema as JSON text or nothing)."""
    asked = any(_is_word(attrs.get(name), words) for name, words in _WORDS.items())
    for name in _SCHEMAS:
        if (schema := _schema(parsed(attrs.get(name)))) != "":
            return True, schema
    for name in _PARAMETERS:
        value = attrs.get(name)
        if isinstance(value, str) and not any(hint in value for hint in _HINTS):
            continue
        wants, schema = _in_parameters(parsed(value), 0)
        if wants:
            return True, schema
    return asked, ""


def _is_word(value: Value, words: frozenset[str]) -> bool:
    return isinstance(value, str) and value.strip('"').lower() in words


def _in_parameters(parameters: Value, depth: int) -> tuple[bool, str]:
    if not isinstance(parameters, dict) or depth > _MAX_DEPTH:
        return False, ""
    for name in ("response_format", "format"):
        wants, schema = _in_format(parameters.get(name))
        if wants:
            return True, schema
    if any(parameters.get(name) == "application/json" for name in _MIMES):
        return True, next((s for n in _MIME_SCHEMAS if (s := _schema(parameters.get(n)))), "")
    for name in _INNER:
        wants, schema = _in_parameters(parameters.get(name), depth + 1)
        if wants:
            return True, schema
    return False, ""


def _in_format(value: Value) -> tuple[bool, str]:
    if isinstance(value, str):
        return value in ("json", "json_object", "json_schema"), ""
    if not isinstance(value, dict):
        return False, ""
    kind = value.get("type")
    if kind == "json_schema":
        inner = value.get("json_schema")
        holder = inner if isinstance(inner, dict) else value
        return True, _schema(holder.get("schema"))
    if kind in ("object", "array") and ("properties" in value or "items" in value):
        return True, _schema(value)
    return kind == "json_object", ""


def _schema(value: Value) -> str:
    if not isinstance(value, dict) or not value:
        return ""
    try:
        return msgspec.json.encode(value).decode()
    except (msgspec.MsgspecError, RecursionError, TypeError, ValueError):
        return ""
