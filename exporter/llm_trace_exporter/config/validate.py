"""The schema's findings as problems with lines, plain words and suggestions."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any, get_args

from jsonschema import Draft7Validator
from jsonschema.exceptions import ValidationError
from jsonschema.validators import extend

from ..dialects.cache_inclusion import Inclusion
from .bind import Schema
from .document import Node
from .problems import (
    NO_VARIABLES,
    Path,
    Problem,
    closest,
    found,
    names_variable,
    one_of,
    show_path,
)
from .units import DURATION_UNITS_MS, SIZE_UNITS, format_size

_TYPES: Mapping[str, str] = {
    "object": "a mapping",
    "array": "a list",
    "string": "text",
    "boolean": "true or false",
    "number": "a number",
}
_BOOLEANS = {"yes": "true", "on": "true", "no": "false", "off": "false"}
_NUMBER_AND_WORD = re.compile("([0-9]{1,12}) *([A-Za-z]{1,12})")
_DURATION_WORDS: Mapping[str, str] = {
    "sec": "s", "secs": "s", "second": "s", "seconds": "s", "min": "m", "mins": "m", "minute": "m",
    "minutes": "m", "hr": "h", "hrs": "h", "hour": "h", "hours": "h", "day": "d", "days": "d",
    "week": "w", "weeks": "w", "year": "y", "years": "y", "millis": "ms", "milliseconds": "ms",
    **{unit: unit for unit in DURATION_UNITS_MS},
}  # fmt: skip
_SIZE_WORDS: Mapping[str, str] = {
    "k": "KiB", "m": "MiB", "g": "GiB", "ki": "KiB", "mi": "MiB", "gi": "GiB",
    "bytes": "B", "byte": "B",
    **{unit.lower(): unit for unit in SIZE_UNITS},
}  # fmt: skip


def _whole_pattern(
    _validator: Draft7Validator, pattern: str, instance: object, _schema: Schema
) -> Iterator[ValidationError]:
    # `$` also matches before a line feed at the end.
    if isinstance(instance, str) and re.fullmatch(pattern, instance) is None:
        yield ValidationError("no match")


def _unique_texts(
    _validator: Draft7Validator, _unique: bool, instance: object, _schema: Schema
) -> Iterator[ValidationError]:
    # The library compares every pair when types are mixed; only texts are asked to be unique.
    texts = [i for i in instance if isinstance(i, str)] if isinstance(instance, list) else []
    if len(set(texts)) < len(texts):
        yield ValidationError("not unique")


_Validator = extend(  # type: ignore[no-untyped-call]
    Draft7Validator, {"pattern": _whole_pattern, "uniqueItems": _unique_texts}
)


def validate(root: Node, value: Any, schema: Schema) -> list[Problem]:
    """What the schema finds wrong with a value, at most one problem for each place.

    Args:
        root: The tree that the value comes from, for its lines.
        value: The plain value, without nothings.
        schema: The schema.
    """
    problems: dict[Path, Problem] = {}
    for error in _Validator(schema).iter_errors(value):
        for problem in _problems(error, root, schema):
            problems.setdefault(problem.path, problem)
    return list(problems.values())


def without_nothing(value: Any, schema: Schema) -> Any:
    """A copy without keys and sections that have nothing written after them."""
    if isinstance(value, list):
        items = schema.get("items", {})
        return [without_nothing(item, items) for item in value]
    if not isinstance(value, dict):
        return {} if value is None and schema.get("type") == "object" else value
    known = schema.get("properties", {})
    member = schema.get("additionalProperties") or {}
    return {
        key: without_nothing(item, known.get(key, member))
        for key, item in value.items()
        if item is not None or key not in known
    }


def line_of(root: Node, path: Path) -> int:
    """The line of a place, or of what is around it where it is not written."""
    node = root
    for part in path:
        below = _below(node, part)
        if below is None:
            break
        node = below
    return node.line


def _below(node: Node, part: str | int) -> Node | None:
    if isinstance(node.value, dict) and isinstance(part, str):
        return node.value.get(part)
    if isinstance(node.value, list) and isinstance(part, int) and part < len(node.value):
        return node.value[part]
    return None


def _problems(error: ValidationError, root: Node, whole: Schema) -> Iterator[Problem]:
    path: Path = tuple(error.absolute_path)
    schema: Schema = error.schema  # type: ignore[assignment]  # no part of it is a bare true
    instance: Any = error.instance
    line = line_of(root, path)
    if "propertyNames" in error.absolute_schema_path:
        where = (*path, str(instance))
        yield Problem(line_of(root, where), where, "this key", schema["title"])
    elif error.validator == "additionalProperties":
        known = schema["properties"]
        for key in instance:
            if key not in known:
                yield _unknown(key, known, root, path, whole)
    elif error.validator == "required":
        for key in schema["required"]:
            if key not in instance:
                below = schema["properties"][key]
                yield Problem(line, (*path, key), "nothing", allowed(below))
    elif error.validator == "uniqueItems":
        yield Problem(line, path, "a value twice", "each value once")
    elif schema.get("x-secret"):
        yield Problem(line, path, "something else", allowed(schema))
    else:
        suggest = partial(_suggest, instance, schema)
        note = f"; {NO_VARIABLES}" if names_variable(instance) else ""
        yield Problem(line, path, found(instance), allowed(schema) + note, suggest)


def _unknown(
    key: str, known: Mapping[str, Schema], root: Node, path: Path, whole: Schema
) -> Problem:
    where = (*path, key)
    suggest = partial(_known_key, key, known, whole)
    return Problem(line_of(root, where), where, "an unknown key", one_of(known), suggest)


def _known_key(key: str, known: Mapping[str, Schema], whole: Schema) -> str:
    places = _elsewhere(whole)
    former = next((name for name, below in known.items() if below.get("x-former") == key), "")
    return (
        former
        or places.get(key)
        or closest(key, known)
        or places.get(closest(key, places, 0.8), "")
    )


def _elsewhere(whole: Schema) -> Mapping[str, str]:
    """Keys that exist once in the schema, with their full path."""
    places: dict[str, list[str]] = {}

    def visit(schema: Schema, path: Path) -> None:
        for key, below in schema.get("properties", {}).items():
            places.setdefault(key, []).append(show_path((*path, key)))
            visit(below, (*path, key))

    visit(whole, ())
    return {key: paths[0] for key, paths in places.items() if len(paths) == 1}


def allowed(schema: Schema) -> str:
    """What a place takes, in words."""
    kind = schema.get("type")
    title = str(schema.get("title", ""))
    if "enum" in schema:
        return one_of(schema["enum"])
    if kind == "array":
        return (title or _TYPES["array"]) + _how_many(schema)
    if title and kind != "object":
        return f"text of at most {schema['maxLength']} characters" if title == "text" else title
    if kind == "integer":
        return f"a whole number from {schema['minimum']} to {schema['maximum']}"
    words = _TYPES[str(kind)]
    if "maxProperties" in schema:
        words += f" of at most {schema['maxProperties']}"
    return words


def _how_many(schema: Schema) -> str:
    least, most = schema.get("minItems", 0), schema.get("maxItems")
    return "" if least == most else f", {least} to {most} of them"


def _suggest(value: object, schema: Schema) -> str:
    if schema.get("type") == "string" and not {"enum", "pattern"} & schema.keys():
        return json.dumps(value) if isinstance(value, bool | int | float) else ""
    if isinstance(value, bool):
        return ""
    if "enum" in schema:
        return closest(str(value), schema["enum"])
    if schema.get("type") == "boolean":
        return _BOOLEANS.get(str(value).lower(), "")
    suggest = _SUGGEST.get(schema.get("x-kind", ""))
    return suggest(str(value)) if suggest is not None and isinstance(value, str | int) else ""


def _duration(text: str) -> str:
    if text.isdecimal():
        return f"{text}s"
    matched = _NUMBER_AND_WORD.fullmatch(text.strip())
    unit = _DURATION_WORDS.get(matched[2].lower(), "") if matched else ""
    return f"{matched[1]}{unit}" if matched and unit else ""


def _size(text: str) -> str:
    if text.isdecimal() and len(text) <= 12:
        return format_size(int(text)) if int(text) else ""
    matched = _NUMBER_AND_WORD.fullmatch(text.strip())
    unit = _SIZE_WORDS.get(matched[2].lower(), "") if matched else ""
    return f"{matched[1]}{unit}" if matched and unit else ""


def _address(text: str) -> str:
    if text.isdecimal() and len(text) <= 5:
        return f":{text}"
    return text.removeprefix("http://").rstrip("/") if text.startswith("http://") else ""


_SUGGEST: Mapping[str, Callable[[str], str]] = {
    "inclusion": lambda text: closest(text, get_args(Inclusion)),
    "duration": _duration,
    "size": _size,
    "address": _address,
}
