"""Between plain values and settings, in both directions, as the schema says.

`x-kind` names how a value is written, `x-attribute` the field where it is not the key; a duration
`decision_wait` is the field `decision_wait_s`.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Mapping
from datetime import date
from functools import cache
from importlib.resources import files
from types import UnionType
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

from .units import duration_s, format_duration, format_size, size_bytes

Schema = dict[str, Any]

T = TypeVar("T")

_EXACT = 2.0**53
"""Below it, a float without fraction is written as the integer that it is."""


@cache
def load_schema(name: str = "schema.json") -> Schema:
    """The JSON Schema of the configuration, or of a listener's web configuration.

    Not to be changed.
    """
    text = files(__package__).joinpath(name).read_text(encoding="utf-8")
    schema: Schema = json.loads(text)
    return schema


def attribute_of(key: str, schema: Schema) -> str:
    """The settings field of a key."""
    suffix = "_s" if schema.get("x-kind") == "duration" else ""
    return str(schema.get("x-attribute", key + suffix))


_READ: Mapping[str, Callable[[Any], Any]] = {
    "duration": duration_s,
    "size": size_bytes,
    "date": date.fromisoformat,
}
_WRITE: Mapping[str, Callable[[Any], Any]] = {
    "duration": format_duration,
    "size": format_size,
    "date": date.isoformat,
}


def bind(kind: type[T], schema: Schema, value: dict[str, Any]) -> T:
    """A settings record from a valid mapping; what is not given has its default."""
    hints = get_type_hints(kind)
    fields = {}
    for key, given in value.items():
        below = schema["properties"][key]
        name = attribute_of(key, below)
        fields[name] = _bind_value(hints[name], below, given)
    return kind(**fields)


def _bind_value(hint: Any, schema: Schema, value: Any) -> Any:
    hint = _part_for(value, hint)
    if dataclasses.is_dataclass(hint):
        return bind(hint, schema, value)  # type: ignore[arg-type]
    if (read := _READ.get(schema.get("x-kind", ""))) is not None:
        return read(value)
    origin, inner = get_origin(hint), get_args(hint)
    if origin is tuple:
        items = value if isinstance(value, list) else [value]
        return tuple(_bind_value(inner[0], schema["items"], item) for item in items)
    if isinstance(value, dict):
        below = _member_schema(schema)
        merged = schema["default"] if schema.get("x-merge") else {}
        return {
            **merged,
            **{key: _bind_value(inner[1], below(key), item) for key, item in value.items()},
        }
    # JSON Schema takes 5.0 for an integer.
    return hint(value) if hint in (int, float) else value


def unbind(settings: object, schema: Schema) -> dict[str, Any]:
    """The reverse of `bind`, with every key that has a value; a list that may not be empty has."""
    plain = {}
    for key, below in schema["properties"].items():
        value = getattr(settings, attribute_of(key, below))
        if value is not None and (value != () or not below.get("minItems")):
            plain[key] = _unbind_value(value, below)
    return plain


def _unbind_value(value: Any, schema: Schema) -> Any:
    if dataclasses.is_dataclass(value):
        return unbind(value, schema)
    if (write := _WRITE.get(schema.get("x-kind", ""))) is not None:
        return write(value)
    if isinstance(value, tuple):
        return [_unbind_value(item, schema["items"]) for item in value]
    if isinstance(value, Mapping):
        below = _member_schema(schema)
        return {key: _unbind_value(item, below(key)) for key, item in value.items()}
    if isinstance(value, float) and value.is_integer() and abs(value) < _EXACT:
        return int(value)
    return value


def _member_schema(schema: Schema) -> Callable[[str], Schema]:
    properties = schema.get("properties", {})
    return lambda key: properties[key] if key in properties else schema["additionalProperties"]


def _part_for(value: Any, hint: Any) -> Any:
    """The part of a union that a value is of; None is never written."""
    if get_origin(hint) not in (Union, UnionType):
        return hint
    parts = [part for part in get_args(hint) if part is not type(None)]
    is_mapping = isinstance(value, dict)
    return next((p for p in parts if (get_origin(p) is Mapping) == is_mapping), parts[0])
