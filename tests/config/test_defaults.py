"""A default stands in the settings, the schema and the rooms: in each the same, field by field."""

from __future__ import annotations

from dataclasses import MISSING, fields, is_dataclass, replace
from typing import Any, get_type_hints

import pytest

from llm_trace_exporter.config import Settings
from llm_trace_exporter.config.bind import attribute_of, load_schema, unbind
from llm_trace_exporter.config.judge_settings import EndpointSettings, RuleSettings
from llm_trace_exporter.content import ContentBufferLimits
from llm_trace_exporter.correlation import Limits, TraceLimits
from llm_trace_exporter.engine.wiring import (
    content_buffer_limits,
    context,
    judge_options,
    judge_rule,
    limits,
    pricing_policy,
    store_options,
    trace_limits,
)
from llm_trace_exporter.judge.client import Endpoint
from llm_trace_exporter.judge.rules import Rule
from llm_trace_exporter.judge.runner import JudgeOptions
from llm_trace_exporter.metrics.labels_and_buckets import BUCKETS
from llm_trace_exporter.metrics.store import StoreOptions
from llm_trace_exporter.pricing import PricingPolicy

QUESTION = {"name": "polite", "question": "Is it polite?"}
ASKED = RuleSettings(**QUESTION)  # type: ignore[arg-type]
ASKING = replace(
    Settings(),
    judge=replace(
        Settings().judge, endpoint=EndpointSettings(url="http://m", model="m"), rules=(ASKED,)
    ),
)
SCHEMA = load_schema()
DIMENSIONS = "settings.dimensions"
"""Their keys are those of the dialects, which the schema does not repeat."""


def differing(taken: Any, own: Any, chosen: frozenset[str] = frozenset()) -> dict[str, Any]:
    """Fields of a room's record that nobody set and that differ from its own defaults."""
    assert type(taken) is type(own)
    pairs = {f.name: (getattr(taken, f.name), getattr(own, f.name)) for f in fields(own)}
    assert chosen <= pairs.keys()
    return {name: pair for name, pair in pairs.items() if name not in chosen and pair[0] != pair[1]}


def test_what_an_empty_configuration_says_is_what_each_room_would_do_alone() -> None:
    settings = Settings()
    asked = judge_options(ASKING)
    assert asked is not None
    alone = JudgeOptions((judge_rule(ASKED),), Endpoint("http://m", "m"))
    labelled = frozenset({"dimensions"})
    inherited = frozenset({"inherited"})
    assert differing(limits(settings), Limits(), inherited) == {}
    assert differing(trace_limits(settings), TraceLimits()) == {}
    assert differing(content_buffer_limits(settings), ContentBufferLimits()) == {}
    assert differing(asked, alone, labelled) == {}
    assert differing(asked.endpoint, alone.endpoint) == {}
    assert differing(judge_rule(ASKED), Rule(**QUESTION)) == {}  # type: ignore[arg-type]
    assert differing(pricing_policy(settings), PricingPolicy()) == {}
    # Which values of a label are many is the operator's to know; buckets are compared below.
    unlike = frozenset({"dimensions", "caps", "buckets"})
    assert differing(store_options(settings), StoreOptions(), unlike) == {}
    assert store_options(settings).buckets == {
        kind: bounds for kind, bounds in BUCKETS.items() if not kind.startswith("semconv_")
    }
    unlike = frozenset({"dimensions", "judging", "count_details_logs"})
    assert differing(context(settings), type(context(settings))(), unlike) == {}


def records(kind: Any, schema: dict[str, Any], path: str) -> list[tuple[str, Any, dict[str, Any]]]:
    """Every settings record below one, with the schema of it."""
    found = [(path, kind, schema)]
    hints = get_type_hints(kind)
    for key, below in schema["properties"].items():
        hint = hints[attribute_of(key, below)]
        for inner in (hint, *getattr(hint, "__args__", ())):
            if is_dataclass(inner):
                within = below.get("items") or below
                members = below.get("additionalProperties")
                within = within if "properties" in within else members
                found += records(inner, within, f"{path}.{key}")
    return found


RECORDS = {path: (kind, schema) for path, kind, schema in records(Settings, SCHEMA, "settings")}


@pytest.mark.parametrize("path", RECORDS)
def test_every_field_has_the_default_of_the_schema(path: str) -> None:
    """Of each record by itself, those in lists and mappings as well."""
    kind, schema = RECORDS[path]
    names = {attribute_of(key, below): key for key, below in schema["properties"].items()}
    assert names.keys() == {field.name for field in fields(kind)}
    required = set(schema.get("required", ()))
    plain = {f.name: default for f in fields(kind) if (default := default_of(f)) is not MISSING}
    assert names.keys() - plain.keys() == {n for n, key in names.items() if key in required}
    for name, default in plain.items():
        key = names[name]
        below = schema["properties"][key]
        if is_dataclass(default) or f"{path}.{key}" == DIMENSIONS:
            continue
        record, alone = type("One", (), {name: default}), {"properties": {key: below}}
        value = unbind(record, alone).get(key)
        if value not in ({}, [], "", None) or "default" in below:
            # A list of one may be written as that one.
            assert value in (below["default"], [below["default"]]), key


def default_of(field: Any) -> Any:
    """The value of a field that is not given; MISSING where it must be."""
    return field.default_factory() if field.default_factory is not MISSING else field.default
