"""No plan keeps who used something, in which session, or what an error said."""

from __future__ import annotations

import gc
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from llm_trace_exporter.dialects import RecordParser
from llm_trace_exporter.dialects.plans import Plans
from llm_trace_exporter.otlp.records import RawSpan, Value
from tests.dialects.test_plans import CONTEXT, SOURCES, hits_of, read, spans_of
from tests.spans import chat, raw_span

SECRET = "ann-4711"
_PERSONAL = re.compile(
    r"user(?!_agent)|session|conversation|thread|customer|error\.message|error_message"
    r"|status_message|exception",
    re.IGNORECASE,
)


def marked(span: RawSpan) -> RawSpan:
    """A span with a short secret wherever persons, sessions and errors are told."""
    attrs = {name: _marked(name, value) for name, value in span.attrs.items()}
    return replace(span, attrs=attrs)


def _marked(name: str, value: Value) -> Value:
    if not isinstance(value, str):
        return value
    if _PERSONAL.search(name):
        return SECRET
    if value[:1] != "{":
        return value
    try:
        told = json.loads(value)
    except ValueError:
        return value
    # Few members, so that it is no text that is too long for a plan anyway.
    short = {key: member for key, member in told.items() if len(str(member)) < 16}
    return json.dumps({"user": SECRET} | dict([*short.items()][:2]))


def held(plans: Plans) -> Iterator[Any]:
    """Whatever a plan table leads to, but for code and modules."""
    seen: set[int] = set()
    waiting: list[Any] = [*plans._known.items()]
    while waiting:
        found = waiting.pop()
        if id(found) in seen or callable(found) or type(found).__module__ == "types":
            continue
        seen.add(id(found))
        yield found
        waiting.extend(_parts(found))


def _parts(found: Any) -> list[Any]:
    if isinstance(found, str | bytes | int | float | type(None)):
        return []
    # Structs without a collector's mark are not looked into by it.
    fields = getattr(found, "__struct_fields__", ())
    return [*gc.get_referents(found), *(getattr(found, name) for name in fields)]


def secrets_in(parser: RecordParser) -> list[str]:
    texts = [part for part in held(parser._plans) if isinstance(part, str)]
    return [part for part in texts if SECRET in part]


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.name)
def test_no_person_session_or_error_is_reachable(source: Path) -> None:
    parser = RecordParser(CONTEXT)
    for _ in range(4):
        for span in spans_of(source):
            read(parser, marked(span))
    assert not secrets_in(parser)


def test_what_is_held_is_looked_through() -> None:
    parser = RecordParser(CONTEXT)
    for _ in range(4):
        parser.span(raw_span(chat(gen_ai__response__model=SECRET)))
    assert secrets_in(parser)


@pytest.mark.parametrize(
    "told",
    [
        {"gen_ai.response.model": "0af7651916cd43dd8448eb211c80319c"},
        {"url.full": "https://h/v1/chat?key=k-1"},
        {"url.full": "https://me:k-1@h/v1/chat"},
        {"error.type": "failed", "error.message": SECRET},
    ],
    ids=["id", "query", "credentials", "error"],
)
def test_ids_and_credentials_are_not_kept(told: dict[str, Value]) -> None:
    parser = RecordParser(CONTEXT)
    for _ in range(6):
        parser.span(raw_span(chat() | told))
    values = [value for value in told.values() if isinstance(value, str)]
    texts = [part for part in held(parser._plans) if isinstance(part, str)]
    assert not [part for part in texts for value in values if value in part]


def test_a_layout_that_asks_an_object_is_read_in_full() -> None:
    parser = RecordParser(CONTEXT)
    parameters = json.dumps({"model": "gpt-4o", "user": SECRET})
    attrs = {
        "openinference.span.kind": "LLM",
        "llm.invocation_parameters": parameters,
        "llm.token_count.prompt": 3,
        "llm.token_count.completion": 4,
    }
    for _ in range(6):
        span = raw_span(attrs)
        assert parser.span(span) == parser.in_full(span)
    assert hits_of(parser) == 0
    assert not secrets_in(parser)
