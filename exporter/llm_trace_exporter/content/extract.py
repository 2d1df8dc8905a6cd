"""What was said in a call: from the text attributes of its spans and log records.

Two steps, because most calls are never judged: `RawContent` are the attributes as they came, taken
off a record before it is read for numbers; `extract_content` finds the messages in them when they
are wanted. Neither raises, whatever a sender writes, and both are bounded.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from ..otlp.records import Attributes, RawLog, RawSpan, Value
from .messages import SPEAKERS, Message, Speaker, documents_in, messages_in, parsed, text_in
from .record import CallContent
from .response_format import ASKED_KEYS, asked_json

MAX_CHARS = 32_768
"""Longest text of an exchange, by default; what is longer is cut."""
MAX_DOCUMENTS = 32
MAX_TOOL_RESULTS = 16
MAX_RECORD_CHARS = 1_048_576
"""More text than this on one record, and it is not kept."""

_INPUTS = (
    "gen_ai.input.messages",
    "ai.prompt.messages",
    "langfuse.observation.input",
    "mlflow.spanInputs",
    "gcp.vertex.agent.llm_request",
    "gen_ai.prompt",
    "request_data",
    "input.value",
    "ai.prompt",
    "confident.span.input",
    "traceloop.entity.input",
    "request_text",
)
_OUTPUTS = (
    "gen_ai.output.messages",
    "langfuse.observation.output",
    "mlflow.spanOutputs",
    "gcp.vertex.agent.llm_response",
    "gen_ai.completion",
    "response_data",
    "output.value",
    "confident.span.output",
    "traceloop.entity.output",
    "response_text",
)
_PLAIN_OUTPUTS = ("ai.response.text", "ai.response.object")
"""The answer itself, which is never looked into: it may be JSON."""
_SYSTEM = ("gen_ai.system_instructions", "ai.settings.system", "gen_ai.request.instructions")
_DOCUMENTS = (
    "ai.observability.retrieval.retrieved_contexts",
    "confident.span.retrieval_context",
    "langfuse.observation.output",
    "mlflow.spanOutputs",
    "gen_ai.completion",
    "output.value",
    "traceloop.entity.output",
    "gen_ai.retrieval.documents",
)
_OF_EVENTS = ("content", "message", "tool.result", "gen_ai.event.content", "event.name")

TEXT_KEYS = frozenset(
    (*_INPUTS, *_OUTPUTS, *_PLAIN_OUTPUTS, *_SYSTEM, *_DOCUMENTS, *_OF_EVENTS, *ASKED_KEYS)
)
"""Attributes that hold texts, or say what form the answer was to have."""

_FLAT = re.compile(
    r"(?:llm\.(?P<openinference>input|output)_messages|gen_ai\.(?P<openllmetry>prompt|completion)"
    r"|llm\.(?P<traceloop>prompts|completions))"
    r"\.(?P<at>\d{1,4})\.(?:message\.)?"
    r"(?P<what>role|content|tool_call_id|contents\.\d{1,3}\.message_content\.text)"
)
_DOCUMENT = re.compile(
    r"(?:retrieval\.documents|reranker\.output_documents)\.(\d{1,4})\.document\.content"
)
TEXT_PATTERN = re.compile(f"{_FLAT.pattern}|{_DOCUMENT.pattern}")
"""Text attributes with an index in their key."""
_FLAT_STARTS = ("llm.", "gen_ai.prompt.", "gen_ai.completion.")
_DOCUMENT_STARTS = ("retrieval.documents.", "reranker.output_documents.")

_STARTS = (*_FLAT_STARTS, *_DOCUMENT_STARTS)


@lru_cache(maxsize=4096)
def is_text_key(name: str) -> bool:
    """Whether an attribute holds text."""
    return name in TEXT_KEYS or (
        name.startswith(_STARTS) and TEXT_PATTERN.fullmatch(name) is not None
    )


MESSAGE_EVENTS: Mapping[str, Speaker] = {
    "gen_ai.system.message": "system",
    "gen_ai.user.message": "user",
    "gen_ai.assistant.message": "assistant",
    "gen_ai.tool.message": "tool",
    "gen_ai.choice": "assistant",
}
"""Events, of spans or as log records, that are one message each (GenAI conventions to 1.36)."""
_TRANSCRIPT = re.compile(r"^(system|user|assistant|tool|developer): ", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class RawContent:
    """The text attributes of one record, as they came. No text shows in its `repr`."""

    attrs: Attributes = field(repr=False)
    events: tuple[tuple[str, Attributes], ...] = field(default=(), repr=False)
    """(name, attributes) of events, in order of time."""
    end_ns: int = 0
    """When the record ended, Unix nanoseconds."""
    chars: int = 0
    """How much text it is."""


class ContentExtractor:
    """Takes texts off records, so that what reads numbers never sees them."""

    def __init__(self, also_read: frozenset[str], also_matched: re.Pattern[str]) -> None:
        """Keep what the dialects and dimensions read themselves where it is."""
        self._also_read = also_read
        self._also_matched = also_matched

    def extract(self, record: RawSpan | RawLog) -> RawContent | None:
        """The texts of a record; None where it has none, or too much."""
        attrs = self._taken(record.attrs)
        if isinstance(record, RawSpan):
            by_event = [(event.name, self._taken(event.attrs)) for event in record.events]
            events = [(name, found) for name, found in by_event if found]
            end_ns = record.ended_ns
        else:
            end_ns = record.time_ns
            name = record.event_name or str(attrs.get("event.name", ""))
            is_message = name in MESSAGE_EVENTS and record.content is not None
            events = [(name, {"body": record.content})] if is_message else []
        return raw_content_from(attrs, events, end_ns)

    def _taken(self, attrs: Attributes) -> Attributes:
        names = [name for name in attrs if is_text_key(name)]
        found = {name: attrs[name] for name in names}
        for name in names:
            if name not in self._also_read and self._also_matched.fullmatch(name) is None:
                del attrs[name]
        return found


def raw_content_from(
    attrs: Attributes, events: Sequence[tuple[str, Attributes]], end_ns: int
) -> RawContent | None:
    """Text attributes, and those of events by name, as texts; None for none, or too much."""
    chars = _chars(attrs) + sum(_chars(found) for _, found in events)
    if not 0 < chars <= MAX_RECORD_CHARS:
        return None
    return RawContent(attrs, tuple(events), end_ns, chars)


def extract_content(
    reporters: Sequence[RawContent],
    retrievals: Iterable[RawContent] = (),
    max_chars: int = MAX_CHARS,
) -> CallContent:
    """What was said in one call.

    Args:
        reporters: The texts of everyone who told the call; the first that has a part tells it.
        retrievals: The texts of what was retrieved for it.
        max_chars: Where each text is cut.
    """
    reported = [_messages_of(texts) for texts in reporters]

    def last(speaker: Speaker) -> str:
        for messages in reported:
            for message in reversed(messages):
                if message.speaker == speaker:
                    return message.text
        return ""

    results = next((found for m in reported if (found := _by(m, "tool"))), [])
    asked = [asked_json(texts.attrs) for texts in reporters]
    answer = last("assistant")
    documents = [text for texts in retrievals for text in _documents_of(texts)]
    system = next((found for m in reported if (found := _by(m, "system"))), [])
    return CallContent(
        user=last("user")[:max_chars],
        answer=answer[:max_chars],
        system="\n".join(dict.fromkeys(system))[:max_chars],
        documents=tuple(d[:max_chars] for d in dict.fromkeys(documents[:MAX_DOCUMENTS])),
        tool_results=tuple(r[:max_chars] for r in results[-MAX_TOOL_RESULTS:]),
        asked_json=any(wanted for wanted, _ in asked),
        schema=next((schema for _, schema in asked if schema), ""),
        answer_cut=len(answer) > max_chars,
    )


def _by(messages: list[Message], speaker: Speaker) -> list[str]:
    return [message.text for message in messages if message.speaker == speaker]


def _chars(attrs: Attributes) -> int:
    total = 0
    left = list(attrs.values())
    while left and total <= MAX_RECORD_CHARS:
        value = left.pop()
        if isinstance(value, str | bytes):
            total += len(value)
        elif isinstance(value, list):
            left.extend(value)
            total += len(value)
        elif isinstance(value, dict):
            left.extend(value.values())
            total += sum(map(len, value))
    return total


def _messages_of(texts: RawContent) -> list[Message]:
    """The conversation on one record: the request's messages, and the answer as the last.

    An assistant's words in the request are an earlier turn, never the answer.
    """
    asked: list[Message] = []
    answered: list[Message] | None = None
    for name, attrs in (*texts.events, ("", texts.attrs)):
        if name in MESSAGE_EVENTS:
            said = _event_messages(name, attrs)
            if name == "gen_ai.choice":
                answered = [*(answered or ()), *said]
            else:
                asked += said
            continue
        if not any(message.speaker == "user" for message in asked):
            asked += _flat(attrs, "user") or _first(attrs, _INPUTS, "user")
        if answered is None:
            answered = _answer(attrs)
    system = [
        Message("system", words)
        for name in _SYSTEM
        if (words := text_in(texts.attrs.get(name))).strip()
    ]
    history = [m for m in asked if m.speaker != "assistant"]
    # An agent's answer may repeat the whole conversation.
    said = [m for m in answered or () if m.speaker in ("assistant", "tool")]
    return [*system, *history, *said]


def _answer(attrs: Attributes) -> list[Message] | None:
    """The answer; None where nothing tells one, empty where it has no words."""
    flat = _flat(attrs, "assistant")
    if flat is not None:
        # A refusal may be told by the whole answer alone.
        return flat or messages_in(attrs.get("output.value"), "assistant", shaped=True)
    for name in _PLAIN_OUTPUTS:
        value = attrs.get(name)
        if isinstance(value, str) and value:
            return [Message("assistant", value)]
    return _first(attrs, _OUTPUTS, "assistant") or None


def _first(attrs: Attributes, names: tuple[str, ...], speaker: Speaker) -> list[Message]:
    """The messages of the first attribute that has words of the speaker."""
    for name in names:
        value = attrs.get(name)
        if value is None:
            continue
        found = _transcript(value) if name == "gen_ai.prompt" else []
        found = found or messages_in(value, speaker)
        if any(message.speaker == speaker for message in found):
            return found
    return []


def _transcript(value: Value) -> list[Message]:
    """Messages that were joined into one text, each after its speaker's name."""
    if not isinstance(value, str) or not _TRANSCRIPT.match(value):
        return []
    parts = _TRANSCRIPT.split(value)[1:]
    found: list[Message] = []
    for name, part in zip(parts[::2], parts[1::2], strict=True):
        who, words = SPEAKERS[name], part.strip()
        if words.startswith("[{"):
            found += messages_in(words, who)
        elif words:
            found.append(Message(who, words))
    return found


def _event_messages(name: str, attrs: Attributes) -> list[Message]:
    speaker = MESSAGE_EVENTS[name]
    names = ("gen_ai.event.content", "body", "content", "message")
    value = next((attrs[k] for k in names if attrs.get(k) is not None), None)
    structure = parsed(value)
    if structure is None:
        structure = value
    if isinstance(structure, dict) and "message" in structure:
        structure = structure["message"]
    if isinstance(structure, dict):
        return messages_in({"role": speaker, **structure}, speaker)
    return messages_in({"role": speaker, "content": structure}, speaker)


def _flat(attrs: Attributes, speaker: Speaker) -> list[Message] | None:
    """Messages written as one attribute a field: `llm.input_messages.0.message.content`.

    None where there are no such attributes of the request (user) or the answer (assistant).
    """
    turns: dict[int, dict[str, list[str]]] = {}
    for name, value in attrs.items():
        if not name.startswith(_FLAT_STARTS) or not isinstance(value, str):
            continue
        match = _FLAT.fullmatch(name)
        if match is None:
            continue
        side = match["openinference"] or match["openllmetry"] or match["traceloop"]
        if side.startswith(("out", "compl")) is (speaker == "assistant"):
            what = match["what"].partition(".")[0]
            turns.setdefault(int(match["at"]), {}).setdefault(what, []).append(value)
    if not turns:
        return None
    found: list[Message] = []
    for _, turn in sorted(turns.items()):
        role = "tool" if "tool_call_id" in turn else turn.get("role", [speaker])[0]
        content = "\n".join(turn.get("content") or turn.get("contents") or ())
        if content.strip():
            found += messages_in({"role": role, "content": content}, speaker)
    return found


def _documents_of(texts: RawContent) -> list[str]:
    numbered = sorted(
        (int(match[1]), value)
        for name, value in texts.attrs.items()
        if name.startswith(_DOCUMENT_STARTS)
        and (match := _DOCUMENT.fullmatch(name)) is not None
        and isinstance(value, str)
    )
    if numbered:
        return [text for _, text in numbered]
    for name in _DOCUMENTS:
        if found := documents_in(texts.attrs.get(name)):
            return found
    return []
