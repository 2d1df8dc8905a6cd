"""Every dialect, in the order in which a record is offered to them, and the keys they read."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from ..otlp.records import Attributes, RawLog, RawSpan
from .context import CONTEXT_KEYS, Context
from .evaluations import FACT_KEYS
from .http_attempts import HTTP_KEYS
from .open_names import OPEN_PATTERN
from .schema import Dialect, Fields
from .vendors import (
    coding_agents,
    confident,
    frameworks,
    langfuse,
    langsmith,
    litellm,
    logfire,
    mistral,
    mlflow,
    observability,
    openinference,
    openlit,
    openllmetry,
    semconv,
    trulens,
    undescribed,
    vercel_ai,
)

DIALECTS: tuple[Dialect, ...] = (
    coding_agents.CLAUDE_CODE,
    coding_agents.CODEX,
    coding_agents.GEMINI_CLI,
    coding_agents.GEMINI_FORK,
    frameworks.ANTHROPIC_SDK,
    litellm.DIALECT,
    openinference.DIALECT,
    langfuse.DIALECT,
    langsmith.DIALECT,
    mlflow.DIALECT,
    vercel_ai.DIALECT,
    trulens.DIALECT,
    openlit.DIALECT,
    logfire.DIALECT,
    frameworks.STRANDS,
    frameworks.GOOGLE_ADK,
    frameworks.GENKIT,
    frameworks.MASTRA,
    frameworks.MIRASCOPE,
    frameworks.SPRING_AI,
    frameworks.LLAMA_INDEX,
    frameworks.AGENT_FRAMEWORK,
    frameworks.PORTKEY,
    frameworks.HELICONE,
    frameworks.WEAVE,
    mistral.DIALECT,
    observability.DATADOG,
    observability.LAMINAR,
    observability.NETRA,
    observability.LANGWATCH,
    observability.HONEYHIVE,
    observability.TRACE_AI,
    openllmetry.DIALECT,
    confident.DIALECT,
    semconv.DIALECT,
    undescribed.DIALECT,
)
"""Vendor keys are read before generic ones: the most particular dialect comes first.

The last knows no record by itself: it gets the spans that none knows and that may be calls.
"""


def table_of(dialect: Dialect) -> Fields:
    """Where each fact is written, own keys first."""
    facts = {*dialect.fields, *semconv.FIELDS}
    return {fact: dialect.fields.get(fact, ()) + semconv.FIELDS.get(fact, ()) for fact in facts}


TABLES: Mapping[str, Fields] = {d.name: table_of(d) for d in DIALECTS}
"""Name of a shipped dialect -> where each fact is written."""

_EVENT_KEYS = (
    "exception.type",
    "exception.message",
    "gen_ai.evaluation.name",
    "gen_ai.evaluation.score.value",
    "gen_ai.evaluation.score.label",
    "gen_ai.evaluation.evaluator.source",
    "error.type",
    "event.name",
    "finish_reason",
    "llm.output_messages.0.message.role",
)

WANTED_PATTERN = re.compile(
    rf"{OPEN_PATTERN}|"
    r"(?:(?:trace|session)\.)?(?:evaluations|annotations)\.[0-9]{1,4}\.(?:evaluation|annotation)"
    r"\.(?:name|score|label|annotator_kind)"
    r"|retrieval\.documents\.[0-9]{1,4}\.document\.(?:score|id|metadata|content)"
)
"""Keys that no list can hold: those that are read by their words, and those with an index in them.

Of a document only the key is of use, never its value.
"""


def wanted_keys(context: Context) -> frozenset[str]:
    """Every attribute key that some dialect or dimension reads."""
    tables = (*TABLES.values(), *(dialect.fields for dialect in context.conventions))
    found = {where.attr for table in tables for at in table.values() for where in at}
    for dialect in (*context.conventions, *DIALECTS):
        found.update(dialect.detect_by, dialect.kind_keys, dialect.resources)
    found.update(_EVENT_KEYS, FACT_KEYS, HTTP_KEYS)
    found.update(where.attr for where in CONTEXT_KEYS)
    found.update(where.attr for d in context.dimensions for where in d.keys)
    return frozenset(found)


def _detectors(dialects: Iterable[Dialect]) -> frozenset[str]:
    return frozenset(mark for dialect in dialects for mark in dialect.resources)


_DETECTORS = _detectors(DIALECTS)


def detectors_on(resource: Attributes, context: Context) -> frozenset[str]:
    """The attributes of a resource by which some dialect knows its records."""
    found = _DETECTORS.intersection(resource)
    if not context.conventions:
        return found
    return found | _detectors(context.conventions).intersection(resource)


def dialect_of(record: RawSpan | RawLog, context: Context) -> Dialect | None:
    """The first dialect that knows the record by scope, mark or resource."""
    attrs, scope = record.attrs, record.scope.name
    is_log = isinstance(record, RawLog)
    for dialect in (*context.conventions, *DIALECTS):
        if (
            (dialect.scopes and scope.startswith(dialect.scopes))
            or any(mark in attrs for mark in dialect.detect_by)
            or (dialect.resources and _marked(record.resource.attrs, dialect))
        ) and dialect.name not in context.disabled:
            if (is_log and not dialect.logs) or (dialect.is_for_logs and not is_log):
                continue
            return dialect
    return semconv.DIALECT if is_log else None


def _marked(resource: Attributes, dialect: Dialect) -> bool:
    return any(mark in resource for mark in dialect.resources)
