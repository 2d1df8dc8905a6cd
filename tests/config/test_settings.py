"""One set of keys and defaults: schema, settings and the rooms that take them agree."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import FrozenInstanceError, asdict, fields
from typing import Any

import pytest
from jsonschema import Draft7Validator

from llm_trace_exporter.config import Settings, parse_config
from llm_trace_exporter.config.bind import load_schema, unbind
from llm_trace_exporter.config.limit_settings import LimitSettings
from llm_trace_exporter.config.settings import ContractSettings, SeriesSettings
from llm_trace_exporter.correlation import Limits
from llm_trace_exporter.dialects import DEFAULT_DIMENSIONS
from llm_trace_exporter.dialects import dimension as read_dimension
from llm_trace_exporter.metrics.label_policy import DEFAULT_CAP, Dimension
from llm_trace_exporter.metrics.labels_and_buckets import BUCKETS, LABEL
from llm_trace_exporter.metrics.store import StoreOptions
from llm_trace_exporter.pricing.policy import PRICED_TYPES, Contract
from tests.every import every

SCHEMA = load_schema()
KEYWORDS = {
    "duration",
    "size",
    "address",
    "date",
    "bounds",
    "range",
    "label",
    "matcher",
    "timezone",
    "inclusion",
}


def nodes(schema: dict[str, Any], path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    yield path, schema
    for key, below in schema.get("properties", {}).items():
        yield from nodes(below, f"{path}.{key}")
    for keyword in ("additionalProperties", "items"):
        if isinstance(schema.get(keyword), dict):
            yield from nodes(schema[keyword], f"{path}.*")


NODES = dict(nodes(SCHEMA))


def test_schema_is_draft_07_and_can_be_embedded() -> None:
    Draft7Validator.check_schema(SCHEMA)
    assert "$ref" not in json.dumps(SCHEMA)


@every([path for path in NODES if path])
def test_every_key_is_described(path: str) -> None:
    schema = NODES[path]
    if not path.endswith(".*") or schema["type"] == "object":
        assert schema["description"].endswith(".")
    if schema["type"] == "object":
        assert "additionalProperties" in schema
    elif not path.endswith(".*"):
        assert schema["examples"]
    if schema["type"] == "string" and "enum" not in schema:
        assert "maxLength" in schema or "pattern" in schema
    assert schema.get("x-kind", "label") in KEYWORDS


@every(NODES)
def test_defaults_and_examples_fit_their_schema(path: str) -> None:
    schema = NODES[path]
    validator = Draft7Validator(schema)
    for value in [
        *schema.get("examples", ()),
        *([schema["default"]] if "default" in schema else []),
    ]:
        validator.validate(value)


def test_patterns_are_anchored_and_portable() -> None:
    # Helm validates with Go's expressions, which have no lookaround.
    for schema in NODES.values():
        pattern = schema.get("pattern", "^$")
        assert pattern.startswith("^") and pattern.endswith("$") and "(?" not in pattern


def test_schema_defaults_are_the_settings() -> None:
    written = {
        key: below["default"] for key, below in SCHEMA["properties"].items() if "default" in below
    }
    assert parse_config(json.dumps(written), "defaults.json") == Settings()
    plain = unbind(Settings(), SCHEMA)
    plain["web"]["listen_address"] = plain["web"]["listen_address"][0]
    for path, schema in NODES.items():
        if "default" not in schema or schema.get("properties") or "*" in path:
            continue
        value: Any = plain
        for key in path.split(".")[1:]:
            value = value[key]
        assert value == schema["default"], f"{path}: {json.dumps(value)}"


def test_settings_are_frozen() -> None:
    with pytest.raises(FrozenInstanceError):
        Settings().decision_wait_s = 1  # type: ignore[misc]


def test_defaults_are_those_of_the_rooms() -> None:
    settings = Settings()
    options = StoreOptions()
    assert asdict(settings.buckets) == {
        kind: bounds for kind, bounds in BUCKETS.items() if not kind.startswith("semconv_")
    }
    assert settings.series == SeriesSettings(options.max_series_per_family, options.idle_expiry_s)
    assert settings.zero_hold_s == options.zero_hold_s
    assert settings.labels.default_cap == DEFAULT_CAP
    limits = Limits()
    assert settings.decision_wait_s == limits.decision_wait_s
    assert settings.limits == LimitSettings(
        limits.max_pending, limits.max_spans, limits.max_age_s, limits.max_remembered
    )
    found = tuple(read_dimension(d.label, d.keys) for d in settings.dimensions)
    assert found == DEFAULT_DIMENSIONS
    assert {d.cap for d in settings.dimensions} == {DEFAULT_CAP}
    assert all(LABEL[label].is_open for label in settings.labels.caps)


def test_contracts_are_those_of_the_pricing_room() -> None:
    names = {field.name for field in fields(ContractSettings)}
    assert names == {field.name for field in fields(Contract)}
    contracts = SCHEMA["properties"]["pricing"]["properties"]["contracts"]["items"]["properties"]
    assert tuple(contracts["usd_per_million_tokens"]["properties"]) == PRICED_TYPES


@every(sorted({*LABEL, "le", "job", "instance", "tenant", "_x"}))
def test_labels_are_refused_as_the_store_refuses_them(label: str) -> None:
    def fails(make: Any) -> bool:
        try:
            make()
        except Exception:
            return True
        return False

    text = f"dimensions: [{{label: {label}, keys: [x]}}]"
    store = fails(lambda: StoreOptions(dimensions=(Dimension(label),)))
    assert fails(lambda: parse_config(text, "c.yml")) == store
