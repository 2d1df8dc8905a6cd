"""Each rule on texts that people and models write: what it must find, and what it must let be."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest

from llm_trace_exporter.content.record import CallContent
from llm_trace_exporter.content_rules import RULES
from llm_trace_exporter.content_rules.result import Result
from llm_trace_exporter.model import LlmCall, Origin, Tokens
from tests.content_rules.texts import (
    CLEAN,
    INJECTIONS,
    LANGUAGES,
    NO_INJECTIONS,
    NO_REFUSALS,
    NOT_PERSONAL,
    NOT_SECRET,
    PERSONAL,
    REFUSALS,
    SECRETS,
    hostile,
)

ORIGIN = Origin(b"1" * 16, b"2" * 8, b"", "span", "semconv", "test", "shop", "", ())
FAST_S = 0.4
"""For three texts of 32 KB on a busy machine; a form that backtracks takes seconds to hours."""


def judged(rule: str, *, call: dict[str, Any] | None = None, **said: Any) -> Result | None:
    """What a rule says of a call."""
    given = {"finish_reasons": ("stop",), **(call or {})}
    return RULES[rule](LlmCall(ORIGIN, 0, 10**9, "chat", **given), CallContent(**said))


def verdict(rule: str, **said: Any) -> bool | None:
    """Whether a rule is content; None where it says nothing."""
    result = judged(rule, **said)
    return None if result is None else result.passed


def categories(rule: str, **said: Any) -> set[tuple[str, str]]:
    """(category, direction) of what a rule found."""
    result = judged(rule, **said)
    return {(f.category, f.direction) for f in result.findings} if result else set()


@pytest.mark.parametrize("answer", REFUSALS)
def test_a_refusal_is_told(answer: str) -> None:
    assert verdict("refusal", user="?", answer=answer) is False


@pytest.mark.parametrize("answer", [*NO_REFUSALS, *CLEAN])
def test_an_answer_is_no_refusal(answer: str) -> None:
    assert verdict("refusal", user="?", answer=answer) is True


def test_a_provider_that_says_refusal_is_believed() -> None:
    assert judged("refusal", call={"finish_reasons": ("refusal",)}) == Result(passed=False)
    assert verdict("refusal", user="?", answer=" ") is None


@pytest.mark.parametrize("answer", ["", " \n", "\u200b", "``", '""'])
def test_an_answer_without_words_is_empty(answer: str) -> None:
    call = {"tokens": Tokens(input=10, output=1)}
    assert judged("empty_answer", call=call, user="?", answer=answer) == Result(passed=False)


@pytest.mark.parametrize(
    "call",
    [
        {"tokens": Tokens(output=40)},
        {"tokens": None},
        {"tokens": Tokens(output=1), "finish_reasons": ("tool_calls",)},
        {"tokens": Tokens(output=1), "finish_reasons": ()},
        {"tokens": Tokens(output=0), "finish_reasons": ("content_filter",)},
    ],
)
def test_an_answer_that_was_not_recorded_is_not_empty(call: dict[str, Any]) -> None:
    assert judged("empty_answer", call=call, user="?", answer="") is None


def test_any_word_is_an_answer() -> None:
    assert verdict("empty_answer", answer="ok") is True
    assert verdict("empty_answer", answer="👍") is True


SCHEMA = {
    "type": "object",
    "properties": {"n": {"type": "integer"}, "next": {"$ref": "#"}},
    "required": ["n"],
}


@pytest.mark.parametrize(
    ("answer", "passed"),
    [
        ('{"n": 1}', True),
        (' {"n": 1, "next": {"n": 2}}\n', True),
        ('{"n": "1"}', False),
        ('{"n": 1, "next": {}}', False),
        ("[]", False),
        ('```json\n{"n": 1}\n```', False),
        ('Here you are: {"n": 1}', False),
        ('{"n": 1', False),
        ('{"n": NaN}', False),
        ("[" * 10_000, None),
    ],
)
def test_json_that_was_asked_for(answer: str, passed: bool | None) -> None:
    said = {"user": "?", "answer": answer, "asked_json": True}
    assert verdict("json_format", schema=json.dumps(SCHEMA), **said) is passed


def test_only_where_json_was_asked_for() -> None:
    assert verdict("json_format", answer="hello") is None
    assert verdict("json_format", answer="[1", asked_json=True, answer_cut=True) is None
    cut = {"finish_reasons": ("length",)}
    assert judged("json_format", call=cut, answer="[1", asked_json=True) is None


LIST = {"anyOf": [{"$ref": "#/$defs/a"}, {"$ref": "#/$defs/a"}]}


@pytest.mark.parametrize(
    "schema",
    [
        "no schema",
        "[]",
        '{"type": 5}',
        '{"$ref": "http://127.0.0.1:1/schema.json"}',
        '{"$ref": "file:///etc/passwd"}',
        '{"$ref": "#"}',
        '{"type": "string", "pattern": "^(a+)+$"}',
        json.dumps({"$defs": {"a": {"type": "array", "items": LIST, "minItems": 9}}, **LIST}),
        json.dumps(
            {
                "$defs": {
                    **{
                        f"d{n}": {
                            "allOf": [{"$ref": f"#/$defs/d{n + 1}"}, {"$ref": f"#/$defs/d{n + 1}"}]
                        }
                        for n in range(40)
                    },
                    "d40": {},
                },
                "$ref": "#/$defs/d0",
            }
        ),
    ],
)
def test_a_schema_from_the_wire_is_not_trusted(schema: str) -> None:
    answer = json.dumps("a" * 30 + "!") if "pattern" in schema else "[" * 40 + "]" * 40
    started = time.process_time()
    judged("json_format", answer=answer, asked_json=True, schema=schema)
    assert time.process_time() - started < 5


@pytest.mark.parametrize(("question", "answer", "passed"), LANGUAGES)
def test_the_answer_is_in_the_language_of_the_question(
    question: str, answer: str, passed: bool | None
) -> None:
    assert verdict("language", user=question, answer=answer) is passed


@pytest.mark.parametrize(("category", "text"), SECRETS)
def test_a_secret_is_found(category: str, text: str) -> None:
    for written in (text, f"The key is {text}, keep it.", f"`{text}`"):
        assert categories("secrets", user="?", answer=written) == {(category, "output")}
        assert verdict("secrets", user="?", answer=written) is False


@pytest.mark.parametrize("text", [*NOT_SECRET, *CLEAN])
def test_what_is_no_secret_is_let_be(text: str) -> None:
    assert categories("secrets", user=text, answer=text) == set()


@pytest.mark.parametrize(("category", "text"), PERSONAL)
def test_personal_data_is_found(category: str, text: str) -> None:
    for written in (text, f"Her details: {text}.", f"({text}), and more"):
        assert categories("personal_data", answer=written) == {(category, "output")}


@pytest.mark.parametrize("text", [*NOT_PERSONAL, *CLEAN])
def test_what_is_no_personal_data_is_let_be(text: str) -> None:
    assert categories("personal_data", user=text, answer=text) == set()


def test_what_the_user_wrote_is_not_given_away() -> None:
    mail = "jane.roe@acme-mail.co.uk"
    both = {("email", "input"), ("email", "output")}
    assert categories("personal_data", user=mail, answer=f"I wrote to {mail}") == both
    assert verdict("personal_data", user=mail, answer=f"I wrote to {mail}") is True
    assert verdict("personal_data", user="?", documents=(mail,), answer=mail) is False
    assert verdict("personal_data", user="?", documents=(mail,), answer="no") is True


@pytest.mark.parametrize(("category", "text"), INJECTIONS)
def test_an_injection_is_found_in_messages_and_documents(category: str, text: str) -> None:
    assert (category, "input") in categories("injection", user=f"Hello. {text}")
    assert verdict("injection", user=text) is False
    for brought in ({"documents": ("fine", text)}, {"tool_results": (text,)}):
        assert verdict("document_injection", user="?", **brought) is False


@pytest.mark.parametrize("text", [*NO_INJECTIONS, *CLEAN])
def test_what_is_no_injection_is_let_be(text: str) -> None:
    assert verdict("injection", user=text) is True
    assert verdict("document_injection", documents=(text,)) is True


def test_nothing_brought_is_nothing_to_look_at() -> None:
    assert verdict("document_injection", user="?") is None
    assert verdict("injection", answer="?") is None


@pytest.mark.dear
@pytest.mark.parametrize("rule", RULES)
def test_no_text_makes_a_rule_slow(rule: str) -> None:
    judged(rule, user="warm up", answer="warm up", documents=("warm up",), asked_json=True)
    slow: dict[str, float] = {}
    for name, text in hostile(32_768).items():
        said: dict[str, Any] = {
            "user": text,
            "answer": text,
            "documents": (text,),
            "asked_json": True,
        }
        spent = []
        for _ in range(2):
            started = time.thread_time()
            judged(rule, **said)
            spent.append(time.thread_time() - started)
        slow |= {name: min(spent)} if min(spent) > FAST_S else {}
    assert slow == {}


def test_findings_hold_no_text() -> None:
    result = judged("secrets", user="?", answer=f"{SECRETS[0][1]} canary")
    assert result is not None
    assert SECRETS[0][1] not in repr(result)
