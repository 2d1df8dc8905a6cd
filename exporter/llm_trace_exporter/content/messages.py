"""Messages inside JSON of any shape: who said what, in the order in which it was said.

Emitters write requests and answers as their SDK has them: lists of messages with content or parts,
whole request bodies, whole answers with choices, candidates, generations or output items,
LangChain's serialised constructors. Work is bounded whatever the JSON holds.

Sources: OpenTelemetry GenAI (messages with parts), OpenAI Chat Completions and Responses, Anthropic
Messages, Gemini `generateContent`, Bedrock Converse, LangChain `dumpd`, Vercel AI SDK.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal

import msgspec

from ..dialects.coerce import parse_object
from ..otlp.records import Value

MAX_JSON_CHARS = 262_144
"""Longest text that is parsed; a longer one is not read."""
MAX_DEPTH = 12
MAX_ITEMS = 256
"""Members of one list that are looked at: the first, and as many of the last."""

Speaker = Literal["user", "assistant", "system", "tool"]

SPEAKERS: Mapping[str, Speaker] = {
    "user": "user",
    "human": "user",
    "humanmessage": "user",
    "humanmessagechunk": "user",
    "assistant": "assistant",
    "ai": "assistant",
    "model": "assistant",
    "aimessage": "assistant",
    "aimessagechunk": "assistant",
    "system": "system",
    "developer": "system",
    "systemmessage": "system",
    "tool": "tool",
    "function": "tool",
    "toolmessage": "tool",
    "functionmessage": "tool",
    "tool-response": "tool",
    "tool_response": "tool",
    "function_call_output": "tool",
    "tool_call_response": "tool",
}
"""Lower-case role, message type or class name -> who speaks."""

_SILENT = {
    *("reasoning", "thinking", "redacted_thinking", "tool_call", "tool_use", "function_call"),
    *("tool-call", "tool_calls", "image", "image_url", "input_image", "input_audio", "blob"),
    *("uri", "file", "document", "server_tool_use"),
}
"""Types of parts that are no text of the conversation."""
_RESULTS = {"tool_result", "tool-result", "tool_call_response", "function_call_output"}
_RESULT_KEYS = ("toolResult", "function_response", "functionResponse")
_RESULT_VALUES = ("response", "result", "output", "content", "value", "text")
_TEXT_KEYS = ("text", "content", "parts", "refusal", "response", "output", "value")
_SYSTEM_KEYS = (
    *("system", "instructions", "system_instruction", "systemInstruction", "system_prompt"),
    "system_instructions",
)
_WRAPPERS = ("kwargs", "data", "inputs", "outputs", "request", "response", "config")
_HOLDERS: Mapping[str, tuple[str, ...]] = {
    "user": ("messages", "contents", "input", "prompt", "prompts", "query", "question"),
    "assistant": (
        *("choices", "candidates", "generations", "messages", "message", "output", "content"),
        *("parts", "text", "completion", "replies"),
    ),
}
"""Who speaks -> members of a request or an answer that hold what was said, in reading order."""
_PLAIN_HOLDERS = {"input", "prompt", "prompts", "query", "question", "completion"}
"""Members that may hold plain text at the top; in an answer in JSON any may be the answer's own."""


@dataclass(frozen=True, slots=True)
class Message:
    """One thing that was said."""

    speaker: Speaker
    text: str = field(repr=False)


def parsed(written: Value) -> Value:
    """What a text holds when it is a JSON or Python object or list, else None."""
    if not isinstance(written, str):
        return written if isinstance(written, list | dict) else None
    if len(written) > MAX_JSON_CHARS or written.lstrip()[:1] not in ("{", "[", '"', "("):
        return None
    try:
        found: Value = msgspec.json.decode(written)
    except (msgspec.MsgspecError, RecursionError, ValueError):
        return parse_object(written)
    if isinstance(found, str) and len(found) < len(written):
        return parsed(found)
    return found


def messages_in(value: Value, speaker: Speaker, *, shaped: bool = False) -> list[Message]:
    """The messages of an attribute's value; plain text is one message.

    Args:
        value: Text, JSON text or the decoded structure.
        speaker: Whose words they are where the value does not say: `user` for requests,
            `assistant` for answers.
        shaped: Only an SDK's own structures are read: neither plain text nor JSON of the answer.
    """
    structure = parsed(value)
    if shaped and not _is_shaped(structure):
        return []
    if structure is not None:
        found = list(_messages(structure, speaker, 0))
        if found or speaker == "user" or _is_shaped(structure):
            return found
    text = _plain(value)
    return [Message(speaker, text)] if text else []


def documents_in(value: Value) -> list[str]:
    """The texts of retrieved documents in an attribute's value."""
    structure = parsed(value)
    return list(_documents(structure, 0)) if structure is not None else []


def text_in(value: Value) -> str:
    """All text of an attribute's value, whoever says it; the value itself where it is text."""
    structure = parsed(value)
    if structure is None:
        return value if isinstance(value, str) else ""
    return "\n".join(_texts(structure, 0))


_SHAPES = {"choices", "candidates", "generations", "messages", "role", "tool_calls"}


def _is_shaped(structure: Value) -> bool:
    """Whether JSON is an SDK's way of writing an answer, and not an answer in JSON."""
    while isinstance(structure, list) and structure:
        structure = structure[0]
    if not isinstance(structure, dict):
        return structure == []
    if not any(structure.values()):
        return True
    if structure.get("object") == "response" or _type_of(structure) in _SILENT:
        return True
    return not _SHAPES.isdisjoint(structure)


def _plain(value: Value) -> str:
    if not isinstance(value, str):
        return _dumped(value) if value else ""
    if value[:1] == '"' == value[-1:] and len(value) <= MAX_JSON_CHARS:
        try:
            inner = msgspec.json.decode(value, type=str)
        except (msgspec.MsgspecError, ValueError):
            return value
        return "" if inner.lower() in ("null", "none") else inner
    return "" if value.lower() in ("null", "none") else value


def _items(value: list[Value]) -> list[Value]:
    return value if len(value) <= MAX_ITEMS else [value[0], *value[-MAX_ITEMS:]]


def _messages(value: Value, speaker: Speaker, depth: int) -> Iterator[Message]:
    if depth > MAX_DEPTH or value is None:
        return
    if isinstance(value, str):
        if value.strip():
            yield Message(speaker, value)
    elif isinstance(value, list):
        for item in _items(value):
            yield from _messages(item, speaker, depth + 1)
    elif isinstance(value, dict):
        who = _speaker_of(value)
        if who is not None:
            yield from _said(value, who, depth)
        elif _type_of(value) not in _SILENT:
            yield from _within(value, speaker, depth)


def _type_of(part: dict[str, Value]) -> str:
    kind = part.get("type")
    return kind if isinstance(kind, str) else ""


def _speaker_of(message: dict[str, Value]) -> Speaker | None:
    for name in ("role", "type"):
        speaker = message.get(name)
        if isinstance(speaker, str) and (who := SPEAKERS.get(speaker.lower())) is not None:
            return who
    made_by = message.get("id")
    if message.get("lc") and isinstance(made_by, list) and made_by:
        return SPEAKERS.get(str(made_by[-1]).lower())
    return None


def _said(message: dict[str, Value], who: Speaker, depth: int) -> Iterator[Message]:
    inner = message.get("kwargs") or message.get("data")
    if isinstance(inner, dict) and "content" in inner:
        message = inner
    results: list[str] = []
    if who == "tool":
        value = next((message[k] for k in ("content", "parts", "output") if message.get(k)), None)
        words = [] if (text := _result(value, depth + 1)) == "" else [text]
    else:
        content = next(
            (message[k] for k in ("content", "parts", "refusal", "text") if message.get(k)), None
        )
        words = list(_texts(content, depth + 1, results))
    # Anthropic and Bedrock put the results of tools into the user's turn.
    for result in results:
        yield Message("tool", result)
    if any(word.strip() for word in words):
        yield Message(who, "\n".join(words))


def _within(value: dict[str, Value], speaker: Speaker, depth: int) -> Iterator[Message]:
    """Messages of a request or an answer as a whole."""
    if speaker == "user":
        for name in _SYSTEM_KEYS:
            words = "\n".join(_texts(value.get(name), depth + 1))
            if words.strip():
                yield Message("system", words)
    for name in (*_HOLDERS.get(speaker, ()), *_WRAPPERS):
        if name in value and (depth or name in _PLAIN_HOLDERS or not isinstance(value[name], str)):
            found = list(_messages(value[name], speaker, depth + 1))
            yield from found
            if any(message.speaker == speaker for message in found):
                return


def _texts(value: Value, depth: int, results: list[str] | None = None) -> Iterator[str]:
    """The words in the content of a message; what tools returned goes to `results`."""
    if depth > MAX_DEPTH or value is None:
        return
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        for item in _items(value):
            yield from _texts(item, depth + 1, results)
    elif isinstance(value, dict):
        result = _result_in(value)
        if result is not None:
            if results is not None and (text := _result(result, depth + 1)):
                results.append(text)
            return
        if _type_of(value) in _SILENT:
            return
        inner = next((value[k] for k in _TEXT_KEYS if value.get(k)), None)
        yield from _texts(inner, depth + 1, results)


def _result_in(part: dict[str, Value]) -> Value:
    """What a tool returned, where the part is that."""
    for name in _RESULT_KEYS:
        if name in part:
            return part[name]
    return part if _type_of(part) in _RESULTS else None


def _result(value: Value, depth: int) -> str:
    if isinstance(value, dict):
        nested = _result_in(value)
        if nested is not None and nested is not value and depth <= MAX_DEPTH:
            return _result(nested, depth + 1)
        value = next((value[k] for k in _RESULT_VALUES if value.get(k) is not None), value)
    if isinstance(value, str):
        return value
    if isinstance(value, list):
        found: list[str] = []
        words = [*_texts(value, depth + 1, found), *found]
        if words:
            return "\n".join(words)
    return _dumped(value) if value is not None else ""


def _dumped(value: Value) -> str:
    try:
        return msgspec.json.encode(value).decode()
    except (msgspec.MsgspecError, RecursionError, TypeError, ValueError):
        return ""


_DOCUMENT_KEYS = ("page_content", "content", "text", "document", "node", "chunk", "kwargs")
_DOCUMENT_LISTS = ("documents", "results", "matches", "contexts", "nodes", "output", "outputs")


def _documents(value: Value, depth: int) -> Iterator[str]:
    if depth > MAX_DEPTH or value is None:
        return
    if isinstance(value, str):
        inner = parsed(value)
        if isinstance(inner, dict | list):
            yield from _documents(inner, depth + 1)
        elif value.strip():
            yield value
    elif isinstance(value, list):
        for item in _items(value):
            yield from _documents(item, depth + 1)
    elif isinstance(value, dict):
        for name in (*_DOCUMENT_KEYS, *_DOCUMENT_LISTS):
            if value.get(name):
                yield from _documents(value[name], depth + 1)
                return
