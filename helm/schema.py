"""`values.schema.json`: the values' own schema around the exporter's, which `config` must follow.

Draft-07, because Helm 3 reads only that one rightly.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import yaml

from .members import definitions, reference
from .values import Value, described, values_file

EXPORTER_SCHEMA = (
    Path(__file__).parents[1] / "exporter" / "llm_trace_exporter" / "config" / "schema.json"
)

_TYPES: dict[type, str] = {
    bool: "boolean",
    int: "integer",
    str: "string",
    list: "array",
    dict: "object",
}


def exporter_schema() -> dict[str, Any]:
    """The exporter's schema without what only a whole document has."""
    schema: dict[str, Any] = json.loads(EXPORTER_SCHEMA.read_text(encoding="utf-8"))
    del schema["$schema"]
    return schema


def values_schema(text: str) -> dict[str, Any]:
    """The schema of the values that a `values.yaml` describes.

    A map that is described as a whole is the user's to fill, unless its comment names a definition
    (`{"of": "Affinity"}`, `[]` behind the name for a list); one whose members are described takes
    these and no others.
    """
    known = {value.path: value for value in described(text)}
    schema = _object(yaml.safe_load(text), (), known)
    # What a parent chart passes on to all of its charts.
    schema["properties"]["global"]["additionalProperties"] = True
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "Values of the chart llm-trace-exporter",
        **schema,
        "definitions": definitions(
            value.schema["of"].removesuffix("[]")
            for value in known.values()
            if "of" in value.schema
        ),
    }


def render(text: str) -> str:
    """The schema as it is in the chart."""
    return json.dumps(values_schema(text), indent=2, ensure_ascii=False) + "\n"


def _object(
    values: dict[str, Any], path: tuple[str, ...], known: dict[tuple[str, ...], Value]
) -> dict[str, Any]:
    properties = {
        key: _leaf(known[(*path, key)])
        if (*path, key) in known
        else _object(default, (*path, key), known)
        for key, default in values.items()
    }
    return {"type": "object", "additionalProperties": False, "properties": properties}


def _leaf(value: Value) -> dict[str, Any]:
    about = {"description": value.description}
    if value.schema.get("exporter"):
        return {**exporter_schema(), **about}
    told = {"type": _TYPES[type(value.default)], **about, **value.schema}
    # Draft-07 reads nothing that stands beside a reference.
    return {**told, "allOf": [reference(told.pop("of"))]} if "of" in told else told


def default_text() -> str:
    """The schema of the chart's own `values.yaml`."""
    return render(values_file())
