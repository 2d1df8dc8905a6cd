"""Where JSON was asked for: whether the answer is JSON, and follows its schema.

Schemas come with the traces and are not to be trusted: references never leave the schema, and a
schema that could cost much is not applied.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec
from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError
from jsonschema.validators import extend
from referencing import Registry

from ..content.record import CallContent
from ..model import LlmCall
from .result import Result

MAX_SCHEMA_CHARS = 32_768
MAX_REFERENCES = 2_000
"""References that are followed for one answer: every way to make a schema slow needs them."""

# Patterns may backtrack for ever, unique items compare each with each.
_COSTLY = ('"pattern', '"uniqueItems"', '"$dynamicRef"', '"$recursiveRef"', '"format"')


class _TooMuch(Exception):
    """A schema that asks for more work than an answer is worth."""


def json_format(call: LlmCall, said: CallContent) -> Result | None:
    """Whether the answer has the form that was asked for."""
    if not said.asked_json or not said.answer.strip() or said.answer_cut:
        return None
    if call.finish_reasons and not {"stop", "other"} & set(call.finish_reasons):
        return None
    try:
        answer = msgspec.json.decode(said.answer)
    except msgspec.DecodeError:
        return Result(passed=False)
    except RecursionError:
        return None
    return Result(passed=_follows(answer, said.schema))


def _follows(answer: Any, schema_text: str) -> bool:
    if not schema_text or len(schema_text) > MAX_SCHEMA_CHARS:
        return True
    if any(word in schema_text for word in _COSTLY):
        return True
    try:
        schema = msgspec.json.decode(schema_text)
        checker = _bounded()(schema, registry=Registry())
        return next(checker.iter_errors(answer), None) is None
    except Exception:  # noqa: BLE001 - a schema that is none raises anything; it says nothing then
        return True


def _bounded() -> Any:
    """A validator that gives up after MAX_REFERENCES references."""
    left = MAX_REFERENCES
    plain = Draft202012Validator.VALIDATORS["$ref"]

    def ref(validator: Any, target: Any, instance: Any, schema: Any) -> Iterator[ValidationError]:
        nonlocal left
        left -= 1
        if left < 0:
            raise _TooMuch
        yield from plain(validator, target, instance, schema) or ()

    return extend(Draft202012Validator, {"$ref": ref})  # type: ignore[no-untyped-call]
